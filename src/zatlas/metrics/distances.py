"""How much a set of samples resembles a set of real images: numbers of two tables of features."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32, Float64

from zatlas.core.arrays import Rows, Values
from zatlas.core.seeds import stream
from zatlas.latent.neighbours import nearest, others

Table = Float32[np.ndarray, "n d"]

BLOCK = 1024  # rows of a table of distances at a time
FOLDS, PERMUTATIONS = 20, 200  # parts that are left out in turn, and times that all are dealt anew
NEXT_NEIGHBORS = 50  # neighbours after the nearest


def frechet(a: Table, b: Table) -> float:
    """The squared Frechet distance of the normal distributions with the means and covariances of each.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500. It falls with the number of rows, so only
    distances of as many rows can be compared.
    """
    one, other = a.astype(np.float64), b.astype(np.float64)
    apart = np.square(one.mean(axis=0) - other.mean(axis=0)).sum()
    first, second = _covariance(one), _covariance(other)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(apart + np.trace(first) + np.trace(second) - 2 * both)


def kernel_distance(a: Table, b: Table, *, seed: int = 0) -> tuple[float, float]:
    """The squared distance of the mean maps of a cubic kernel, without bias, and its standard error.

    Binkowski et al. 2018, https://arxiv.org/abs/1801.01401. It may fall below 0. The error is that of
    leaving out twentieths of both in turn, and of dealing all to two sets by chance: of equal
    distributions the first alone says too little.
    """
    groups = min(FOLDS, len(a) // 2, len(b) // 2)
    group = np.concatenate([np.arange(len(a)) % groups, groups + np.arange(len(b)) % groups])
    sizes = np.bincount(group).astype(np.float64)
    sums = _kernel_sums(np.concatenate([a, b]).astype(np.float64), group)

    def between(one: Rows, other: Rows) -> float:
        m, n = sizes[one].sum(), sizes[other].sum()
        own = [sums[np.ix_(part, part)].sum() for part in (one, other)]
        across = sums[np.ix_(one, other)].sum()
        return float(own[0] / (m * (m - 1)) + own[1] / (n * (n - 1)) - 2 * across / (m * n))

    every = np.arange(groups)
    left = [np.delete(every, i) for i in every]
    without = np.array([between(kept, groups + kept) for kept in left])
    chance = stream(seed, "dealt")
    dealt = [chance.permutation(2 * groups) for _ in range(PERMUTATIONS)]
    by_chance = np.std([between(order[:groups], order[groups:]) for order in dealt])
    error = np.hypot(np.sqrt(groups - 1) * without.std(), by_chance)
    return between(every, groups + every), float(error)


def count_balls(query: Table, centres: Table, radii: Values) -> Values:
    """For each query, how many of the balls around these centres it lies in."""
    parts = [
        (_distances(query[i : i + BLOCK], centres) <= radii).sum(axis=1) for i in range(0, len(query), BLOCK)
    ]
    return np.concatenate(parts).astype(np.float32)


def neighbor_radii(rows: Table, k: int) -> Values:
    """How far each row is from its k-th neighbour among the others."""
    return others(rows, min(k, len(rows) - 1))[1][:, -1]


def precision(real: Table, made: Table, k: int = 3) -> Values:
    """For each sample 1 where it lies among real images: within the reach of one's k-th neighbour.

    Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991; recall is this the other way round.
    """
    return (count_balls(made, real, neighbor_radii(real, k)) > 0).astype(np.float32)


def density(real: Table, made: Table, k: int = 5) -> Values:
    """For each sample how many real images it lies within the reach of, over k.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797; its mean is 1 where samples are as real ones.
    """
    return count_balls(made, real, neighbor_radii(real, k)) / np.float32(k)


def coverage(real: Table, made: Table, k: int = 5) -> Values:
    """For each real image 1 where a sample lies within its reach: nearer than its k-th neighbour.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797
    """
    return (nearest(real, made, 1)[1][:, 0] <= neighbor_radii(real, k)).astype(np.float32)


def mean_distance(rows: Table) -> float:
    """The mean distance of two of these rows."""
    parts = [_distances(rows[i : i + BLOCK], rows).sum() for i in range(0, len(rows), BLOCK)]
    return float(sum(parts) / (len(rows) * (len(rows) - 1)))


def entropy(shares: Values) -> float:
    """The entropy of these shares, in nats."""
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())


def nearest_ratio(query: Table, sources: Iterable[Table]) -> Values:
    """How near each row is to its nearest of these, against the mean of its next ones: 0 for a copy.

    A soft image is near to everything, and no copy of anything: the ratio tells the two apart.
    Carlini et al. 2023, https://arxiv.org/abs/2301.13188 (section 5)
    """
    found = np.zeros((len(query), 0), np.float32)
    for source in sources:
        both = np.concatenate([found, nearest(query, source, NEXT_NEIGHBORS + 1)[1]], axis=1)
        found = np.sort(both, axis=1)[:, : NEXT_NEIGHBORS + 1]
    return found[:, 0] / np.maximum(found[:, 1:].mean(axis=1), 1e-12)


def _covariance(rows: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "d d"]:
    return np.atleast_2d(np.cov(rows, rowvar=False))


def _distances(query: Table, source: Table) -> Float32[np.ndarray, "m n"]:
    middle = source.mean(axis=0)
    a, b = query - middle, source - middle
    square = np.einsum("nd,nd->n", a, a)[:, None] + np.einsum("nd,nd->n", b, b) - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0))


def _kernel_sums(rows: Float64[np.ndarray, "n d"], group: Rows) -> Float64[np.ndarray, "g g"]:
    """Sums of the kernel over the pairs of each two groups, without those of a row with itself."""
    of_group = np.eye(group.max() + 1)[group]
    found = np.zeros((of_group.shape[1],) * 2)
    for i in range(0, len(rows), BLOCK):
        table = (rows[i : i + BLOCK] @ rows.T / rows.shape[1] + 1) ** 3
        here = np.arange(len(table))
        table[here, i + here] = 0
        found += of_group[i : i + BLOCK].T @ table @ of_group
    return found
