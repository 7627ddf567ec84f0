"""Measure a training while it runs: sample distance and reconstruction error against processor seconds."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.metrics.distances import frechet, precision
from zatlas.metrics.features import Table, dataset_features, feature_tables, image_batches, principal_pixels
from zatlas.metrics.sample_quality import held_out_and_training
from zatlas.render.sheet import sheet
from zatlas.training.callbacks import Callback
from zatlas.training.loop import fit
from zatlas.training.recipe import change, make_recipe
from zatlas.training.validation import reconstruct

MAX_IMAGES = 2000  # real images and samples of a Frechet distance


class BudgetSpentError(Exception):
    """The processor seconds or steps of a candidate are spent."""


class RealImages:
    """Held-out images of a dataset, and their features; `pixels` for principal components of the pixels."""

    def __init__(self, images: ImageDataset, *, pixels: bool = False) -> None:
        own = None if pixels else dataset_features(images)
        self.features = principal_pixels(images) if own is None else own.features
        held_out, other = held_out_and_training(images, MAX_IMAGES)
        self.images = torch.from_numpy(images.images(held_out))
        self.table = self._table(images, held_out)
        self.floor = frechet(self.table, self._table(images, other))

    def _table(self, images: ImageDataset, rows: np.ndarray) -> Table:
        return feature_tables(image_batches(images, rows), self.features)[0]


@dataclass
class Watch(Callback):
    """Prints the quality of the model each `every` seconds of the processor, or each `steps` steps."""

    name: str
    real: RealImages
    seconds: float = 0.0  # of the processor; 0 for no limit
    every: float = 0.0
    steps: int = 0  # 0 for no limit
    each: int = 0
    picture: Path | None = None  # file of a sheet of samples

    def on_train_start(self, run, recipe, images, learner) -> None:
        self.learner, self.spent, self.due, self.last = learner, 0.0, self.every, time.process_time()

    def on_step_end(self, step, images, terms) -> None:
        now = time.process_time()
        self.spent += now - self.last
        if (self.each and step % self.each == 0) or (self.every and self.spent >= self.due):
            self.due += self.every
            print(f"{self.name:40} {self.spent:7.1f} s {step:6} steps  {self.quality()}", flush=True)
        if (self.seconds and self.spent >= self.seconds) or (self.steps and step >= self.steps):
            raise BudgetSpentError
        self.last = time.process_time()

    def on_epoch_end(self, row) -> None:
        self.last = time.process_time()  # validation and checkpoints do not count

    @torch.no_grad()
    def quality(self) -> str:
        """The Frechet distance of samples and, with an encoder, the reconstruction error."""
        real, rng = self.real, np.random.default_rng(0)
        with self.learner.evaluation_model() as model:
            z = torch.from_numpy(rng.normal(size=(len(real.table), *model.space.shape)).astype(np.float32))
            blocks = [model.decode(part, None).numpy() for part in z.split(250)]
            squares = []
            if model.encode is not None:
                parts = real.images.split(250)
                squares = [float((reconstruct(model, x, None) - x).square().sum()) for x in parts]
                self.draw(torch.cat([real.images[:32], reconstruct(model, real.images[:32], None)]).numpy())
            else:
                self.draw(blocks[0][:64])
        table = feature_tables(blocks, real.features)[0]
        share = precision(real.table, table).mean(), precision(table, real.table).mean()
        text = f"Frechet {frechet(real.table, table):7.2f} (real {real.floor:.2f})"
        text += f" precision {share[0]:.2f} recall {share[1]:.2f}"
        return text + (f"  rms {(sum(squares) / real.images.numel()) ** 0.5:.4f}" if squares else "")

    def draw(self, images: np.ndarray) -> None:
        """Draw a sheet of these images, if a file is wanted."""
        if self.picture is not None:
            sheet(images, 8).save(self.picture)


def watched(data: str, settings: Mapping[str, Any], watch: Watch) -> None:
    """Train on data with these settings until the budget of the watch is spent."""
    source, options = sources.resolve(data)
    tables: dict[str, Any] = {"data": {"source": source, **options}, "training": {"preview": 0}}
    for key, value in settings.items():
        tables = change(tables, key, value)
    recipe = make_recipe(tables)
    images = sources.load(recipe.source, size=recipe.size, **recipe.options)
    count = len(images.rows("train"))
    batch = make_recipe(tables, images.shape, count).training.batch
    if watch.steps:  # schedules end with the training
        tables = change(tables, "training.epochs", -(-watch.steps // -(-count // batch)))
    else:
        tables = change(tables, "training.epochs", 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        try:
            fit(make_recipe(tables, images.shape, count), images, Path(folder) / "run", [watch])
        except BudgetSpentError:
            return
