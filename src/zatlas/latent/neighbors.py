"""Exact nearest neighbors, from blocks of the distance matrix, so that memory is bounded."""

from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import ShapeError

Neighbors = tuple[Int64[np.ndarray, "m k"], Float32[np.ndarray, "m k"]]  # rows and distances

MAX_DISTANCES = 8_000_000  # in memory at once: 32 MB
HIGH = 0.99  # quantile of the distances of the data
FEW = 30  # values that do not tell it
GROUP = 32  # columns that share one minimum in `_smallest`


class ExactNeighbors:
    """Exact search among latents; what does not depend on the query is computed once."""

    def __init__(self, latents: Latents) -> None:
        self.latents = latents

    def search(self, query: Latents, k: int) -> Neighbors:
        """Return the rows of the k nearest latents of each query, nearest first, and their distances."""
        k = min(k, len(self.latents))
        if k < 1 or not len(query):
            return no_neighbors(len(query), k)
        source, half = self._centered, self._half
        step = max(1, MAX_DISTANCES // max(len(source), k * source.shape[1]))
        parts = [
            _block(query[i : i + step] - self._center, source, half, k) for i in range(0, len(query), step)
        ]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    @cached_property
    def _center(self) -> Values:
        # Distances from products lose digits far from the origin, so all is moved there.
        return self.latents.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _centered(self) -> Latents:
        return self.latents - self._center

    @cached_property
    def _half(self) -> Values:
        return half_squared_norms(self._centered)


def nearest(query: Latents, source: Latents, k: int) -> Neighbors:
    """Return the rows of the k nearest sources of each query, nearest first, and their distances."""
    if query.ndim != 2 or source.ndim != 2 or query.shape[1] != source.shape[1]:
        raise ShapeError(
            f"Neighbors need two tables of equal width; these have shapes {query.shape} and {source.shape}."
        )
    return ExactNeighbors(source).search(query, k)


def nearest_others(latents: Latents, k: int) -> Neighbors:
    """Return the k nearest other latents of each latent, and their distances."""
    index, distance = nearest(latents, latents, k + 1)
    own = index == np.arange(len(latents))[:, None]
    # Among many duplicates a latent may not find itself; then the farthest is dropped.
    own[~own.any(axis=1), -1] = True
    shape = (len(latents), index.shape[1] - 1)
    return index[~own].reshape(shape), distance[~own].reshape(shape)


def half_squared_norms(latents: Latents) -> Values:
    """Half the squared norm of each latent; minus a product with the query, it orders the distances."""
    half: Values = np.einsum("nd,nd->n", latents, latents) / 2
    return half


def no_neighbors(queries: int, k: int) -> Neighbors:
    """The empty result for no queries, or for k = 0."""
    shape = queries, max(k, 0)
    return np.zeros(shape, np.int64), np.zeros(shape, np.float32)


def _block(query: Latents, source: Latents, half: Values, k: int) -> Neighbors:
    table = query @ source.T
    np.subtract(half, table, out=table)  # half the squared distance, minus half the query's squared norm
    index = _smallest(table, k)
    distance = np.linalg.norm(source[index] - query[:, None], axis=2)
    order = np.argsort(distance, axis=1, kind="stable")
    return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)


def _smallest(table: Float32[np.ndarray, "m n"], k: int) -> Int64[np.ndarray, "m k"]:
    """Return the columns of the k smallest entries of each row, unordered.

    They lie in the k groups of columns with the smallest minima. Computing minima is faster than
    partitioning a row.
    """
    rows, columns = table.shape
    groups = columns // GROUP
    if groups <= 2 * k:
        return np.argpartition(table, k - 1, axis=1)[:, :k]
    grouped = groups * GROUP
    minima = table[:, :grouped].reshape(rows, GROUP, groups).min(axis=1)
    best = np.argpartition(minima, k - 1, axis=1)[:, :k]
    candidates = (best[:, :, None] + groups * np.arange(GROUP)).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(grouped, columns), (rows, columns - grouped))
    candidates = np.concatenate([candidates, rest], axis=1)
    inner = np.argpartition(np.take_along_axis(table, candidates, 1), k - 1, axis=1)[:, :k]
    return np.take_along_axis(candidates, inner, 1)


def high_quantile(values: Values) -> float:
    """Return the 99th percentile, above which a distance is outside the data; of few values, the largest."""
    return float(values.max() if len(values) < FEW else np.quantile(values, HIGH))
