"""Checkpoints: folders `checkpoints/<step>` with `state.safetensors`, `meta.json` and a manifest.

A checkpoint appears in one step, with all its files. No file names the latest one: `latest` searches for it.
"""

import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from zatlas.core.errors import Damaged, Diverged
from zatlas.store import atomic, retry

MAX_CHECKPOINTS = 3  # newest checkpoints that stay; the best one stays too
STATE, META = "state.safetensors", "meta.json"
META_TYPES = {"cursor": dict, "recipe": str, "machine": dict}  # keys that meta.json must have
COUNTS = ("step", "epoch", "batch", "best_step")  # fields of a cursor that are integers


@dataclass(frozen=True)
class Cursor:
    """The position of training, and its results up to there."""

    step: int = 0
    epoch: int = 0  # finished epochs, evaluation included
    batch: int = 0  # finished batches of this epoch
    totals: Mapping[str, float] = field(default_factory=dict)  # sums of the loss terms over those batches
    metrics: str = ""  # the text of metrics.jsonl
    best_step: int = -1  # the step with the best validation score
    best_score: float = float("-inf")
    elapsed: float = 0.0  # seconds

    def to_json(self) -> dict[str, Any]:
        """Return the cursor as plain values; `best_score` is null before the first score."""
        score = None if self.best_step < 0 else self.best_score
        return {**asdict(self), "totals": dict(self.totals), "best_score": score}


def cursor_from(table: Mapping[str, Any]) -> Cursor:
    """Return the cursor in a checkpoint's meta.json; `Damaged` if a field is missing or has another type."""
    try:
        score = table["best_score"]
        cursor = Cursor(**{**table, "best_score": float("-inf") if score is None else score})
        wrong = [name for name in COUNTS if type(getattr(cursor, name)) is not int]
        wrong += ["totals"] if not isinstance(cursor.totals, Mapping) else []
        wrong += ["metrics"] if not isinstance(cursor.metrics, str) else []
    except (KeyError, TypeError) as error:
        raise Damaged(f"The checkpoint's {META} does not state how far training was: {error}.") from error
    if wrong:
        raise Damaged(f"The checkpoint's {META} does not state how far training was: {', '.join(wrong)}.")
    return cursor


def save_checkpoint(
    folder: Path, cursor: Cursor, tensors: Mapping[str, Tensor], context: Mapping[str, Any]
) -> Path:
    """Write a checkpoint, remove all but the newest `MAX_CHECKPOINTS` and the best, and return its folder."""
    bad = [n for n, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if bad:
        raise Diverged(
            f"At step {cursor.step:,} {bad[0]} contains NaN or infinity, so nothing was saved. "
            "Try a lower learning rate: the setting training.rate."
        )
    data = save(dict(tensors))
    meta = atomic.as_json({**context, "cursor": cursor.to_json()})
    path = folder / f"{cursor.step:09d}"
    # An interrupted evaluation leaves a checkpoint of the same step, from before the end of the epoch.
    with atomic.folder(path, need=int(1.1 * len(data)) + len(meta), replace=True) as side:
        atomic.write_new(side / STATE, data)
        atomic.write_new(side / META, meta)
    needed = {cursor.step, cursor.best_step, *sorted(steps(folder))[-MAX_CHECKPOINTS:]}
    for step in steps(folder):
        if step not in needed:
            atomic.remove(folder / f"{step:09d}")
    return path


def steps(folder: Path) -> list[int]:
    """Return the steps that have a checkpoint, in order."""
    return sorted(int(name) for name in retry.names(folder) if _is_checkpoint(folder / name))


def foreign_names(folder: Path) -> list[str]:
    """Return the names in the folder that are numbers but not checkpoints of zatlas."""
    return [name for name in retry.names(folder) if name.isdecimal() and not _is_checkpoint(folder / name)]


def load_checkpoint(folder: Path, step: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Verify the manifest of a checkpoint, and return its tensors and its meta.json."""
    path = folder / f"{step:09d}"
    atomic.verify(path)
    try:
        meta = json.loads(retry.read_bytes(path / META))
        tensors = load(retry.read_bytes(path / STATE))
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise Damaged(f"{path} is not a checkpoint of zatlas ({error}).") from error
    if not isinstance(meta, dict) or any(type(meta.get(key)) is not kind for key, kind in META_TYPES.items()):
        raise Damaged(f"{path / META} is not the file of a checkpoint.")
    return tensors, meta


def latest(folder: Path) -> tuple[int | None, dict[int, str]]:
    """Return the newest step whose checkpoint is intact, and the problem of each newer one.

    This changes no file. A checkpoint that cannot be read now raises `CannotRead`.
    """
    problems = {}
    for step in reversed(steps(folder)):
        try:
            atomic.verify(folder / f"{step:09d}")
        except Damaged as error:
            problems[step] = str(error)
        else:
            return step, problems
    return None, problems


def move_aside(folder: Path, step: int) -> Path:
    """Rename a damaged checkpoint to `damaged-<step>`. Only the process that trains the run may call this."""
    path = folder / f"{step:09d}"
    with atomic.explain_errors(path):
        return path.rename(atomic.unused_path(folder / f"damaged-{step:09d}"))


def _is_checkpoint(path: Path) -> bool:
    """Whether this is a folder whose name is a step in nine digits."""
    name = path.name
    named = name.isascii() and name.isdecimal() and name == f"{int(name):09d}"
    return named and stat.S_ISDIR(retry.attempt(path, path.lstat).st_mode)
