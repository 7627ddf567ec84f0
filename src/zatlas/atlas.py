"""The object that a notebook uses: a run, its generator and its images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from zatlas.core.arrays import Labels, Points, Rows
from zatlas.data import sources
from zatlas.data.imageset import ImageSet
from zatlas.models.description import Description, generator, load_weights
from zatlas.models.generator import Generator
from zatlas.store import run as runs
from zatlas.store.run import Run
from zatlas.training import loop
from zatlas.training.recipe import Recipe, change, make_recipe, preset, read_recipe
from zatlas.training.watch import TensorBoard, Terminal


@dataclass(frozen=True)
class Atlas:
    """A trained model and the images it was trained on."""

    run: Run
    description: Description
    generator: Generator

    @classmethod
    def open(cls, folder: Path) -> "Atlas":
        """The run in this folder, on the GPU where there is one."""
        run = runs.open_run(folder)
        description, model = load_weights(run.weights)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(run, description, generator(description, model, device))

    @cached_property
    def recipe(self) -> Recipe:
        """How the run was trained."""
        return make_recipe(read_recipe(self.run.recipe_file))

    @cached_property
    def images(self) -> ImageSet:
        """The images of the recipe, opened when they are first asked for."""
        return sources.load(self.recipe.source, size=self.recipe.size, **self.recipe.options)

    def rows(self, split: str = "test") -> Rows:
        """The row numbers of a split; of a set without a test part, those held out while training."""
        found = self.images.rows(split)
        return found if len(found) or split != "test" else self.images.rows("valid")

    def labels(self, rows: Rows) -> Labels | None:
        """The labels of these rows, where there are any."""
        return None if self.images.labels is None else self.images.labels[rows]

    def points(self, rows: Rows) -> Points:
        """Where these images lie; of a posterior, its mean."""
        batch = self.generator.batch
        parts = [rows[i : i + batch] for i in range(0, len(rows), batch)]
        codes = [self.generator.encode(self.images.images(p), self.labels(p)) for p in parts]
        return torch.cat([torch.from_numpy(code) for code in codes]).numpy()


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
