"""From words to a run: images and a recipe are found, a model is trained or gone on with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zatlas.atlas import Atlas
from zatlas.data import sources
from zatlas.store import run as runs
from zatlas.training import loop
from zatlas.training.recipe import change, make_recipe, preset, read_recipe
from zatlas.training.watch import TensorBoard, Terminal


def train(
    data: str | None = None,
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
) -> Atlas:
    """Train a model on images and open the run.

    `data` is a name, a folder, an npz file or hf:owner/name; `settings` changes anything else of
    the recipe, as {"model.beta": 4}.
    """
    source, options = (None, {}) if data is None else sources.settle(data)
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
    images = sources.load(whole.source, size=whole.size, **whole.options)
    whole = make_recipe(tables, images.shape)
    name = Path(whole.source.removeprefix("hf:")).stem
    folder = Path(out) if out else runs.free_folder(f"{name}-{preset or whole.family}")
    return Atlas.open(loop.fit(whole, images, folder, watchers(show)).folder)


def train_alike(
    data: str, models: Sequence[str], *, dim: int, epochs: int | None, seed: int, folder: Path
) -> list[Atlas]:
    """Runs that differ in their family alone: the same images, nets, seed and epochs; "cvae" is a
    conditional VAE. A run that is there already is opened.
    """
    atlases = []
    for name in models:
        place = folder / name
        if (place / "weights.safetensors").exists():
            atlases.append(Atlas.open(place))
            continue
        told: dict[str, Any] = {"model.conditional": True} if name == "cvae" else {}
        family = "vae" if name == "cvae" else name
        atlases.append(
            train(data, model=family, dim=dim, epochs=epochs, seed=seed, settings=told, out=place)
        )
    return atlases


def resume(
    folder: Path | str, settings: Mapping[str, Any] | None = None, show: bool = True
) -> Atlas:
    """Go on with a run that was stopped, exactly as if it had not been."""
    run = runs.open_run(Path(folder))
    tables = read_recipe(run.recipe_file)
    for key, value in (settings or {}).items():
        tables = change(tables, key, value)
    loop.resume(run.folder, make_recipe(tables), watchers(show))
    return Atlas.open(run.folder)


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


def watchers(show: bool) -> Sequence[Terminal | TensorBoard]:
    """TensorBoard where it is there, and the terminal where somebody looks."""
    return [Terminal(), TensorBoard()] if show else [TensorBoard()]
