"""The functions of `import zatlas`: train, load, import, compare and export runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zatlas import create
from zatlas.atlas import Atlas
from zatlas.models.generator import best_device
from zatlas.site import export as site
from zatlas.sweeps import Sweep
from zatlas.sweeps import sweep as sweep_runs
from zatlas.workspace import Workspace


def train(
    data: str | Path | None = None,
    *,
    model: str | None = None,
    dim: int | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    size: int | None = None,
    preset: str | None = None,
    recipe: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    verbose: bool = True,
) -> Atlas:
    """Train a model on images and return the run.

    Parameters
    ----------
    data : str or Path
        A name from `zatlas datasets`, a folder of images, an .npz file, or "hf:owner/name".
    model : str
        A model family: "vae" (default), "ae", "gan" or one of a plugin.
    dim : int
        Number of latent dimensions.
    epochs, seed : int
        Length of the training, and the seed of weights, order and noise.
    size : int
        Side in pixels that images are resized and cropped to.
    preset, recipe : str
        A named recipe that comes with zatlas, or a recipe file, to start from.
    settings : dict
        Any other setting of the recipe, as ``{"model.beta": 4}``.
    out : str or Path
        Folder of the run; by default a new one in ``runs/``.
    verbose : bool
        Show progress in the terminal.

    Raises
    ------
    BadRecipe, BadData
        A setting means nothing, or the images cannot be used.

    Examples
    --------
    >>> atlas = zatlas.train("digits", dim=2, epochs=5)    # doctest: +SKIP
    """
    return Atlas(
        create.train(
            data,
            model=model,
            dim=dim,
            epochs=epochs,
            seed=seed,
            size=size,
            preset=preset,
            recipe=recipe,
            settings=settings,
            out=out,
            show=verbose,
        )
    )


def resume(run: str | Path, settings: Mapping[str, Any] | None = None, *, verbose: bool = True) -> Atlas:
    """Continue a training that was stopped, exactly as if it had not been; `settings` may add epochs.

    >>> atlas = zatlas.resume("runs/digits-vae", {"training.epochs": 40})    # doctest: +SKIP
    """
    return Atlas(create.resume(run, settings, verbose))


def load(run: str | Path, *, device: str = "auto", trust: bool = False, data_changed: bool = False) -> Atlas:
    """Open the run in a folder.

    Parameters
    ----------
    run : str or Path
        Folder of the run.
    device : str
        Device of the model: "auto" (a GPU, where there is one), "cpu", "cuda", "mps".
    trust : bool
        Allow a model that is a program, and that you have not imported yourself, to run with your rights.
    data_changed : bool
        Accept images that differ from those the run was made with.

    Examples
    --------
    >>> atlas = zatlas.load("runs/digits-vae")    # doctest: +SKIP
    """
    place = best_device() if device == "auto" else device
    return Atlas(Workspace.open(Path(run), trust=trust, data_changed=data_changed, device=place))


def import_model(
    source: Any,
    out: str | Path,
    *,
    shape: Sequence[int] | None = None,
    encoder: Any = None,
    prior: str | None = None,
    pixels: str | None = None,
    layout: str | None = None,
    key: str | None = None,
    net: str | None = None,
    module: str | None = None,
    classes: Sequence[str] = (),
    data: str | None = None,
    verbose: bool = True,
) -> Atlas:
    """Make a run of a model that was trained elsewhere, and check its images.

    Parameters
    ----------
    source : module, function, str or Path
        A decoder, a file of one (ONNX, TorchScript, torch.export), a file of weights, a folder saved by
        pythae or diffusers, or a file of latents. `docs/bringing.md` lists what each takes.
    out : str or Path
        Folder of the new run.
    shape : tuple of int
        Shape of one latent; found by trying where it is not given.
    encoder : module or function
        The encoder, where it is separate.
    prior, pixels, layout : str
        The prior ("normal", "sphere", "none"), the range of pixels and the order of dimensions.
    key, net, module : str
        For files of weights: which part of the file, and the network that they belong to.
    classes : sequence of str
        Class names of a conditional model.
    data : str
        Images like the model's own, in any form that `train` takes.
    verbose : bool
        Print what was found.

    Examples
    --------
    >>> atlas = zatlas.import_model(decoder, "runs/mine", shape=(100,))    # doctest: +SKIP
    """
    return Atlas(
        create.import_run(
            source,
            out,
            shape=shape,
            encoder=encoder,
            prior=prior,
            pixels=pixels,
            layout=layout,
            key=key,
            net=net,
            module=module,
            classes=classes,
            data=data,
            show=verbose,
        )
    )


def sweep(recipe: str | Path, settings: Mapping[str, Any], **options: Any) -> Sweep:
    """Train each combination of settings, and compare the runs; `zatlas.sweeps.sweep` lists the options.

    >>> zatlas.sweep("digits", {"model.beta": [1, 4], "model.dim": [2, 8]})    # doctest: +SKIP
    """
    return sweep_runs(recipe, settings, **options)


Run = str | Path | Atlas | Workspace


def export(
    run: Run | Sequence[Run],
    out: str | Path,
    points: int | None = None,
    prior: str | None = None,
    *,
    trust: bool = False,
    data_changed: bool = False,
) -> Path:
    """Write the explorer of a run, or of two to compare, as a page that works without a server.

    `out` is a folder for any static host, or a name that ends in .html for a single file. `points` limits how
    many images the page shows. With a `prior`, "mixture" or "flow", the page samples from that. `trust` and
    `data_changed` are those of `load`.

    >>> zatlas.export("runs/digits-vae", "digits.html")    # doctest: +SKIP
    """
    runs = [run] if isinstance(run, (str, Path, Atlas, Workspace)) else run

    def opened(each: Run) -> Workspace:
        if isinstance(each, (str, Path)):
            each = load(each, trust=trust, data_changed=data_changed)
        return each.workspace if isinstance(each, Atlas) else each

    return site.export([opened(each) for each in runs], Path(out), points=points, prior=prior)
