"""Checkpoints: whole and verified, or not there. Which one is the latest is found out, never noted.

A checkpoint is a folder `checkpoints/<step>` of `state.safetensors`, `meta.json` and a manifest.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from zatlas.core.errors import Damaged, Diverged
from zatlas.store import atomic

KEEP = 3  # the newest ones; the best is kept besides
STATE, META = "state.safetensors", "meta.json"


@dataclass(frozen=True)
class Cursor:
    """How far training is, and what is known of the way there."""

    step: int = 0
    epoch: int = 0  # epochs that are over, evaluation included
    batch: int = 0  # batches of this epoch that are done
    totals: Mapping[str, float] = field(default_factory=dict)  # of the terms, over those batches
    metrics_bytes: int = 0  # how long metrics.jsonl is
    best_step: int = -1  # the checkpoint with the best score
    best_score: float = float("-inf")
    elapsed: float = 0.0  # seconds

    def to_json(self) -> dict[str, Any]:
        """As JSON has no infinities, no score is null."""
        score = None if self.best_step < 0 else self.best_score
        return {**asdict(self), "totals": dict(self.totals), "best_score": score}


def cursor_from(found: Mapping[str, Any]) -> Cursor:
    """The cursor of a checkpoint's meta.json."""
    score = found["best_score"]
    return Cursor(**{**found, "best_score": float("-inf") if score is None else score})


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
    if not folder.is_dir():
        return []
    return sorted(int(place.name) for place in folder.iterdir() if place.name.isdecimal())


def load_checkpoint(folder: Path, step: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the meta of one checkpoint, after its manifest has been verified."""
    place = folder / f"{step:09d}"
    atomic.verify(place)
    meta = json.loads((place / META).read_bytes())
    return load((place / STATE).read_bytes()), meta


def latest(folder: Path) -> tuple[int | None, list[str]]:
    """The newest step whose checkpoint verifies, and a sentence for each newer one that does not.

    A damaged one is set aside as `damaged-<step>`; only the run's holder may ask.
    """
    told = []
    for step in reversed(steps(folder)):
        place = folder / f"{step:09d}"
        try:
            atomic.verify(place)
        except Damaged as error:
            told.append(f"{error} It is set aside; training goes on from an earlier checkpoint.")
            place.rename(atomic.unused(folder / f"damaged-{step:09d}"))
        else:
            return step, told
    return None, told
