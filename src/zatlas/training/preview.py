"""Draw reconstructions, samples and training curves while a model is trained."""

import time
from pathlib import Path

import numpy as np
import torch

from zatlas.core.seeds import derive
from zatlas.models.trainable import Trainable
from zatlas.render.loss_plots import loss_curves
from zatlas.render.pixels import save
from zatlas.render.sheet import sheet
from zatlas.store.run import Run
from zatlas.training.batches import Batches
from zatlas.training.callbacks import Row
from zatlas.training.recipe import Recipe
from zatlas.training.validation import reconstruct

COLUMNS = 12
MAX_SECONDS = 20  # training time between two previews, in multiples of the time that a preview takes


class Previews:
    """Draw every few epochs, in at most 1 / `PATIENCE` of the time, with random numbers of its own."""

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self.run, self.recipe = run, recipe
        self.ended, self.seconds = time.monotonic(), 0.0

    def epoch(self, row: Row, model: Trainable, batches: dict[str, Batches]) -> None:
        """Draw a preview if one is due at this epoch."""
        every = self.recipe.training.preview
        waited = time.monotonic() - self.ended
        if every and row["epoch"] % every == 0 and waited > MAX_SECONDS * self.seconds:
            self.last(model, batches, row["epoch"])

    def last(self, model: Trainable, batches: dict[str, Batches], epoch: int) -> None:
        """Draw reconstructions and samples of this epoch, and the curves of all epochs so far."""
        if not self.recipe.training.preview:
            return
        started = time.monotonic()
        self._sheet(model, batches, epoch, self.run.path("previews", f"{epoch:05d}.png"))
        rows = self.run.metrics()
        save(loss_curves(rows, title=self.run.folder.name), self.run.path("curves.png"))
        self.ended = time.monotonic()
        self.seconds = self.ended - started

    def _sheet(self, model: Trainable, batches: dict[str, Batches], epoch: int, path: Path) -> None:
        source = batches["valid"] if len(batches["valid"].rows) else batches["train"]
        count = min(COLUMNS, len(source.rows))
        rows = source.rows[np.linspace(0, len(source.rows) - 1, count).astype(int)]
        groups, names = [], []
        with torch.no_grad(), torch.random.fork_rng():
            x, y = source.select(rows)
            if model.encode is not None:
                groups += [x, reconstruct(model, x, y)]
                names += ["validation" if source is batches["valid"] else "training", "reconstructed"]
            if model.space.prior != "none":
                rng = torch.Generator().manual_seed(derive(self.recipe.seed, "preview"))
                for _ in range(2):
                    z = torch.randn((len(x), *model.space.shape), generator=rng).to(x.device)
                    groups.append(model.decode(z, y if model.classes else None))
                names += ["samples", ""]
        images = torch.cat(groups).float().cpu().numpy()
        title = f"{self.run.folder.name}, epoch {epoch}"
        save(sheet(images, len(x), title=title, rows=names), path)
