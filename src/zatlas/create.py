"""From words to a run: images and a recipe are found, a model is trained, gone on with or brought."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from zatlas.core import deadline
from zatlas.core.progress import console
from zatlas.core.space import Prior
from zatlas.data import sources
from zatlas.models import importers as models
from zatlas.models.generator import best_device
from zatlas.models.importers import ImportOptions
from zatlas.models.importers.imported import Layout, PixelRange
from zatlas.render.pixels import save
from zatlas.render.sheet import sheet
from zatlas.store import run as runs
from zatlas.training import loop
from zatlas.training.callbacks import TensorBoard, Terminal
from zatlas.training.recipe import change, make_recipe, preset, read_recipe
from zatlas.workspace import Workspace

CHECK_SAMPLES = 64  # samples of a check
CHECK_SECONDS = 10.0  # seconds that they may take
MIN_DIFFERENCE = 0.004  # of images that differ by less, one cannot tell them apart


def train(
    data: Path | str | None = None,
    *,
    model: str | None = None,
    dim: int | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    size: int | None = None,
    preset: str | None = None,
    recipe: Path | str | None = None,
    settings: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    show: bool = True,
) -> Workspace:
    """Train a model on images and open the run.

    `data` is a name, a folder, an npz file or hf:owner/name; `settings` changes anything else of
    the recipe, as {"model.beta": 4}.
    """
    source, options = (None, {}) if data is None else sources.resolve(str(data))
    said = {
        "data.source": source,
        **{f"data.{key}": value for key, value in options.items()},
        "data.size": size,
        "model.family": model,
        "model.dim": dim,
        "training.epochs": epochs,
        "seed": seed,
    }
    given = {key: value for key, value in said.items() if value is not None} | dict(settings or {})
    tables = compose(preset, None if recipe is None else Path(recipe), given)
    whole = make_recipe(tables)  # what is wrong with it is said before a million files are read
    if out is not None:
        runs.check_free(Path(out))
    images = sources.load_verified(whole.source, size=whole.size, **whole.options)
    whole = make_recipe(tables, images.shape)
    name = Path(whole.source.removeprefix("hf:")).stem
    folder = Path(out) if out else runs.free_folder(f"{name}-{preset or whole.family}")
    return Workspace.open(loop.fit(whole, images, folder, default_callbacks(show)).folder)


def train_comparable(
    data: str, models: Sequence[str], *, dim: int, epochs: int | None, seed: int, folder: Path
) -> list[Workspace]:
    """Runs that differ in their family alone: the same images, nets, seed and epochs; "cvae" is a
    conditional VAE. A run that is there already is opened.
    """
    workspaces = []
    for name in models:
        place = folder / name
        if (place / "weights.safetensors").exists():
            workspaces.append(Workspace.open(place))
            continue
        told: dict[str, Any] = {"model.conditional": True} if name == "cvae" else {}
        family = "vae" if name == "cvae" else name
        workspaces.append(
            train(data, model=family, dim=dim, epochs=epochs, seed=seed, settings=told, out=place)
        )
    return workspaces


def resume(
    folder: Path | str, settings: Mapping[str, Any] | None = None, show: bool = True, *, restart: bool = False
) -> Workspace:
    """Go on with a run that was stopped, exactly as if it had not been.

    With `restart` the run is trained again from the beginning; its weights stay until new ones replace
    them after the first epoch.
    """
    run = runs.open_run(Path(folder))
    tables = read_recipe(run.recipe_file)
    for key, value in (settings or {}).items():
        tables = change(tables, key, value)
    loop.resume(run.folder, make_recipe(tables), default_callbacks(show), restart=restart)
    return Workspace.open(run.folder)


def compose(name: str | None, file: Path | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a preset or a file, with these settings changed."""
    tables: dict[str, Any] = preset(name) if name else read_recipe(file) if file else {}
    data = tables.get("data", {})
    if settings.get("data.source", data.get("source")) != data.get("source"):
        # Other images: the options were those of the source that the recipe names.
        tables = {**tables, "data": {key: data[key] for key in ("size",) if key in data}}
    for key, value in settings.items():
        tables = change(tables, key, value)
    return tables


def default_callbacks(show: bool) -> Sequence[Terminal | TensorBoard]:
    """TensorBoard where it is there, and the terminal where somebody looks."""
    return [Terminal(), TensorBoard()] if show else [TensorBoard()]


def import_run(
    source: Any,
    out: Path | str,
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
    show: bool = True,
) -> Workspace:
    """Make a run of a model that was made elsewhere, say what was found out of it, check it, and open it.

    `source` is a decoder (a torch module, a function, a file of ONNX, TorchScript or torch.export),
    a file of weights, a folder saved by pythae or diffusers, or a file of codes; `docs/bringing.md`
    lists what each takes. What is not said is found out.
    """
    asked = ImportOptions(
        net,
        key,
        module,
        encoder,
        None if shape is None else tuple(shape),
        cast("Prior | None", prior),
        cast("PixelRange | None", pixels),
        cast("Layout | None", layout),
        tuple(classes),
    )  # words that mean nothing are refused there
    result = models.import_model(source, Path(out), asked, data, best_device())
    workspace = Workspace(result.run, result.description, result.generator)
    with deadline.within(deadline.IMPORT_SECONDS):
        seen = check(workspace)
    for line in (*result.messages, *seen):
        if show:
            console().print(line, soft_wrap=True, markup=False)
    return workspace


def check(workspace: Workspace) -> list[str]:
    """Decode samples of a brought model, draw them into its gallery, and say what was seen."""
    if not workspace.source.decodes:
        return []
    space = workspace.generator.space
    stand_in = space if space.prior != "none" else replace(space, prior="normal")
    z = stand_in.sample(CHECK_SAMPLES, seed=0)
    workspace.decode(z[:1])  # the first call prepares what the others need
    begun = time.perf_counter()
    workspace.decode(z[:1])
    side = int(np.clip((CHECK_SECONDS / (time.perf_counter() - begun)) ** 0.5, 2, CHECK_SAMPLES**0.5))
    begun = time.perf_counter()
    images = workspace.decode(z[: side * side])
    each = (time.perf_counter() - begun) / len(images)
    alike = float(np.sqrt(((images - images.mean(axis=0)) ** 2).mean()))
    title = f"{len(images)} normal points decoded by {workspace.name}"
    figure = sheet(images, side, title=title)
    path = save(figure, workspace.run.gallery / "check.png")
    told = [
        f"Check: {len(images)} images from {images.min():.3f} to {images.max():.3f} (0 black, 1 white), "
        f"{1000 * each:.2g} ms each; they differ from each other by {alike:.3f}."
    ]
    if alike < MIN_DIFFERENCE:
        told.append(
            "All images are nearly the same: the model is not trained, or its points are of another "
            "size or --shape."
        )
    return [*told, f"Look at them: {path}"]
