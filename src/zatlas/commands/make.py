"""Commands that make runs: train, sweep and import."""

from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from zatlas.commands.options import Names, Size, WholeRun
from zatlas.commands.output import print_result
from zatlas.commands.printing import print_table
from zatlas.commands.registration import command
from zatlas.commands.thread_count import use_threads
from zatlas.core.errors import BadData, BadRecipe, RunsFailed
from zatlas.core.process_group import process_group


@command("Make a run")
def train(
    data: Annotated[Positional[str | None], arg(metavar="[DATA]")] = None,
    *,
    model: str | None = None,
    dim: int | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    size: Size = None,
    preset: Annotated[str | None, arg(metavar="NAME")] = None,
    recipe: Annotated[Path | None, arg(metavar="FILE")] = None,
    set: Annotated[Names, arg(metavar="TABLE.NAME=VALUE")] = (),
    out: Annotated[Path | None, arg(metavar="RUN")] = None,
    resume: Annotated[Path | None, arg(metavar="RUN")] = None,
    restart: bool = False,
    callback: Annotated[Names, arg(metavar="NAME")] = (),
    threads: int | None = None,
) -> None:
    """Train a model on images, or resume a training.

    Args:
        data: A name from `zatlas datasets`, a folder or archive of images, an .npz file or
            hf:owner/name. Options follow a colon: faces:count=20000,correlated=true.
        model: Model family from `zatlas models`. (default: vae)
        dim: Number of latent dimensions. (default: 2; 32 for images of 48 pixels or more; 64 for a GAN)
        epochs: Number of epochs. (default: that of the recipe, or at least 30, more for few images)
        seed: Random seed for weights, order and noise. (default: 0)
        preset: Start from a recipe of `zatlas presets`.
        recipe: Start from a recipe file, such as recipe.toml of another run.
        set: Change a setting of the recipe, such as model.beta=4. Repeatable.
        out: Run folder to write. (default: runs/DATA-MODEL)
        resume: Resume this run where it stopped. A larger --epochs extends it, except with schedule=onecycle.
        restart: With --resume: train the run again from the first epoch.
        callback: Follow the training with a callback: tensorboard, wandb, mlflow or one of a plugin.
            Repeatable.
        threads: Number of threads. (default: one for each idle core; with --resume, as the run)
    """
    from zatlas import create
    from zatlas.data.sources import parse_settings

    use_threads(threads, resume)

    settings = parse_settings(set, "TABLE.NAME=VALUE", "model.beta=4")
    if preset and recipe:
        raise BadRecipe("Give either --preset or --recipe, not both.")
    if restart and resume is None:
        raise BadRecipe("--restart needs an existing run: zatlas train --resume RUN --restart")
    if resume is None:
        workspace = create.train(
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
            callbacks=callback,
        )
    else:
        if data or preset or recipe or out:
            raise BadRecipe("--resume uses the data, recipe and folder of the run. Omit the other arguments.")
        options = {"data.size": size, "model.family": model, "model.dim": dim}
        options |= {"training.epochs": epochs, "seed": seed}
        settings |= {key: value for key, value in options.items() if value is not None}
        workspace = create.resume(resume, settings, callbacks=callback, restart=restart)
    if process_group().is_main:
        print_result(workspace.run.folder)


