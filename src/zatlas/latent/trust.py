"""The trustworthiness of positions on a plane: whether neighbors there are neighbors in the latent space."""

import numpy as np

from zatlas.core.arrays import Latents, Plane, Rows, Values
from zatlas.core.seeds import stream
from zatlas.latent.neighbors import nearest

NEIGHBORS = 15
MAX_RANKS = 6_000_000  # pairs of latents that are compared, unless there are MIN_RANKED latents only
MIN_RANKED, MAX_RANKED = 500, 2000  # latents whose neighbors are ranked
MAX_BLOCK = 2_000_000  # distances in memory at once: 8 MB


def trust_of_each(
    latents: Latents, positions: Plane, k: int = NEIGHBORS, max_samples: int = MAX_RANKED
) -> Values:
    """Return the trustworthiness of each latent of a random sample; its neighbors are ranked among all.

    The mean is the trustworthiness of Venna and Kaski 2001, https://doi.org/10.1007/3-540-44668-0_68
    """
    n = len(latents)
    k = min(k, (n - 1) // 2)
    if k < 1:
        return np.ones(max(n, 1), np.float32)
    count = min(max_samples, max(MIN_RANKED, MAX_RANKS // n))
    rows = np.sort(stream(0, "trust").permutation(n)[:count])
    near = _nearest_others(positions, rows, k)
    centered = latents - latents.mean(axis=0)
    half = np.einsum("nd,nd->n", centered, centered) / 2
    excess = np.empty(len(rows), np.int64)
    for block in np.array_split(np.arange(len(rows)), max(1, len(rows) * n // MAX_BLOCK)):
        distances = half - centered[rows[block]] @ centered.T
        distances[np.arange(len(block)), rows[block]] = -np.inf  # a latent has rank 0 among its own neighbors
        limits = np.take_along_axis(distances, near[block], 1)
        ranks = np.stack([(distances < limit[:, None]).sum(axis=1) for limit in limits.T], axis=1)
        excess[block] = np.maximum(ranks - k, 0).sum(axis=1)
    result: Values = (1 - excess * 2 / (k * (2 * n - 3 * k - 1))).astype(np.float32)
    return result


def _nearest_others(positions: Plane, rows: Rows, k: int) -> Rows:
    """The rows (m, k) of the k positions nearest to each of these, without itself."""
    near = nearest(positions[rows], positions, k + 1)[0]
    own = near == rows[:, None]
    own[~own.any(axis=1), -1] = True  # among many duplicates a position may not find itself
    others: Rows = near[~own].reshape(len(rows), k)
    return others
