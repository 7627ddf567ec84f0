"""Following a training from outside: what it writes is read, and nothing of it is touched."""

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.importers import ImportedModel, imported_model_of
from zatlas.models.importers.imported import as_shape
from zatlas.server.messages import error_payload
from zatlas.store import run as runs
from zatlas.store.run import Run
from zatlas.training.recipe import Recipe, make_recipe, read_recipe
from zatlas.workspace import Workspace

NICENESS = 10  # of the thread that follows: a tenth of what training gets, where both want a core
CHECK_SECONDS = 2.0  # seconds between two looks at the run's files
MAX_FAILURES = 3  # looks that must fail one after another before the page says so
RETRY_SECONDS = 20  # the next look at the weights waits this many times as long as the last took

LOG = logging.getLogger("zatlas.server")


class Screen(Protocol):
    """Where what is found is shown."""

    def show(self, tree: Any, workspace: Workspace | None) -> None: ...
    def say(self, name: str, **words: Any) -> None: ...


@dataclass
class FollowedRun:
    """A run whose weights may change, or are still to come."""

    run: Run
    id: str
    tree: Callable[..., Any]  # of a workspace, for this id; `light` if it will soon be another
    shown: Any = None  # the tree that is shown
    last_stamp: object = None  # of the weights that it was made of
    light: bool = False  # what is shown was made in haste
    rested: float = 0.0  # when the weights may be looked at again
    reported: object = None  # of the training, last
    failures: int = 0  # looks that failed since the last that did not
    over: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def is_imported(self) -> ImportedModel | None:
        """What is known of a model that was made elsewhere, whose run holds no training."""
        return imported_model_of(self.run) if self.run.provenance_file.exists() else None

    @property
    def model(self) -> Path:
        """The file that is replaced when the model is."""
        return self.run.weights if self.is_imported is None else self.run.provenance_file

    @property
    def sizes(self) -> tuple[int, tuple[int, int, int]]:
        """Coordinates of a point, and the shape of an image."""
        if self.is_imported is not None:
            return math.prod(self.is_imported.shape), as_shape(self.is_imported.image)
        return int(self.recipe.model["dim"]), self.images.shape

    @cached_property
    def recipe(self) -> Recipe:
        """How the run is trained."""
        return make_recipe(read_recipe(self.run.recipe_file))

    @cached_property
    def images(self) -> ImageDataset:
        """What it is trained on; `OtherData` if its source holds something else now."""
        return sources.load_same(
            self.recipe.source,
            fingerprint=self.run.provenance().get("fingerprint"),
            run=self.run.folder,
            size=self.recipe.size,
            **self.recipe.options,
        )

    def training(self) -> dict[str, Any] | None:
        """What the manifest says of the training; nothing of one that was over before it was seen."""
        if self.is_imported is not None:
            return None
        rows, running = self.run.metrics(), self.run.lock_holder is not None
        if not running and self.reported is None and self.run.weights.exists():
            return None
        numbers = [
            {key: value for key, value in row.items() if isinstance(value, int | float)} for row in rows
        ]
        epoch = int(rows[-1]["epoch"]) if rows else 0
        epochs = self.recipe.training.epochs
        return {"epoch": epoch, "epochs": epochs, "running": running, "metrics": numbers}

    def check(self, screen: Screen) -> None:
        """Show what has changed since the last look."""
        training = self.training()
        running = training is not None and training["running"]
        state = stamp(self.model)
        stale = state is not None and (state != self.last_stamp or (self.light and not running))
        if stale and (time.monotonic() >= self.rested or not running):
            self._show(screen, state, training, light=running)
        elif training != self.reported:
            screen.say(self.id, training=training)
        self.reported = training

    def _show(self, screen: Screen, state: object, training: dict[str, Any] | None, *, light: bool) -> None:
        begun = time.monotonic()
        workspace = Workspace.open(self.run.folder)
        if self.is_imported is None and not workspace.source.generated:
            workspace = replace(workspace, opened_dataset=self.images)
        tree = self.tree(workspace, self.id, light=light)
        self.shown = replace(tree, entry={**tree.entry, "training": training})
        screen.show(self.shown, workspace)
        self.last_stamp, self.light = state, light
        self.rested = time.monotonic() + RETRY_SECONDS * (time.monotonic() - begun)

    def follow(self, screen: Screen) -> None:
        """Look again and again until told to stop; training has the processor first."""
        lower_priority()
        while not self.over.wait(CHECK_SECONDS):
            try:
                self.check(screen)
            except Exception as error:
                self._failed(screen, error)
            else:
                self._recovered(screen)

    def _failed(self, screen: Screen, error: Exception) -> None:
        """Say once that the run cannot be read, if that lasts; one failure is no news.

        A look that comes between two writes of a training fails, and the next one does not.
        """
        self.failures += 1
        if self.failures != MAX_FAILURES:
            return
        words = error_payload(error)
        notice = f"This run cannot be read now. {words['message']} {words['hint']}".rstrip()
        LOG.warning("%s: %s", self.run.folder, notice)
        screen.say(self.id, notice=f"{notice} The page shows what was read before.")

    def _recovered(self, screen: Screen) -> None:
        """Say that the run can be read again, if it was said that it cannot."""
        if self.failures >= MAX_FAILURES:
            LOG.warning("%s: this run can be read again.", self.run.folder)
            screen.say(self.id, notice=None)
        self.failures = 0

    def start(self, screen: Screen) -> None:
        """Follow in a thread."""
        name = f"zatlas-follow-{self.id}"
        threading.Thread(target=self.follow, args=(screen,), name=name, daemon=True).start()


def stamp(path: Path) -> object:
    """What changes when a file is replaced; None where there is none."""
    try:
        result = path.stat()
    except FileNotFoundError:
        return None
    return result.st_ino, result.st_mtime_ns, result.st_size


def lower_priority() -> None:
    """Let training have the processor before this thread, where the system knows threads apart.

    Not to the last: while this thread waits with Python's lock in its hand, no page is answered.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def follow_run(folder: Path, id: str, tree: Callable[..., Any]) -> FollowedRun:
    """The run of this folder, ready to be followed."""
    return FollowedRun(runs.open_run(folder), id, tree)
