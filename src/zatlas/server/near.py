"""Nearest codes of a few points at a time, again and again: what does not change is computed once."""

from functools import cached_property

import numpy as np

from zatlas.core.arrays import Points, Values
from zatlas.latent.neighbours import Near

TABLE = 8_000_000  # distances held at once: 32 MB


class Neighbourhood:
    """Codes among which the nearest are looked for."""

    def __init__(self, points: Points) -> None:
        self.points = points

    def of(self, z: Points, k: int) -> Near:
        """The k nearest codes of each point, nearest first, and their distances."""
        k = min(k, len(self.points))
        if not k:
            return np.zeros((len(z), 0), np.int64), np.zeros((len(z), 0), np.float32)
        step = max(1, TABLE // max(len(self.points), k * z.shape[1]))
        parts = [self._some(z[i : i + step] - self._middle, k) for i in range(0, len(z), step)]
        return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])

    def _some(self, z: Points, k: int) -> Near:
        # Half the squared distance but for the point's own part, which changes no order.
        table = self._half - z @ self._centred.T
        index = np.argpartition(table, k - 1, axis=1)[:, :k]
        distance = np.linalg.norm(self._centred[index] - z[:, None], axis=2)
        order = np.argsort(distance, axis=1, kind="stable")
        return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)

    @cached_property
    def _middle(self) -> Values:
        return self.points.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _centred(self) -> Points:
        return np.ascontiguousarray(self.points - self._middle)

    @cached_property
    def _half(self) -> Values:
        return np.einsum("nd,nd->n", self._centred, self._centred) / 2