@command("Make a run")
def sweep(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    *,
    set: Annotated[Names, arg(metavar="TABLE.NAME=VALUE,VALUE")] = (),
    on: Literal["here", "processes", "ray"] = "here",
    threads: int | None = None,
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Train a run for each combination of settings.

    Repeat the command to resume a sweep: finished runs are not trained again.

    Args:
        recipe: A preset, a recipe file (.toml), or data as for `zatlas train`.
        set: Values of a setting, such as model.beta=1,4,16 or net.widths=[64],[128,64]. Repeatable.
        on: Train in this process, in several processes, or as Ray tasks.
        threads: Number of threads. (default: one for each idle core; with --on processes or ray, 1 each)
        out: Folder of all runs. (default: runs/RECIPE-sweep)
    """
    from zatlas.sweeps import as_rows, parse_values, sweep

    settings: dict[str, Any] = {}
    for text in set:
        key, equals, values = text.partition("=")
        if not equals or not values:
            raise BadRecipe(f"--set takes TABLE.NAME=VALUE,VALUE, such as model.beta=1,4, not {text!r}.")
        settings[key] = parse_values(values)
    if on == "here":
        use_threads(threads)
    result = sweep(recipe, settings, on=on, threads=1 if threads is None else threads, out=out)
    print_table(as_rows(result))
    print_result(result.folder)
    if failed := result.failed:
        raise RunsFailed(
            f"{len(failed)} of {len(result.rows)} runs failed. The first is {failed[0].name}: "
            f"{failed[0].error} Repeat the command to try the failed runs again."
        )


@command("Make a run", "import")
def import_model(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")],
    *,
    out: Annotated[Path, arg(metavar="RUN")],
    key: str | None = None,
    module: Annotated[str | None, arg(metavar="PACKAGE.MODULE:CLASS")] = None,
    encoder: Annotated[str | None, arg(metavar="FILE")] = None,
    shape: Annotated[str | None, arg(metavar="N,N,N")] = None,
    prior: Annotated[str | None, arg(metavar="NAME")] = None,
    pixels: Annotated[str | None, arg(metavar="RANGE")] = None,
    layout: Annotated[str | None, arg(metavar="LAYOUT")] = None,
    classes: Annotated[Path | None, arg(metavar="FILE")] = None,
    truncation: Annotated[float | None, arg(metavar="PSI")] = None,
    truncation_layers: Annotated[int | None, arg(metavar="N")] = None,
    noise: Literal["fixed", "zero", "random"] | None = None,
    latents: Annotated[Path | None, arg(metavar="FILE")] = None,
    data: Annotated[str | None, arg(metavar="DATA")] = None,
) -> None:
    """Make a run from a model or latents made elsewhere.

    Args:
        source: A decoder (.onnx, .pt2, TorchScript), weights (.safetensors, .pt, .pth, .tar), latents
            (.npy, .npz, .parquet), a network of StyleGAN (.pkl), or a folder of pythae, diffusers or
            pytorch-pretrained-biggan.
        out: Run folder to write.
        key: State dict in a file, such as netG_state_dict; array or column of latents.
        module: Your class for the weights, such as mine.nets:Decoder or "mine.nets:Decoder(100, width=64)".
            zatlas imports the module and runs it.
        encoder: Encoder file; for a pythae model, a class as for --module.
        shape: Shape of a latent, such as 100 or 4,64,64.
        prior: Prior of the latents: normal, sphere or none.
        pixels: Range of the model's pixels: unit (0 to 1), signed (-1 to 1), bytes (0 to 255) or logits.
        layout: Layout of the model's images: nchw, nhwc, nhw (no channels), flat, rgba or rgba_last.
        classes: Text file with the name of each class of a conditional model, one in each line.
        truncation: Truncation of a StyleGAN (psi) or a BigGAN, from 0 (typical) to 1 (varied). (default: 1)
        truncation_layers: Number of the first layers of w that a StyleGAN truncates. (default: all)
        noise: Noise in the layers of a StyleGAN2: that of the file, zero, or a random one that the run
            stores. (default: fixed)
        latents: File of latents that the decoder takes (.npy, .npz, .parquet), instead of a prior.
        data: Real images of the model, as for `zatlas train`. An encoder gives them latents.
    """
    from zatlas import create

    workspace = create.import_model(
        source,
        out,
        key=key,
        module=module,
        encoder=encoder,
        shape=_parse_shape(shape),
        prior=prior,
        pixels=pixels,
        layout=layout,
        classes=_class_names(classes),
        truncation=truncation,
        truncation_layers=truncation_layers,
        noise=noise,
        latents=latents,
        data=data,
    )
    print_result(workspace.run.folder)


@command("Make a run")
def blend(
    first: Annotated[WholeRun, arg(metavar="RUN")],
    second: Annotated[WholeRun, arg(metavar="RUN")],
    *,
    out: Annotated[Path, arg(metavar="RUN")],
    amount: float = 0.5,
    layers: Annotated[str, arg(metavar="RANGE", help_behavior_hint="")] = "",
) -> None:
    """Blend the weights of two models of one architecture.

    Take a model and its fine-tuned copy, or two checkpoints of one training.

    Args:
        first: Run of the first model.
        second: Run of the second model.
        out: Run folder to write.
        amount: Part of the way from the first model's weights to the second's, from 0 to 1.
        layers: Blend only these layers of a StyleGAN: coarse, medium, fine or as 0-3. The others stay those
            of the first model. (default: all weights)
    """
    from zatlas.commands.printing import open_workspace
    from zatlas.variants import blend

    models = (open_workspace(first), open_workspace(second))
    print_result(blend(*models, out, amount=amount, layers=layers).folder)


def _class_names(path: Path | None) -> tuple[str, ...]:
    """Return the lines of a file of class names."""
    if path is None:
        return ()
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(
            f"{path} cannot be read as class names: {error}. Write one name in each line."
        ) from error
    if not names or len(set(names)) < len(names):
        raise BadData(f"{path} must hold one name for each class, all different. Write one in each line.")
    return names


def _parse_shape(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadRecipe(f"--shape takes whole numbers, such as 100 or 4,64,64, not {text!r}.") from None
