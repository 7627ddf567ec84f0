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
from zatlas.data.imageset import ImageSet
from zatlas.models.bring import Brought, brought_of
from zatlas.models.bring.brought import as_shape
from zatlas.server.frames import told
from zatlas.store import run as runs
from zatlas.store.run import Run
from zatlas.training.recipe import Recipe, make_recipe, read_recipe
from zatlas.workspace import Workspace

NICE = 10  # of the thread that follows: a tenth of what training gets, where both want a core
EVERY = 2.0  # seconds between two looks at the run's files
FAILURES = 3  # looks that must fail one after another before the page says so
PATIENCE = 20  # the next look at the weights waits this many times as long as the last took

LOG = logging.getLogger("zatlas.server")


class Screen(Protocol):
    """Where what is found is shown."""

    def show(self, tree: Any, workspace: Workspace | None) -> None: ...
    def say(self, name: str, **words: Any) -> None: ...


@dataclass
class Followed:
    """A run whose weights may change, or are still to come."""

    run: Run
    id: str
    tree: Callable[..., Any]  # of a workspace, for this id; `light` if it will soon be another
    shown: Any = None  # the tree that is shown
    seen: object = None  # of the weights that it was made of
    light: bool = False  # what is shown was made in haste
    rested: float = 0.0  # when the weights may be looked at again
    told: object = None  # of the training, last
    failures: int = 0  # looks that failed since the last that did not
    over: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def brought(self) -> Brought | None:
        """What is known of a model that was made elsewhere, whose run holds no training."""
        return brought_of(self.run) if self.run.made_file.exists() else None

    @property
    def model(self) -> Path:
        """The file that is replaced when the model is."""
        return self.run.weights if self.brought is None else self.run.made_file

    @property
    def sizes(self) -> tuple[int, tuple[int, int, int]]:
        """Coordinates of a point, and the shape of an image."""
        if self.brought is not None:
            return math.prod(self.brought.shape), as_shape(self.brought.image)
        return int(self.recipe.model["dim"]), self.images.shape

    @cached_property
    def recipe(self) -> Recipe:
        """How the run is trained."""
        return make_recipe(read_recipe(self.run.recipe_file))

    @cached_property
    def images(self) -> ImageSet:
        """What it is trained on; `OtherData` if its source holds something else now."""
        return sources.load_same(
            self.recipe.source,
            fingerprint=self.run.made().get("data"),
            run=self.run.folder,
            size=self.recipe.size,
            **self.recipe.options,
        )

    def training(self) -> dict[str, Any] | None:
        """What the manifest says of the training; nothing of one that was over before it was seen."""
        if self.brought is not None:
            return None
        rows, running = self.run.metrics(), self.run.trainer is not None
        if not running and self.told is None and self.run.weights.exists():
            return None
        numbers = [
            {key: value for key, value in row.items() if isinstance(value, int | float)} for row in rows
        ]
        epoch = int(rows[-1]["epoch"]) if rows else 0
        epochs = self.recipe.training.epochs
        return {"epoch": epoch, "epochs": epochs, "running": running, "metrics": numbers}

    def look(self, screen: Screen) -> None:
        """Show what has changed since the last look."""
        training = self.training()
        running = training is not None and training["running"]
        state = stamp(self.model)
        stale = state is not None and (state != self.seen or (self.light and not running))
        if stale and (time.monotonic() >= self.rested or not running):
            self._show(screen, state, training, light=running)
        elif training != self.told:
            screen.say(self.id, training=training)
        self.told = training

    def _show(self, screen: Screen, state: object, training: dict[str, Any] | None, *, light: bool) -> None:
        begun = time.monotonic()
        workspace = Workspace.open(self.run.folder)
        if self.brought is None and not workspace.source.generated:
            workspace = replace(workspace, opened_dataset=self.images)
        tree = self.tree(workspace, self.id, light=light)
        self.shown = replace(tree, entry={**tree.entry, "training": training})
        screen.show(self.shown, workspace)
        self.seen, self.light = state, light
        self.rested = time.monotonic() + PATIENCE * (time.monotonic() - begun)

    def follow(self, screen: Screen) -> None:
        """Look again and again until told to stop; training has the processor first."""
        stand_back()
        while not self.over.wait(EVERY):
            try:
                self.look(screen)
            except Exception as error:
                self._failed(screen, error)
            else:
                self._recovered(screen)

    def _failed(self, screen: Screen, error: Exception) -> None:
        """Say once that the run cannot be read, if that lasts; one failure is no news.

        A look that comes between two writes of a training fails, and the next one does not.
        """
        self.failures += 1
        if self.failures != FAILURES:
            return
        words = told(error)
        notice = f"This run cannot be read now. {words['message']} {words['hint']}".rstrip()
        LOG.warning("%s: %s", self.run.folder, notice)
        screen.say(self.id, notice=f"{notice} The page shows what was read before.")

    def _recovered(self, screen: Screen) -> None:
        """Say that the run can be read again, if it was said that it cannot."""
        if self.failures >= FAILURES:
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
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def stand_back() -> None:
    """Let training have the processor before this thread, where the system knows threads apart.

    Not to the last: while this thread waits with Python's lock in its hand, no page is answered.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def followed(folder: Path, id: str, tree: Callable[..., Any]) -> Followed:
    """The run of this folder, ready to be followed."""
    return Followed(runs.open_run(folder), id, tree)
