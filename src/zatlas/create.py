"""Make a run: train a model on images, resume a training, or import a model."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np

from zatlas.core import deadline
from zatlas.core.errors import BadRecipe
from zatlas.core.logs import LOG
from zatlas.core.space import Prior
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.device import resolve_device
from zatlas.models.importers import importing
from zatlas.models.importers.imported import ImportOptions, Layout, NoiseInput, PixelRange
from zatlas.render.sheet import sheet
from zatlas.store import run as runs
from zatlas.training import loop
from zatlas.training.array_data import npz_bytes
from zatlas.training.callbacks import Callback
from zatlas.training.recipe import (
    RUN_DATA,
    Recipe,
    change,
    explain_defaults,
    make_recipe,
    preset,
    read_recipe,
)
from zatlas.training.trackers import all_callbacks_of
from zatlas.workspace import Workspace

CHECK_SAMPLES = 64  # largest number of samples that an imported model decodes for its check
CHECK_SECONDS = 10.0  # time for these samples
MIN_DIFFERENCE = 0.004  # root mean square difference of images, below which they look the same
ARRAYS = "arrays"  # name of data that is passed as an array


def train(
    data: Any = None,
    labels: Any = None,
    *,
    model: str | None = None,
    dim: int | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    size: int | None = None,
    preset: str | None = None,
    recipe: str | PathLike[str] | None = None,
    settings: Mapping[str, object] | None = None,
    out: str | PathLike[str] | None = None,
    device: str = "auto",
    callbacks: Sequence[Callback | str] = (),
    verbose: bool = True,
) -> Workspace:
    """Train a model on images, and return the run.

    Parameters
    ----------
    data : str, Path, array, tensor, torch Dataset, datasets.Dataset, data frame or list
        A name from `zatlas datasets`, a folder, an .npz file or "hf:owner/name"; images (n, h, w),
        (n, h, w, c) or (n, c, h, w) with c = 1 or 3, as uint8 or as floats in [0, 1] or [0, 255]; a torch
        Dataset of images or pairs (image, label); a Hugging Face dataset, or a pandas or polars frame of
        paths; or a list of arrays, PIL images or paths. The run stores a copy of the images.
    labels : sequence of int or str, or str
        The class of each image, (n,), or the label column of a table.
    model : str
        A model family: "vae", "ae", "gan" or one of a plugin. The default is that of the preset or
        recipe, without one "vae".
    dim : int
        Number of latent dimensions. The default is that of the preset or recipe, without one that of the
        model (2 for a VAE of small images, 32 from 48 pixels).
    epochs : int
        Passes over the training images (default: as the recipe; without one, at least 30 and enough for
        1,000 or 2,000 optimizer steps, for a GAN at least 10 and enough for 4,500).
    seed : int
        Random seed for weights, order and noise (default: as the recipe, or 0).
    size : int
        Side in pixels to which images are resized and cropped (default: as they are).
    preset, recipe : str or Path
        The name of a recipe from `zatlas presets`, or a recipe file, to start from.
    settings : mapping
        Other settings of the recipe, as ``{"model.beta": 4}``.
    out : str or Path
        Folder of the run (default: a new one in ``runs/``).
    device : {"auto", "cpu", "cuda", "mps"}
        Device to train on; "auto" takes a GPU if there is one.
    callbacks : sequence of Callback or str
        Callbacks, or names of registered ones such as "wandb" and "mlflow". Called at the start, after each
        step and epoch, and at the end. An error in one stops the training after a checkpoint is saved.
    verbose : bool
        Show progress in the terminal.

    Returns
    -------
    Atlas

    Raises
    ------
    BadData
        The images or labels cannot be used.
    BadRecipe, UnknownName
        A setting is wrong, or a name does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).random((60, 8, 8))
    >>> zatlas.train(images, model="ae", dim=3, epochs=1, out="runs/noise", verbose=False)
    Atlas noise: ae, 3 dimensions
    data: data: 60 grey images 8x8 (57 train, 3 valid)
    run: runs/noise; next: atlas.plot.grid(), atlas.evaluate() or atlas.explore()
    """
    given = {
        **_source_of(data, labels),
        "data.size": size,
        "model.family": model,
        "model.dim": dim,
        "training.epochs": epochs,
        "seed": seed,
    }
    given = {key: value for key, value in given.items() if value is not None} | dict(settings or {})
    tables = compose(preset, None if recipe is None else Path(recipe), given)
    first = make_recipe(tables)  # reports wrong settings before the images are read
    all_callbacks = all_callbacks_of(callbacks, verbose)
    device = resolve_device(device)
    if out is not None:
        runs.check_free(Path(out))
    arrays = npz_bytes(data, labels, first.size) if given.get("data.source") == RUN_DATA else None
    images = _open_images(first, arrays)
    count = len(images.rows("train"))
    complete = make_recipe(tables, images.shape, count)
    name = ARRAYS if arrays else Path(complete.source.removeprefix("hf:")).stem
    folder = Path(out) if out else runs.free_folder(f"{name}-{preset or complete.family}")
    for line in explain_defaults(tables, complete, images.shape, count):
        for callback in all_callbacks:
            callback.on_message(line)
    run = loop.fit(
        complete,
        images,
        folder,
        all_callbacks,
        device=device,
        files={} if arrays is None else {Path(RUN_DATA).name: arrays},
    )
    return Workspace.open(run.folder, device=device)


def _source_of(data: Any, labels: Any) -> dict[str, Any]:
    """Return the recipe settings of the data."""
    if data is not None and not isinstance(data, str | PathLike):
        return {"data.source": RUN_DATA}
    if labels is not None:
        raise BadRecipe("Labels belong to an array of images. A folder, file or name has its own labels.")
    if data is None:
        return {}
    source, options = sources.resolve(fspath(data))
    return {"data.source": source, **{f"data.{key}": value for key, value in options.items()}}


def _open_images(recipe: Recipe, arrays: bytes | None) -> ImageDataset:
    """Return the images of a recipe; those of arrays are read in the same way as later from the run."""
    if arrays is None:
        return sources.load_verified(recipe.source, size=recipe.size, **recipe.options)
    with TemporaryDirectory() as folder:
        path = Path(folder) / RUN_DATA
        path.write_bytes(arrays)
        return sources.load(str(path), size=recipe.size, **recipe.options)


def train_comparable(
    data: str, models: Sequence[str], *, dim: int, epochs: int | None, seed: int, folder: Path
) -> list[Workspace]:
    """Return runs of several families with the same images, nets, seed and epochs.

    The family "cvae" is a conditional VAE. Runs that exist in the folder are opened.
    """
    workspaces = []
    for name in models:
        out = folder / name
        if (out / "weights.safetensors").exists():
            workspaces.append(Workspace.open(out))
            continue
        settings = {"model.conditional": True} if name == "cvae" else {}
        family = "vae" if name == "cvae" else name
        workspaces.append(
            train(data, model=family, dim=dim, epochs=epochs, seed=seed, settings=settings, out=out)
        )
    return workspaces


def resume(
    run: str | PathLike[str],
    settings: Mapping[str, object] | None = None,
    *,
    device: str = "auto",
    callbacks: Sequence[Callback | str] = (),
    verbose: bool = True,
    restart: bool = False,
) -> Workspace:
    """Continue a training that was stopped, with the result of one that never stopped.

    Parameters
    ----------
    run : str or Path
        Folder of the run.
    settings : mapping
        Settings that may change, as ``{"training.epochs": 40}``.
    device, callbacks, verbose
        As in `train`.
    restart : bool
        Train from the beginning. The weights stay until new ones replace them after the first epoch.

    Returns
    -------
    Atlas

    Raises
    ------
    BadRun
        The folder holds no run, or its images have changed.
    BadRecipe
        A setting has changed that the trained epochs depend on.

    Examples
    --------
    >>> zatlas.resume("runs/shapes", {"training.epochs": 21}, verbose=False)
    Atlas shapes: vae, 2 dimensions
    data: shapes: 150 grey images 8x8 in 3 classes (114 train, 6 valid, 30 test)
    run: runs/shapes; next: atlas.plot.grid(), atlas.evaluate() or atlas.explore()
    """
    opened = runs.open_run(Path(run))
    tables = read_recipe(opened.recipe_file)
    for key, value in (settings or {}).items():
        tables = change(tables, key, value)
    device = resolve_device(device)
    all_callbacks = all_callbacks_of(callbacks, verbose)
    loop.resume(opened.folder, make_recipe(tables), all_callbacks, restart=restart, device=device)
    return Workspace.open(opened.folder, device=device)


def compose(name: str | None, file: Path | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of a preset or a file, with these settings changed."""
    tables: dict[str, Any] = preset(name) if name else read_recipe(file) if file else {}
    data = tables.get("data", {})
    if settings.get("data.source", data.get("source")) != data.get("source"):
        # The options belong to the source that the recipe names.
        tables = {**tables, "data": {key: data[key] for key in ("size",) if key in data}}
    for key, value in settings.items():
        tables = change(tables, key, value)
    return tables


