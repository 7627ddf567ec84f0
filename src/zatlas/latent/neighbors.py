"""Exact nearest neighbours, by blocks of a distance table, so that memory stays flat."""

from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import ShapeError

Neighbors = tuple[Int64[np.ndarray, "m k"], Float32[np.ndarray, "m k"]]  # rows of the source, how far

MAX_TABLE = 8_000_000  # distances held at once: 32 MB
GROUP = 32  # sources that share one entry of the first sieve


class ExactNeighbors:
    """Points among which the nearest are looked for: what does not change from query to query is kept."""

    def __init__(self, latents: Latents) -> None:
        self.latents = latents

    def search(self, query: Latents, k: int) -> Neighbors:
        """The k nearest points of each query, nearest first, and their distances; k is clipped."""
        k = min(k, len(self.latents))
        if k < 1 or not len(query):
            return no_neighbors(len(query), k)
        source, half = self._centred, self._half
        step = max(1, MAX_TABLE // max(len(source), k * source.shape[1]))
        parts = [
            _block(query[i : i + step] - self._center, source, half, k) for i in range(0, len(query), step)
        ]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    @cached_property
    def _center(self) -> Values:
        # Products instead of differences lose digits far from the origin, so we go there first.
        return self.latents.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _centred(self) -> Latents:
        return self.latents - self._center

    @cached_property
    def _half(self) -> Values:
        return half_squared_norms(self._centred)


def nearest(query: Latents, source: Latents, k: int) -> Neighbors:
    """The k nearest sources of each query, nearest first, and their distances; k is clipped."""
    if query.ndim != 2 or source.ndim != 2 or query.shape[1] != source.shape[1]:
        raise ShapeError(
            f"Neighbours need two tables of equal width; these have shapes {query.shape} and {source.shape}."
        )
    return ExactNeighbors(source).search(query, k)


def nearest_others(latents: Latents, k: int) -> Neighbors:
    """The k nearest other points of each point, itself left out."""
    index, distance = nearest(latents, latents, k + 1)
    own = index == np.arange(len(latents))[:, None]
    # Among many duplicates a point may not find itself; then the farthest gives way.
    own[~own.any(axis=1), -1] = True
    shape = (len(latents), index.shape[1] - 1)
    return index[~own].reshape(shape), distance[~own].reshape(shape)


def half_squared_norms(latents: Latents) -> Values:
    """Half the squared length of each: with a product, all of a squared distance but the query's own part."""
    half: Values = np.einsum("nd,nd->n", latents, latents) / 2
    return half


def no_neighbors(queries: int, k: int) -> Neighbors:
    """What is found of no query, or where no neighbours are asked for."""
    shape = queries, max(k, 0)
    return np.zeros(shape, np.int64), np.zeros(shape, np.float32)


def _block(query: Latents, source: Latents, half: Values, k: int) -> Neighbors:
    table = query @ source.T
    np.subtract(half, table, out=table)  # half the squared distance, less the query's own part
    index = _smallest(table, k)
    distance = np.linalg.norm(source[index] - query[:, None], axis=2)
    order = np.argsort(distance, axis=1, kind="stable")
    return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)


def _smallest(table: Float32[np.ndarray, "m n"], k: int) -> Int64[np.ndarray, "m k"]:
    """Columns of the k smallest entries of each row, in no order.

    They lie in the k groups of columns with the smallest minima, and minima are found faster
    than a row is partitioned.
    """
    rows, columns = table.shape
    groups = columns // GROUP
    if groups <= 2 * k:
        return np.argpartition(table, k - 1, axis=1)[:, :k]
    even = groups * GROUP
    minima = table[:, :even].reshape(rows, GROUP, groups).min(axis=1)
    best = np.argpartition(minima, k - 1, axis=1)[:, :k]
    held = (best[:, :, None] + groups * np.arange(GROUP)).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(even, columns), (rows, columns - even))
    held = np.concatenate([held, rest], axis=1)
    inner = np.argpartition(np.take_along_axis(table, held, 1), k - 1, axis=1)[:, :k]
    return np.take_along_axis(held, inner, 1)
