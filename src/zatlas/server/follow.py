"""Following a training from outside: reads the files that it writes, and changes nothing."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from zatlas.core.system import SYSTEM
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.generator import INPUT
from zatlas.models.importers.imported import ImportedModel
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.server.messages import error_payload
from zatlas.site.other_spaces import largest_dim
from zatlas.site.page_cache import cache_folder
from zatlas.store import run as runs
from zatlas.store.run import Run
from zatlas.training.recipe import Recipe, make_recipe, read_recipe
from zatlas.workspace import Workspace

CHECK_SECONDS = 2.0  # between two checks of the run's files
PREPARING = "This is a PCA of some {kind}s. zatlas is computing the map with all of them."
MAX_FAILURES = 3  # failed checks in a row until the page says so
RETRY_FACTOR = 20  # the next check of the weights waits this many times the duration of the last update

LOG = logging.getLogger("zatlas.server")


class Display(Protocol):
    """The server that shows a run."""

    def show(self, tree: Any, workspace: Workspace | None) -> None: ...
    def update(self, id: str, **values: Any) -> None: ...


@dataclass
class FollowedRun:
    """A run whose weights may change, or do not exist yet."""

    run: Run
    id: str
    tree: Callable[..., Any]  # of a workspace and an id; `light` while it is being trained
    space: str = INPUT  # the latent space of the model
    shown_tree: Any = None  # the last tree
    last_stamp: object = None  # of its weights
    light: bool = False  # whether the last tree is light
    next_check: float = 0.0  # time of the next check of the weights
    reported: object = None  # the last training entry
    failures: int = 0  # failed checks in a row
    stopped: threading.Event = field(default_factory=threading.Event)
    opened: tuple[object, Workspace] | None = None  # the stamp of the weights, and the run

    @cached_property
    def imported(self) -> ImportedModel | None:
        """The description of an imported model; None for a model trained by zatlas."""
        return imported_model_of(self.run) if self.run.provenance_file.exists() else None

    @property
    def model_file(self) -> Path:
        """The file that changes with the model."""
        return self.run.weights if self.imported is None else self.run.provenance_file

    @property
    def sizes(self) -> tuple[int, tuple[int, int, int]]:
        """The dimensions of the largest latent space, and the shape of an image."""
        if self.imported is not None:
            workspace = self.workspace()
            return largest_dim(workspace), workspace.description.shape
        return int(self.recipe.model["dim"]), self.images.shape

    def workspace(self) -> Workspace:
        """The run, which is opened once for each state of its weights."""
        state = stamp(self.model_file)
        if self.opened is None or self.opened[0] != state:
            self.opened = state, Workspace.open(self.run.folder, space=self.space)
        return self.opened[1]

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the training."""
        return make_recipe(read_recipe(self.run.recipe_file))

    @cached_property
    def images(self) -> ImageDataset:
        """The dataset; raises `OtherData` if its source has changed."""
        return sources.load_same(
            self.recipe.source,
            fingerprint=self.run.provenance().get("fingerprint"),
            run=self.run.folder,
            size=self.recipe.size,
            **self.recipe.options,
        )

    def training(self) -> dict[str, Any] | None:
        """The training entry of the manifest; None if the training ended before the first check."""
        if self.imported is not None:
            return None
        rows, running = self.run.metrics(), self.run.lock_holder is not None
        if not running and self.reported is None and self.run.weights.exists():
            return None
        metrics = [
            {key: value for key, value in row.items() if isinstance(value, int | float)} for row in rows
        ]
        epoch = int(rows[-1]["epoch"]) if rows else 0
        epochs = self.recipe.training.epochs
        return {"epoch": epoch, "epochs": epochs, "running": running, "metrics": metrics}

    @property
    def training_now(self) -> bool:
        """Whether the run is being trained."""
        return self.imported is None and self.run.lock_holder is not None

    @property
    def cold(self) -> bool:
        """Whether the page of the run is not computed yet."""
        pages = cache_folder(self.workspace()).glob(f"{self.id}-*/entry.json")
        return next(iter(pages), None) is None

    def show_quickly(self, display: Display) -> None:
        """Show a few points on a PCA, so that the page opens before its layout is computed."""
        self._show(display, stamp(self.model_file), None, light=True)
        display.update(self.id, notice=PREPARING.format(kind=self.shown_tree.entry["kind"]))

    def check(self, display: Display) -> None:
        """Show what has changed since the last check."""
        training = self.training()
        running = training is not None and training["running"]
        state = stamp(self.model_file)
        stale = state is not None and (state != self.last_stamp or (self.light and not running))
        if stale and (time.monotonic() >= self.next_check or not running):
            self._show(display, state, training, light=running)
        elif training != self.reported:
            display.update(self.id, training=training)
        self.reported = training

    def _show(self, display: Display, state: object, training: dict[str, Any] | None, *, light: bool) -> None:
        begin = time.monotonic()
        workspace = self.workspace()
        if self.imported is None and not workspace.source.generated:
            workspace = replace(workspace, opened_dataset=self.images)
        tree = self.tree(workspace, self.id, light=light)
        self.shown_tree = replace(tree, entry={**tree.entry, "training": training})
        display.show(self.shown_tree, workspace)
        self.last_stamp, self.light = state, light
        self.next_check = time.monotonic() + RETRY_FACTOR * (time.monotonic() - begin)

    def follow(self, display: Display) -> None:
        """Check repeatedly until stopped, at a lower priority than the training."""
        SYSTEM.lower_thread_priority()
        while not self.stopped.wait(CHECK_SECONDS):
            try:
                self.check(display)
            except Exception as error:
                self._report_failure(display, error)
            else:
                self._report_recovery(display)

    def _report_failure(self, display: Display, error: Exception) -> None:
        """Report a run that cannot be read, once, after several failed checks.

        A single check between two writes of a training may fail.
        """
        self.failures += 1
        if self.failures != MAX_FAILURES:
            return
        payload = error_payload(error)
        notice = f"This run cannot be read now. {payload['message']} {payload['hint']}".rstrip()
        LOG.warning("%s: %s", self.run.folder, notice)
        display.update(self.id, notice=f"{notice} The page shows the state before.")

    def _report_recovery(self, display: Display) -> None:
        """Report that the run can be read again, if the failure was reported."""
        if self.failures >= MAX_FAILURES:
            LOG.warning("%s: this run can be read again.", self.run.folder)
            display.update(self.id, notice=None)
        self.failures = 0

    def start(self, display: Display) -> None:
        """Follow in a thread."""
        name = f"zatlas-follow-{self.id}"
        threading.Thread(target=self.follow, args=(display,), name=name, daemon=True).start()


def stamp(path: Path) -> object:
    """A value that changes when the file is replaced; None without a file."""
    try:
        result = path.stat()
    except FileNotFoundError:
        return None
    return result.st_ino, result.st_mtime_ns, result.st_size


def follow_run(folder: Path, id: str, tree: Callable[..., Any], space: str = INPUT) -> FollowedRun:
    """The run in this folder and in a latent space of its model, ready to be followed."""
    return FollowedRun(runs.open_run(folder), id, tree, space)
