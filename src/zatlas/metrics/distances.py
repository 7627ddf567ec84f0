"""Distances and overlaps of two sets of images, from their tables of features."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32, Float64

from zatlas.core.arrays import Rows, Values
from zatlas.core.seeds import stream
from zatlas.latent.neighbors import nearest, others

Table = Float32[np.ndarray, "n d"]

BLOCK = 1024  # rows of a distance table at a time
FOLDS, PERMUTATIONS = 20, 200  # jackknife folds, and permutations
NEXT_NEIGHBORS = 50  # neighbors after the nearest


def frechet(a: Table, b: Table) -> float:
    """The squared Frechet distance of the normal distributions with the means and covariances of each.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500. It decreases with the number of rows, so compare
    only distances of equally many rows.
    """
    first, second = a.astype(np.float64), b.astype(np.float64)
    mean_term = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    cov_a, cov_b = _covariance(first), _covariance(second)
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    return float(mean_term + np.trace(cov_a) + np.trace(cov_b) - 2 * both)


def kernel_distance(a: Table, b: Table, *, seed: int = 0) -> tuple[float, float]:
    """The unbiased squared MMD with a cubic kernel (KID), and its standard error.

    Binkowski et al. 2018, https://arxiv.org/abs/1801.01401. It can be negative. The error combines a
    jackknife over 20 folds and a permutation test: for equal distributions the jackknife alone is too small.
    """
    groups = min(FOLDS, len(a) // 2, len(b) // 2)
    group = np.concatenate([np.arange(len(a)) % groups, groups + np.arange(len(b)) % groups])
    sizes = np.bincount(group).astype(np.float64)
    sums = _kernel_sums(np.concatenate([a, b]).astype(np.float64), group)

    def between(a: Rows, b: Rows) -> float:
        m, n = sizes[a].sum(), sizes[b].sum()
        own = [sums[np.ix_(part, part)].sum() for part in (a, b)]
        across = sums[np.ix_(a, b)].sum()
        return float(own[0] / (m * (m - 1)) + own[1] / (n * (n - 1)) - 2 * across / (m * n))

    every = np.arange(groups)
    folds = [np.delete(every, i) for i in every]
    without = np.array([between(fold, groups + fold) for fold in folds])
    rng = stream(seed, "dealt")
    orders = [rng.permutation(2 * groups) for _ in range(PERMUTATIONS)]
    permuted = np.std([between(order[:groups], order[groups:]) for order in orders])
    error = np.hypot(np.sqrt(groups - 1) * without.std(), permuted)
    return between(every, groups + every), float(error)


def count_balls(query: Table, centers: Table, radii: Values) -> Values:
    """For each query, the number of balls that contain it."""
    parts = [
        (_distances(query[i : i + BLOCK], centers) <= radii).sum(axis=1) for i in range(0, len(query), BLOCK)
    ]
    return np.concatenate(parts).astype(np.float32)


def neighbor_radii(rows: Table, k: int) -> Values:
    """The distance of each row to its k-th nearest neighbor."""
    return others(rows, min(k, len(rows) - 1))[1][:, -1]


def precision(real: Table, generated: Table, k: int = 3) -> Values:
    """For each sample 1 if it is closer to some real image than that image's k-th neighbor.

    Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991; recall is the same with the sets exchanged.
    """
    return (count_balls(generated, real, neighbor_radii(real, k)) > 0).astype(np.float32)


def density(real: Table, generated: Table, k: int = 5) -> Values:
    """For each sample the number of real images to which it is closer than their k-th neighbor, over k.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797; its mean is 1 for samples from the real distribution.
    """
    return count_balls(generated, real, neighbor_radii(real, k)) / np.float32(k)


def coverage(real: Table, generated: Table, k: int = 5) -> Values:
    """For each real image 1 if a sample is closer than its k-th neighbor.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797
    """
    return (nearest(real, generated, 1)[1][:, 0] <= neighbor_radii(real, k)).astype(np.float32)


def mean_distance(rows: Table) -> float:
    """The mean distance between two different rows."""
    parts = [_distances(rows[i : i + BLOCK], rows).sum() for i in range(0, len(rows), BLOCK)]
    return float(sum(parts) / (len(rows) * (len(rows) - 1)))


def entropy(shares: Values) -> float:
    """The entropy of a distribution, in nats."""
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def nearest_ratio(query: Table, sources: Iterable[Table]) -> Values:
    """The distance of each row to its nearest source over the mean distance to the next 50; 0 for a copy.

    A blurred image is close to everything without being a copy; the ratio accounts for that.
    Carlini et al. 2023, https://arxiv.org/abs/2301.13188 (section 5)
    """
    distances = np.zeros((len(query), 0), np.float32)
    for source in sources:
        both = np.concatenate([distances, nearest(query, source, NEXT_NEIGHBORS + 1)[1]], axis=1)
        distances = np.sort(both, axis=1)[:, : NEXT_NEIGHBORS + 1]
    return distances[:, 0] / np.maximum(distances[:, 1:].mean(axis=1), 1e-12)


def _covariance(rows: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "d d"]:
    return np.atleast_2d(np.cov(rows, rowvar=False))


def _distances(query: Table, source: Table) -> Float32[np.ndarray, "m n"]:
    center = source.mean(axis=0)
    a, b = query - center, source - center
    square = np.einsum("nd,nd->n", a, a)[:, None] + np.einsum("nd,nd->n", b, b) - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0))


def _kernel_sums(rows: Float64[np.ndarray, "n d"], group: Rows) -> Float64[np.ndarray, "g g"]:
    """Sums of the kernel over pairs of rows, for each pair of groups; a row with itself is left out."""
    of_group = np.eye(group.max() + 1)[group]
    sums = np.zeros((of_group.shape[1],) * 2)
    for i in range(0, len(rows), BLOCK):
        table = (rows[i : i + BLOCK] @ rows.T / rows.shape[1] + 1) ** 3
        here = np.arange(len(table))
        table[here, i + here] = 0
        sums += of_group[i : i + BLOCK].T @ table @ of_group
    return sums
