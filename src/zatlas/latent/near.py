"""Nearest codes of a run: exactly, by looking at all of them, or of very many by a saved index."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zatlas.core.arrays import Points
from zatlas.latent.neighbours import Near, Neighbourhood
from zatlas.store import index as saved

if TYPE_CHECKING:
    from zatlas.atlas import Atlas

INDEXED = 1_000_000  # codes from which an index answers three times sooner than a look at all
WIDTH = 512  # codes that a search keeps in sight: 19 of the true 20 nearest, of a million too


class Nearest(Protocol):
    """What finds the codes nearest to a point."""

    def of(self, query: Points, k: int) -> Near: ...


@dataclass(frozen=True)
class Indexed:
    """Codes with an index, which is opened, or built, when it is first asked."""

    points: Points
    path: Path

    def of(self, query: Points, k: int) -> Near:
        """The k nearest codes of each query, nearest first, and their distances; a few may be missed."""
        k = min(k, len(self.points))
        if k < 1 or not len(query):
            shape = len(query), max(k, 0)
            return np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        index = saved.search(self._index, query, k, max(WIDTH, 2 * k))
        distance = np.linalg.norm(self.points[index] - query[:, None], axis=2).astype(np.float32)
        order = np.argsort(distance, axis=1, kind="stable")
        return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)

    @cached_property
    def _index(self) -> Any:
        return saved.opened(self.path, self.points)


def near(atlas: "Atlas", split: str) -> Nearest:
    """What finds the nearest codes of a split; the index of very many is kept beside them."""
    key = f"near {split}"
    if key not in atlas._known:
        points = atlas.mapped(split).points
        digest = hashlib.sha256(repr((atlas.made(split), points.shape)).encode()).hexdigest()[:12]
        name = atlas.data[0].replace("/", "-").replace(":", "-")
        atlas._known[key] = nearest_of(points, atlas.room("codes") / f"{name}-{split}", digest)
    found: Nearest = atlas._known[key]
    return found


def nearest_of(points: Points, stem: Path, digest: str, *, indexed: int = INDEXED) -> Nearest:
    """What finds the nearest of these codes: from so many on, an index that is kept at this stem."""
    if len(points) < indexed:
        return Neighbourhood(points)
    return Indexed(points, saved.path_of(stem, digest))
