"""Nearest latents among millions: an index of cells, saved in the run. A search finds nearly all of them.

Sivic and Zisserman 2003, https://doi.org/10.1109/ICCV.2003.1238663
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import numpy as np

from zatlas.core.arrays import Latents, Rows, Values
from zatlas.core.progress import bar
from zatlas.core.seeds import stream
from zatlas.latent.neighbors import ExactNeighbors, Neighbors, halves, nearest, none
from zatlas.store import atomic, digests

MIN_INDEXED = 1_000_000  # codes from which to look at all takes milliseconds, and an index a tenth of them
TRAINING_SHARE = 0.25  # of the cells: who must look into more is sooner done with a look at all
SUFFIX = ".cells.npz"
SAMPLE = 64  # codes of each cell by which its middle is found
ROUNDS = 8
ASKED, NEAREST = 200, 20  # codes that are asked of, and for how many, to know how far to look
MIN_RECALL = 0.96  # of their nearest that must be found
BLOCK = 50_000  # codes that are told their cell at a time


@dataclass(frozen=True)
class CellIndex:
    """Codes parted by the middle that is nearest to each, as many cells as each has codes."""

    centroids: Latents
    rows: Rows  # of the codes, cell by cell
    starts: Rows  # where each cell begins among them, and the end of all
    probed_cells: int  # cells around a place that hold what is nearest to it, but for a few


class CellNeighbors:
    """Codes in the order of their cells, among which the nearest are looked for."""

    def __init__(self, latents: Latents, cells: CellIndex) -> None:
        self.points, self.cells = latents, cells
        self._middle = latents.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._codes = latents[cells.rows]
        self._codes -= self._middle
        self._half = halves(self._codes)
        self._middles = cells.centroids - self._middle
        self._half_of_middles = halves(self._middles)

    def of(self, query: Latents, k: int) -> Neighbors:
        """The k nearest codes of each query, nearest first, and their distances; a few may be missed."""
        k = min(k, len(self._codes))
        if k < 1 or not len(query):
            return none(len(query), k)
        places = np.stack([self._one(place, k) for place in query - self._middle])
        rows = self.cells.rows[places]
        distance = np.linalg.norm(self.points[rows] - query[:, None], axis=2)
        order = np.argsort(distance, axis=1, kind="stable")
        return np.take_along_axis(rows, order, 1), np.take_along_axis(distance, order, 1)

    def _one(self, query: Values, k: int) -> Rows:
        """Where the k nearest to a query lie in the order of the cells, in no order."""
        starts, latents, half = self.cells.starts, self._codes, self._half
        around = np.argsort(self._half_of_middles - self._middles @ query)
        enough = np.searchsorted(np.cumsum(np.diff(starts)[around]), k) + 1
        spans = [
            slice(starts[cell], starts[cell + 1]) for cell in around[: max(self.cells.probed_cells, enough)]
        ]
        far = np.concatenate([half[span] - latents[span] @ query for span in spans])
        place = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        return place[np.argpartition(far, k - 1)[:k]]


def cells_of(latents: Latents) -> CellIndex:
    """These codes in cells; the same ones each time."""
    chance = stream(0, "cells")
    middles = _middles(latents, round(len(latents) ** 0.5), chance)
    own = np.empty(len(latents), np.int64)
    with bar("indexing", len(latents), "codes") as advance:
        for start in range(0, len(latents), BLOCK):
            some = slice(start, start + BLOCK)
            own[some] = nearest(latents[some], middles, 1)[0][:, 0]
            advance(len(own[some]))
    starts = np.concatenate([[0], np.cumsum(np.bincount(own, minlength=len(middles)))])
    looks = _looks(latents, middles, own, chance)
    return CellIndex(middles, np.argsort(own, kind="stable"), starts, looks)


def _middles(latents: Latents, count: int, chance: np.random.Generator) -> Latents:
    """Middles of so many cells, by Lloyd's rounds over a draw of the codes."""
    size = min(len(latents), SAMPLE * count)
    sample = latents[np.sort(chance.choice(len(latents), size, replace=False))]
    middles = sample[chance.choice(size, count, replace=False)]
    for _ in range(ROUNDS):
        own = nearest(sample, middles, 1)[0][:, 0]
        order = np.argsort(own, kind="stable")
        held, first, many = np.unique(own[order], return_index=True, return_counts=True)
        middles[held] = np.add.reduceat(sample[order], first) / many[:, None]
    return middles


def _looks(latents: Latents, middles: Latents, own: Rows, chance: np.random.Generator) -> int:
    """Into how many cells one must look to find nearly all that is nearest to some of the codes."""
    some = latents[chance.choice(len(latents), min(ASKED, len(latents)), replace=False)]
    true = ExactNeighbors(latents).of(some, NEAREST + 1)[0][:, 1:]
    around = nearest(some, middles, len(middles))[0]
    ranks = np.take_along_axis(np.argsort(around, axis=1), own[true], axis=1)
    return 1 + int(np.quantile(ranks, MIN_RECALL, method="higher"))


class NeighborIndex(Protocol):
    """What finds the codes nearest to a point."""

    def of(self, query: Latents, k: int) -> Neighbors: ...


@dataclass(frozen=True)
class IndexedNeighbors:
    """Codes with an index, which is opened, or built, when it is first asked."""

    latents: Latents
    path: Path

    def of(self, query: Latents, k: int) -> Neighbors:
        """The k nearest codes of each query, nearest first, and their distances; a few may be missed."""
        return self._search.of(query, k)

    @cached_property
    def _search(self) -> NeighborIndex:
        cells = _opened(self.path) or _kept(self.path, cells_of(self.latents))
        if cells.probed_cells > TRAINING_SHARE * len(cells.centroids):
            return ExactNeighbors(self.latents)
        return CellNeighbors(self.latents, cells)


def neighbor_index(latents: Latents, stem: Path, digest: str, *, indexed: int = MIN_INDEXED) -> NeighborIndex:
    """What finds the nearest of these codes: from so many on, an index that is kept at this stem."""
    if len(latents) < indexed:
        return ExactNeighbors(latents)
    return IndexedNeighbors(latents, stem.with_name(f"{stem.name}.{digest}{SUFFIX}"))


def _opened(path: Path) -> CellIndex | None:
    """The index in this file; None where there is none, or it is damaged and has to be built anew."""
    if not path.exists():
        return None
    digests.verify(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return CellIndex(arrays["centroids"], arrays["rows"], arrays["starts"], int(arrays["probed_cells"]))
    except (BadZipFile, EOFError, KeyError, ValueError):
        return None


def _kept(path: Path, cells: CellIndex) -> CellIndex:
    """Keep this index; those of the same codes as they were are removed."""
    stem = Path(path.name.removesuffix(SUFFIX)).stem
    for stale in path.parent.glob(f"{stem}.*{SUFFIX}"):
        atomic.remove_file(stale)
    with atomic.file(path) as side, side.open("wb") as sink:
        np.savez(sink, **vars(cells))
    return cells