def import_model(
    source: Any,
    out: str | PathLike[str],
    *,
    shape: Sequence[int] | None = None,
    encoder: Any = None,
    prior: str | None = None,
    pixels: str | None = None,
    layout: str | None = None,
    key: str | None = None,
    module: str | None = None,
    classes: Sequence[str] = (),
    truncation: float | None = None,
    truncation_layers: int | None = None,
    noise: str | None = None,
    latents: str | PathLike[str] | None = None,
    data: str | PathLike[str] | None = None,
    device: str = "auto",
    verbose: bool = True,
) -> Workspace:
    """Make a run of a model that was trained elsewhere, and check its images.

    Parameters
    ----------
    source : module, function, str or Path
        A decoder (latents -> images); a file of ONNX, TorchScript or torch.export; a file of weights; a
        folder saved by pythae or diffusers; or a file of latents.
    out : str or Path
        Folder of the new run.
    shape : sequence of int
        Shape of one latent (default: zatlas tries usual ones).
    encoder : module or function
        The encoder, if it is not part of the source.
    prior : {"normal", "sphere", "none"}
        The prior of the latents.
    pixels, layout : str
        The range of the pixels, and the order of the image's axes.
    key, module : str
        For a file of weights: the part of the file, and your class that it belongs to.
    classes : sequence of str
        Class names of a conditional model.
    truncation : float
        Truncation of a StyleGAN (psi) or a BigGAN, from 0 (typical) to 1 (varied, the default).
    truncation_layers : int
        Number of the first layers of w that a StyleGAN truncates (default: all).
    noise : {"fixed", "zero", "random"}
        The noise in the layers of a StyleGAN2: that of the file (default), none, or a random one, which the
        run stores.
    latents : str or Path
        A file of latents that the decoder takes, such as w of a StyleGAN. They replace a prior.
    data : str or Path
        Images like those of the model, as a name or path that `train` takes.
    device : {"auto", "cpu", "cuda", "mps"}
        Device of the model.
    verbose : bool
        Print what zatlas inferred about the model.

    Returns
    -------
    Atlas

    Raises
    ------
    BadData, NotSupported
        The source is of no known kind, or its images cannot be read.

    Examples
    --------
    >>> from torch import nn
    >>> decoder = nn.Sequential(nn.Linear(4, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    >>> zatlas.import_model(decoder, "runs/mine", shape=(4,), verbose=False)
    Atlas mine: Sequential, 4 dimensions
    data: no images
    run: runs/mine; next: atlas.plot.grid(), atlas.evaluate() or atlas.explore()
    """
    options = ImportOptions(
        key,
        module,
        Path(encoder) if isinstance(encoder, PathLike) else encoder,
        None if shape is None else tuple(shape),
        cast("Prior | None", prior),
        cast("PixelRange | None", pixels),
        cast("Layout | None", layout),
        tuple(classes),
        truncation,
        truncation_layers,
        cast("NoiseInput | None", noise),
        None if latents is None else Path(latents),
    )  # raises errors for unknown words
    source = Path(source) if isinstance(source, PathLike) else source
    data = None if data is None else fspath(data)
    result = importing.import_model(source, Path(out), options, data, resolve_device(device))
    workspace = Workspace(result.run, result.description, result.generator)
    with deadline.within(deadline.IMPORT_SECONDS):
        lines = check(workspace)
    for line in (*result.messages, *lines):
        if verbose:
            LOG.info(line)
    return workspace


