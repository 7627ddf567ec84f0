"""Nearest codes of very many: a search looks into the cells around its place, and misses few.

Sivic and Zisserman 2003, https://doi.org/10.1109/ICCV.2003.1238663
"""

from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Points, Rows, Values
from zatlas.core.progress import bar
from zatlas.core.seeds import stream
from zatlas.latent.neighbours import Near, Neighbourhood, halves, nearest, none

SAMPLE = 64  # codes of each cell by which its middle is found
ROUNDS = 8
ASKED, NEAREST = 200, 20  # codes that are asked of, and for how many, to know how far to look
FOUND = 0.96  # of their nearest that must be found
BLOCK = 50_000  # codes that are told their cell at a time


@dataclass(frozen=True)
class Cells:
    """Codes parted by the middle that is nearest to each, as many cells as each has codes."""

    middles: Points
    rows: Rows  # of the codes, cell by cell
    starts: Rows  # where each cell begins among them, and the end of all
    looks: int  # cells around a place that hold what is nearest to it, but for a few


class InCells:
    """Codes in the order of their cells, among which the nearest are looked for."""

    def __init__(self, points: Points, cells: Cells) -> None:
        self.points, self.cells = points, cells
        self._middle = points.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._codes = points[cells.rows]
        self._codes -= self._middle
        self._half = halves(self._codes)
        self._middles = cells.middles - self._middle
        self._half_of_middles = halves(self._middles)

    def of(self, query: Points, k: int) -> Near:
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
        starts, codes, half = self.cells.starts, self._codes, self._half
        around = np.argsort(self._half_of_middles - self._middles @ query)
        enough = np.searchsorted(np.cumsum(np.diff(starts)[around]), k) + 1
        spans = [slice(starts[cell], starts[cell + 1]) for cell in around[: max(self.cells.looks, enough)]]
        far = np.concatenate([half[span] - codes[span] @ query for span in spans])
        place = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        return place[np.argpartition(far, k - 1)[:k]]


def cells_of(points: Points) -> Cells:
    """These codes in cells; the same ones each time."""
    chance = stream(0, "cells")
    middles = _middles(points, round(len(points) ** 0.5), chance)
    own = np.empty(len(points), np.int64)
    with bar("indexing", len(points), "codes") as advance:
        for start in range(0, len(points), BLOCK):
            some = slice(start, start + BLOCK)
            own[some] = nearest(points[some], middles, 1)[0][:, 0]
            advance(len(own[some]))
    starts = np.concatenate([[0], np.cumsum(np.bincount(own, minlength=len(middles)))])
    looks = _looks(points, middles, own, chance)
    return Cells(middles, np.argsort(own, kind="stable"), starts, looks)


def _middles(points: Points, count: int, chance: np.random.Generator) -> Points:
    """Middles of so many cells, by Lloyd's rounds over a draw of the codes."""
    size = min(len(points), SAMPLE * count)
    sample = points[np.sort(chance.choice(len(points), size, replace=False))]
    middles = sample[chance.choice(size, count, replace=False)]
    for _ in range(ROUNDS):
        own = nearest(sample, middles, 1)[0][:, 0]
        order = np.argsort(own, kind="stable")
        held, first, many = np.unique(own[order], return_index=True, return_counts=True)
        middles[held] = np.add.reduceat(sample[order], first) / many[:, None]
    return middles


def _looks(points: Points, middles: Points, own: Rows, chance: np.random.Generator) -> int:
    """Into how many cells one must look to find nearly all that is nearest to some of the codes."""
    some = points[chance.choice(len(points), min(ASKED, len(points)), replace=False)]
    true = Neighbourhood(points).of(some, NEAREST + 1)[0][:, 1:]
    around = nearest(some, middles, len(middles))[0]
    ranks = np.take_along_axis(np.argsort(around, axis=1), own[true], axis=1)
    return 1 + int(np.quantile(ranks, FOUND, method="higher"))
