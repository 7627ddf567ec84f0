"""Pictures along the way: what the model can do by now, and the curves that led there."""

import time
from pathlib import Path

import numpy as np
import torch

from zatlas.core.seeds import derive
from zatlas.models.trainable import Trainable
from zatlas.render.pixels import save
from zatlas.render.plot import curves
from zatlas.render.sheet import sheet
from zatlas.store.run import Run
from zatlas.training.batches import Batches
from zatlas.training.evaluate import rebuild
from zatlas.training.recipe import Recipe
from zatlas.training.watch import Row

COLUMNS = 12
PATIENCE = 20  # a preview waits until training has gone on this many times as long as the last took


class Previews:
    """Draws every few epochs, and seldom enough to cost little. Its chance is its own."""

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self.run, self.recipe = run, recipe
        self.ended, self.took = time.monotonic(), 0.0

    def epoch(self, row: Row, model: Trainable, batches: dict[str, Batches]) -> None:
        """Draw if it is time."""
        every = self.recipe.training.preview
        waited = time.monotonic() - self.ended
        if every and row["epoch"] % every == 0 and waited > PATIENCE * self.took:
            self.last(model, batches, row["epoch"])

    def last(self, model: Trainable, batches: dict[str, Batches], epoch: int) -> None:
        """Draw what the model can do at this epoch, and all curves up to now."""
        if not self.recipe.training.preview:
            return
        begun = time.monotonic()
        self._sheet(model, batches, epoch, self.run.path("previews", f"{epoch:05d}.png"))
        rows = self.run.metrics()
        save(curves(rows, title=self.run.folder.name), self.run.path("curves.png"))
        self.ended = time.monotonic()
        self.took = self.ended - begun

    def _sheet(self, model: Trainable, batches: dict[str, Batches], epoch: int, path: Path) -> None:
        held = batches["valid"] if len(batches["valid"].rows) else batches["train"]
        pick = held.rows[np.linspace(0, len(held.rows) - 1, min(COLUMNS, len(held.rows))).astype(int)]
        shown, names = [], []
        with torch.no_grad(), torch.random.fork_rng():
            x, y = held.take(pick)
            if model.encode is not None:
                shown += [x, rebuild(model, x, y)]
                names += ["held out" if held is batches["valid"] else "real", "rebuilt"]
            if model.space.prior != "none":
                rng = torch.Generator().manual_seed(derive(self.recipe.seed, "preview"))
                for _ in range(2):
                    z = torch.randn((len(x), *model.space.shape), generator=rng).to(x.device)
                    shown.append(model.decode(z, y if model.classes else None))
                names += ["samples", ""]
        images = torch.cat(shown).float().cpu().numpy()
        title = f"{self.run.folder.name}, epoch {epoch}"
        save(sheet(images, len(x), title=title, rows=names), path)
