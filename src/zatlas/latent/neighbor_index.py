"""Approximate nearest neighbors among millions of latents: an inverted-file index, saved in the run.

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
from zatlas.latent.neighbors import ExactNeighbors, Neighbors, half_squared_norms, nearest, no_neighbors
from zatlas.store import atomic, digests

MIN_INDEXED = 1_000_000  # latents from which an index is used; it then takes a tenth of the exact search
MAX_PROBED_SHARE = 0.25  # of the cells; if a search needs more of them, the exact search is faster
SUFFIX = ".cells.npz"
SAMPLES_PER_CELL = 64  # latents that k-means is fitted to
ROUNDS = 8  # of k-means
QUERIES, NEAREST = 200, 20  # queries, and neighbors of each, by which the recall is measured
MIN_RECALL = 0.96  # share of the true neighbors that a search must find
BLOCK = 50_000  # latents that are assigned to cells at a time


@dataclass(frozen=True)
class CellIndex:
    """Latents divided into cells by their nearest centroid."""

    centroids: Latents
    rows: Rows  # of the latents, cell by cell
    starts: Rows  # index in `rows` where each cell begins, and their number
    probed_cells: int  # cells nearest to a query that contain nearly all its neighbors


class CellNeighbors:
    """Search in the cells whose centroids are nearest to a query."""

    def __init__(self, latents: Latents, cells: CellIndex) -> None:
        self.latents, self.cells = latents, cells
        self._center = latents.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._sorted = latents[cells.rows]
        self._sorted -= self._center
        self._half = half_squared_norms(self._sorted)
        self._centroids = cells.centroids - self._center
        self._half_of_centroids = half_squared_norms(self._centroids)

    def search(self, query: Latents, k: int) -> Neighbors:
        """Return the rows and distances of the k nearest latents of each query; a few may be missed."""
        k = min(k, len(self._sorted))
        if k < 1 or not len(query):
            return no_neighbors(len(query), k)
        index = np.stack([self._search_one(row, k) for row in query - self._center])
        rows = self.cells.rows[index]
        distance = np.linalg.norm(self.latents[rows] - query[:, None], axis=2)
        order = np.argsort(distance, axis=1, kind="stable")
        return np.take_along_axis(rows, order, 1), np.take_along_axis(distance, order, 1)

    def _search_one(self, query: Values, k: int) -> Rows:
        """Return the indices in `cells.rows` of the k nearest, unordered."""
        starts, latents, half = self.cells.starts, self._sorted, self._half
        order = np.argsort(self._half_of_centroids - self._centroids @ query)
        needed = np.searchsorted(np.cumsum(np.diff(starts)[order]), k) + 1
        probed = order[: max(self.cells.probed_cells, needed)]
        spans = [slice(starts[cell], starts[cell + 1]) for cell in probed]
        distance = np.concatenate([half[span] - latents[span] @ query for span in spans])
        index = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        return index[np.argpartition(distance, k - 1)[:k]]


def build_cells(latents: Latents) -> CellIndex:
    """Divide latents into cells: about as many cells as each has latents."""
    rng = stream(0, "cells")
    centroids = _centroids(latents, round(len(latents) ** 0.5), rng)
    cell = np.empty(len(latents), np.int64)
    with bar("indexing", len(latents), "latents") as advance:
        for start in range(0, len(latents), BLOCK):
            block = slice(start, start + BLOCK)
            cell[block] = nearest(latents[block], centroids, 1)[0][:, 0]
            advance(len(cell[block]))
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centroids)))])
    probed_cells = _probe_count(latents, centroids, cell, rng)
    return CellIndex(centroids, np.argsort(cell, kind="stable"), starts, probed_cells)


def _centroids(latents: Latents, count: int, rng: np.random.Generator) -> Latents:
    """Return the centroids of k-means on a sample of the latents."""
    size = min(len(latents), SAMPLES_PER_CELL * count)
    sample = latents[np.sort(rng.choice(len(latents), size, replace=False))]
    centroids = sample[rng.choice(size, count, replace=False)]
    for _ in range(ROUNDS):
        cell = nearest(sample, centroids, 1)[0][:, 0]
        order = np.argsort(cell, kind="stable")
        filled, first, counts = np.unique(cell[order], return_index=True, return_counts=True)
        centroids[filled] = np.add.reduceat(sample[order], first) / counts[:, None]
    return centroids


def _probe_count(latents: Latents, centroids: Latents, cell: Rows, rng: np.random.Generator) -> int:
    """Return the number of cells that a search must probe to reach the minimum recall."""
    query = latents[rng.choice(len(latents), min(QUERIES, len(latents)), replace=False)]
    neighbors = ExactNeighbors(latents).search(query, NEAREST + 1)[0][:, 1:]
    order = nearest(query, centroids, len(centroids))[0]
    ranks = np.take_along_axis(np.argsort(order, axis=1), cell[neighbors], axis=1)
    return 1 + int(np.quantile(ranks, MIN_RECALL, method="higher"))


class NeighborIndex(Protocol):
    """Anything that searches the nearest latents."""

    def search(self, query: Latents, k: int) -> Neighbors: ...


@dataclass(frozen=True)
class IndexedNeighbors:
    """Latents with an index that is read, or built and saved, at the first search."""

    latents: Latents
    path: Path

    def search(self, query: Latents, k: int) -> Neighbors:
        """Return the rows and distances of the k nearest latents of each query; a few may be missed."""
        return self._index.search(query, k)

    @cached_property
    def _index(self) -> NeighborIndex:
        cells = _load(self.path) or _save(self.path, build_cells(self.latents))
        if cells.probed_cells > MAX_PROBED_SHARE * len(cells.centroids):
            return ExactNeighbors(self.latents)
        return CellNeighbors(self.latents, cells)


def neighbor_index(latents: Latents, stem: Path, digest: str, *, indexed: int = MIN_INDEXED) -> NeighborIndex:
    """Return an exact search, or from `indexed` latents on an approximate one whose index is saved here."""
    if len(latents) < indexed:
        return ExactNeighbors(latents)
    return IndexedNeighbors(latents, stem.with_name(f"{stem.name}.{digest}{SUFFIX}"))


def _load(path: Path) -> CellIndex | None:
    """Return the index in this file; None if it is missing or damaged."""
    if not path.exists():
        return None
    digests.verify(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            centroids, rows, starts = (arrays[name] for name in ("centroids", "rows", "starts"))
            return CellIndex(centroids, rows, starts, int(arrays["probed_cells"]))
    except (BadZipFile, EOFError, KeyError, ValueError):
        return None


def _save(path: Path, cells: CellIndex) -> CellIndex:
    """Write the index, and remove those of earlier latents."""
    stem = Path(path.name.removesuffix(SUFFIX)).stem
    for stale in path.parent.glob(f"{stem}.*{SUFFIX}"):
        atomic.remove_file(stale)
    with atomic.file(path) as side, side.open("wb") as sink:
        np.savez(sink, **vars(cells))
    return cells