def check(workspace: Workspace) -> list[str]:
    """Decode samples of an imported model, draw them into its gallery, and return lines about them."""
    if not workspace.source.decodes:
        return []
    space = workspace.generator.space
    if (cloud := workspace.imported_cloud) is not None:
        z = cloud[:CHECK_SAMPLES]
    else:
        z = (space if space.prior != "none" else replace(space, prior="normal")).sample(CHECK_SAMPLES, seed=0)
    workspace.decode(z[:1])  # the first call is slower
    started = time.perf_counter()
    workspace.decode(z[:1])
    side = int(np.clip((CHECK_SECONDS / (time.perf_counter() - started)) ** 0.5, 2, CHECK_SAMPLES**0.5))
    started = time.perf_counter()
    images = workspace.decode(z[: side * side])
    seconds = (time.perf_counter() - started) / len(images)
    difference = float(np.sqrt(((images - images.mean(axis=0)) ** 2).mean()))
    kind = "normal samples" if cloud is None else "latents"
    figure = sheet(images, side, title=f"{len(images)} {kind} decoded by {workspace.name}")
    path = figure.save(workspace.gallery / "check.png")
    lines = [
        f"Check: {len(images)} images from {images.min():.3f} to {images.max():.3f} (0 black, 1 white), "
        f"{1000 * seconds:.2g} ms each; they differ from each other by {difference:.3f}."
    ]
    if difference < MIN_DIFFERENCE:
        lines.append(
            "All images are nearly the same: the model is not trained, or its latents have another scale or "
            "shape (--shape; in Python: shape=)."
        )
    return [*lines, f"Look at them: {path}"]
