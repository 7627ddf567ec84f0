"""Checkpoints: whole and verified, or not there. Which one is the latest is found out, never noted.

A checkpoint is a folder `checkpoints/<step>` of `state.safetensors`, `meta.json` and a manifest.
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
from zatlas.store import atomic, reading

KEEP = 3  # the newest ones; the best is kept besides
STATE, META = "state.safetensors", "meta.json"
SAID = {"cursor": dict, "recipe": str, "machine": dict}  # in meta.json, among others
COUNTS = ("step", "epoch", "batch", "best_step")  # whole numbers of a cursor


@dataclass(frozen=True)
class Cursor:
    """How far training is, and what is known of the way there."""

    step: int = 0
    epoch: int = 0  # epochs that are over, evaluation included
    batch: int = 0  # batches of this epoch that are done
    totals: Mapping[str, float] = field(default_factory=dict)  # of the terms, over those batches
    metrics: str = ""  # the text of metrics.jsonl
    best_step: int = -1  # the checkpoint with the best score
    best_score: float = float("-inf")
    elapsed: float = 0.0  # seconds

    def to_json(self) -> dict[str, Any]:
        """As JSON has no infinities, no score is null."""
        score = None if self.best_step < 0 else self.best_score
        return {**asdict(self), "totals": dict(self.totals), "best_score": score}


def cursor_from(found: Mapping[str, Any]) -> Cursor:
    """The cursor of a checkpoint's meta.json."""
    try:
        score = found["best_score"]
        cursor = Cursor(**{**found, "best_score": float("-inf") if score is None else score})
        odd = [name for name in COUNTS if type(getattr(cursor, name)) is not int]
        odd += ["totals"] if not isinstance(cursor.totals, Mapping) else []
        odd += ["metrics"] if not isinstance(cursor.metrics, str) else []
    except (KeyError, TypeError) as error:
        raise Damaged(f"The checkpoint's {META} does not say how far training was: {error}.") from error
    if odd:
        raise Damaged(f"The checkpoint's {META} does not say how far training was: {', '.join(odd)}.")
    return cursor


def save_checkpoint(
    folder: Path, cursor: Cursor, tensors: Mapping[str, Tensor], context: Mapping[str, Any]
) -> Path:
    """Write a checkpoint; then let the older ones go, but for the newest few and the best."""
    bad = [n for n, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if bad:
        raise Diverged(
            f"At step {cursor.step:,} {bad[0]} holds numbers that are none (NaN or infinite), so "
            "nothing was saved. Try a lower learning rate: --set training.rate=..."
        )
    data = save(dict(tensors))
    meta = atomic.as_json({**context, "cursor": cursor.to_json()})
    place = folder / f"{cursor.step:09d}"
    # An interrupted evaluation leaves a checkpoint of this very step, before its epoch was over.
    with atomic.folder(place, need=int(1.1 * len(data)) + len(meta), replace=True) as side:
        atomic.write_new(side / STATE, data)
        atomic.write_new(side / META, meta)
    keep = {cursor.step, cursor.best_step, *sorted(steps(folder))[-KEEP:]}
    for step in steps(folder):
        if step not in keep:
            atomic.remove(folder / f"{step:09d}")
    return place


def steps(folder: Path) -> list[int]:
    """The steps of which there is a checkpoint, in order."""
    return sorted(int(name) for name in reading.names(folder) if _is_ours(folder / name))


def strangers(folder: Path) -> list[str]:
    """The names in the folder that look like checkpoints and that zatlas did not give."""
    return [name for name in reading.names(folder) if name.isdecimal() and not _is_ours(folder / name)]


def load_checkpoint(folder: Path, step: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the meta of one checkpoint, after its manifest has been verified."""
    place = folder / f"{step:09d}"
    atomic.verify(place)
    try:
        meta = json.loads(reading.read_bytes(place / META))
        tensors = load(reading.read_bytes(place / STATE))
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise Damaged(f"{place} is not a checkpoint of zatlas ({error}).") from error
    if not isinstance(meta, dict) or any(type(meta.get(key)) is not kind for key, kind in SAID.items()):
        raise Damaged(f"{place / META} is not that of a checkpoint.")
    return tensors, meta


def latest(folder: Path) -> tuple[int | None, dict[int, str]]:
    """The newest step whose checkpoint verifies, and what is wrong with each newer one.

    Nothing is changed. A checkpoint that cannot be read now raises `CannotRead`.
    """
    wrong = {}
    for step in reversed(steps(folder)):
        try:
            atomic.verify(folder / f"{step:09d}")
        except Damaged as error:
            wrong[step] = str(error)
        else:
            return step, wrong
    return None, wrong


def set_aside(folder: Path, step: int) -> Path:
    """Rename a damaged checkpoint to `damaged-<step>`; only the run's trainer may."""
    place = folder / f"{step:09d}"
    with atomic.explained(place):
        return place.rename(atomic.unused(folder / f"damaged-{step:09d}"))


def _is_ours(place: Path) -> bool:
    """Whether this is a folder with the name that zatlas gives a checkpoint."""
    name = place.name
    named = name.isascii() and name.isdecimal() and name == f"{int(name):09d}"
    return named and stat.S_ISDIR(reading.attempt(place, place.lstat).st_mode)
