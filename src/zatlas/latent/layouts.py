"""Layouts: positions on a plane for rows of many dimensions, by name.

`pca` projects onto the first two principal components. `grid_umap` and `grid_tsne` minimise losses close
to those of UMAP and t-SNE, with full-batch gradients whose repulsion is a convolution on a grid;
docs/layouts.md says how they differ. `umap` is umap-learn itself, in `umap_layout.py`.

A layout is a frozen dataclass of its settings. It is called with latents, labels and a seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from zatlas.core.arrays import Labels, Latents, Plane, Rows, Values, check_finite
from zatlas.core.errors import BadData, BadRecipe
from zatlas.core.registry import LAYOUTS
from zatlas.core.seeds import stream
from zatlas.core.settings import Count, Weight, Within, fill
from zatlas.latent.neighbors import Neighbors, nearest_others

Layout = Callable[[Latents, Labels | None, int], Plane]
SquaredDistances = Float32[np.ndarray, "..."]
Kernel = Callable[[SquaredDistances], SquaredDistances]
MAX_EXACT_DIM = 512  # dimensions of the principal components that are computed exactly
DEFAULT_LAYOUT = "grid_umap"
MIN_LATENTS = 5  # distinct rows below which every layout is a PCA

Positive = Annotated[float, Within(0.0, above=True)]


def default_layout(dim: int) -> str:
    """Return the layout of a latent space with this number of dimensions, if none is named."""
    return {1: "pca", 2: "dimensions"}.get(dim, DEFAULT_LAYOUT)


def compute_layout(
    name: str, latents: Latents, labels: Labels | None = None, *, seed: int = 0, **settings: Any
) -> Plane:
    """Return a position (n, 2) for each latent (n, d). Equal latents have equal positions."""
    plugin = LAYOUTS.get(name)
    layout: Layout = fill(plugin, settings, name) if isinstance(plugin, type) else partial(plugin, **settings)
    rows = _checked(latents, labels)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if len(first) < MIN_LATENTS or isinstance(layout, PCA):
        return project_to_plane(latents, seed)
    centered = latents[first] - latents.mean(axis=0, dtype=np.float64)
    positions = np.asarray(
        layout(centered.astype(np.float32), None if labels is None else labels[first], seed)
    )
    if positions.shape != (len(first), 2) or not np.isfinite(positions).all():  # also None
        raise BadData(
            f"The layout {name!r} gave no finite positions for these {len(latents)} latents. Try other "
            "settings, or the layout 'pca'."
        )
    return np.ascontiguousarray(positions[inverse.ravel()], np.float32)


@dataclass(frozen=True)
class PCA:
    """Projection onto the first two principal components, in the units of the latents."""

    def __call__(self, latents: Latents, labels: Labels | None, seed: int) -> Plane:
        """Return the projection of each latent; labels are ignored."""
        return project_to_plane(latents, seed)


@dataclass(frozen=True)
class GridUMAP:
    """UMAP's neighbor graph and kernels, with the repulsion of all pairs instead of sampled ones.

    McInnes et al. 2018, https://arxiv.org/abs/1802.03426. Labels weaken the edges between neighbors of
    different labels, as in section 7 there; the label -1 means unknown.
    """

    n_neighbors: Annotated[int, Within(2)] = 25  # neighbors of each latent, itself included
    min_dist: Weight = 0.1  # smallest distance of neighbors on the chart
    spread: Positive = 1.0  # distance over which attraction decays
    repulsion: Positive = 5.0  # weight of the repulsion, relative to the attraction
    target_weight: Annotated[float, Within(0.0, 1.0)] = 0.5  # of the labels; 0 ignores them
    steps: Count = 200  # of gradient descent

    def __post_init__(self) -> None:
        check_min_dist(self.min_dist, self.spread)

    def __call__(self, latents: Latents, labels: Labels | None, seed: int) -> Plane:
        """Return the positions after gradient descent that starts at the PCA."""
        graph = _fuzzy_graph(nearest_others(rescaled(latents), self.n_neighbors - 1), self.n_neighbors)
        if labels is not None:
            graph = _weaken_between_labels(graph, labels, self.target_weight)
        a, b = _kernel_parameters(self.min_dist, self.spread)

        def attraction(square: SquaredDistances) -> SquaredDistances:
            power = square**b
            return 4 * a * b * power / (square * (1 + a * power))

        def repulsion(square: SquaredDistances) -> SquaredDistances:
            return 2 * b / ((square + np.float32(1e-3)) * (1 + a * square**b))

        grid, positions = RepulsionGrid(len(latents), repulsion), _initial_positions(latents, 10.0, seed)
        velocity, degree = np.zeros_like(positions), graph.degree[:, None]
        for step in range(self.steps):
            # Weak repulsion lets groups form; it grows over the first half of the steps.
            remaining = 1 - step / self.steps
            weight = self.repulsion * min(1.0, 0.01 + 2 * (1 - remaining)) / len(latents)
            force = graph.attraction(positions, attraction) / degree
            force += np.float32(weight) * grid(positions)[0]
            velocity = np.float32(0.9) * velocity + np.float32(0.2 * remaining) * force
            positions = positions + velocity
        return positions


@dataclass(frozen=True)
class GridTSNE:
    """t-SNE's loss with equal weights for the nearest neighbors instead of a perplexity.

    van der Maaten and Hinton 2008, https://jmlr.org/papers/v9/vandermaaten08a.html. Equal weights preserve
    neighborhoods as well, with fewer edges: Boehm et al. 2022, https://arxiv.org/abs/2007.08902. The
    repulsion on a grid follows Linderman et al. 2019, https://arxiv.org/abs/1712.09005.
    """

    n_neighbors: Annotated[int, Within(1)] = 15  # of each latent, itself excluded
    early_exaggeration: Annotated[float, Within(1.0)] = 12.0  # factor on the attraction in the early steps
    early_steps: Annotated[int, Within(0, 1_000_000)] = 100
    steps: Count = 500  # of gradient descent, early steps included

    def __call__(self, latents: Latents, labels: Labels | None, seed: int) -> Plane:
        """Return the positions after gradient descent that starts at the PCA; labels are ignored."""
        n = len(latents)
        index, _ = nearest_others(rescaled(latents), self.n_neighbors)
        graph = _union(index, np.ones(index.shape))
        scale = np.float32(0.5 / graph.weights.sum())  # so that the weights of all ordered pairs sum to 1
        grid, positions = RepulsionGrid(n, _cauchy_squared, _cauchy), _initial_positions(latents, 1e-3, seed)
        velocity, gain = np.zeros_like(positions), np.ones_like(positions)
        rate = np.float32(n / self.early_exaggeration)  # Belkina et al. 2019
        for step in range(self.steps):
            early = step < self.early_steps
            repulsion, normalizer = grid(positions)
            force = graph.attraction(positions, _cauchy) * scale * (self.early_exaggeration if early else 1)
            force += repulsion / np.float32(max(normalizer - n, 1e-12))
            reversed_ = np.sign(force) != np.sign(velocity)
            gain = np.maximum(np.where(reversed_, gain * 0.8, gain + 0.2), 0.01).astype(np.float32)
            velocity = np.float32(0.5 if early else 0.8) * velocity + 4 * rate * gain * force
            positions = positions + velocity
        return positions


def project_to_plane(latents: Latents, seed: int = 0) -> Plane:
    """Return the coordinates (n, 2) along the first two principal components, relative to the mean."""
    if not len(latents):
        return np.zeros((0, 2), np.float32)
    centered = latents - latents.mean(axis=0, dtype=np.float64)
    return (centered @ principal_components(latents, seed).T.astype(np.float64)).astype(np.float32)


def principal_components(latents: Latents, seed: int = 0) -> Float32[np.ndarray, "2 d"]:
    """Return the first two principal components as unit rows; missing ones are zero.

    Up to 512 dimensions without scikit-learn, whose import takes 0.8 s: longer than all the rest of a chart.
    """
    centered = rescaled((latents - latents.mean(axis=0, dtype=np.float64)).astype(np.float32))
    result = np.eye(2, latents.shape[1], dtype=np.float32)
    if not centered.any():
        return result
    count = min(2, *latents.shape)
    if latents.shape[1] > MAX_EXACT_DIM:
        from sklearn.utils.extmath import randomized_svd

        components = randomized_svd(centered, count, random_state=seed & 0xFFFFFFFF)[2]
    else:
        exact = centered.astype(np.float64)
        components = np.linalg.eigh(exact.T @ exact)[1][:, ::-1][:, :count].T
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], 1)
    result[:count] = components * np.sign(largest)
    return result


@dataclass(frozen=True)
class NeighborGraph:
    """Weighted edges between `count` latents, each pair once."""

    heads: Rows
    tails: Rows
    weights: Values
    count: int

    @property
    def degree(self) -> Values:
        """The sum of the edge weights at each latent, at least 0.001: labels can remove all its edges."""
        ends = np.concatenate([self.heads, self.tails])
        sums = np.bincount(ends, np.tile(self.weights, 2), self.count)
        return np.maximum(sums, 1e-3).astype(np.float32)

    def attraction(self, positions: Plane, kernel: Kernel) -> Plane:
        """The force on each position: the sum over its edges of weight, kernel and difference."""
        x, y = positions.T.copy()
        dx, dy = x[self.tails] - x[self.heads], y[self.tails] - y[self.heads]
        strength = self.weights * kernel(dx * dx + dy * dy + np.float32(1e-8))
        force = np.empty((self.count, 2), np.float32)
        for axis, component in enumerate((strength * dx, strength * dy)):
            force[:, axis] = np.bincount(self.heads, component, self.count)
            force[:, axis] -= np.bincount(self.tails, component, self.count)
        return force


class RepulsionGrid:
    """The repulsion of all pairs: for each position, the sum over all others of kernel times difference.

    Each position is spread bilinearly over the four corners of its grid cell, so the sum becomes a
    convolution, computed by FFT. The kernel's transform is reused until the positions outgrow the grid.
    """

    DIRECT = 400  # positions up to which a table of all pairs is faster

    def __init__(self, count: int, kernel: Kernel, scalar: Kernel | None = None) -> None:
        self.cells = 128 if count < 10_000 else 256  # on each side; more cells hardly change the result
        self.kernel, self.scalar = kernel, scalar
        self.low, self.cell = np.zeros(2, np.float32), np.float32(0)
        self.transforms: list[np.ndarray] = []

    def __call__(self, positions: Plane) -> tuple[Plane, float]:
        """Return the force on each position, and the sum of the scalar kernel over all pairs."""
        if len(positions) <= self.DIRECT:
            return self._exact(positions)
        return self._convolved(positions)

    def _exact(self, positions: Plane) -> tuple[Plane, float]:
        x, y = positions.T
        dx, dy = x[:, None] - x, y[:, None] - y
        square = dx * dx + dy * dy
        strength = self.kernel(square)
        force = np.stack([(strength * dx).sum(axis=1), (strength * dy).sum(axis=1)], axis=1)
        return force, float(self.scalar(square).sum()) if self.scalar else 0.0

    def _convolved(self, positions: Plane) -> tuple[Plane, float]:
        from scipy import fft

        self._fit(positions)
        m = self.cells
        scaled = (positions - self.low) / self.cell
        corner = np.minimum(scaled.astype(np.int32), m - 2)  # rounding may reach the last column
        u, v = (scaled - corner).T
        share = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v])
        node = corner[:, 0] * m + corner[:, 1] + np.array([[0], [m], [1], [m + 1]])
        mass = np.bincount(node.ravel(), share.ravel(), m * m).reshape(m, m).astype(np.float32)
        spectrum = fft.rfft2(mass, (2 * m, 2 * m))
        fields = [fft.irfft2(spectrum * t, (2 * m, 2 * m))[:m, :m] for t in self.transforms]
        force = [(share * field.ravel()[node]).sum(axis=0) for field in fields[:2]]
        return np.stack(force, axis=1), float(sum((mass * field).sum() for field in fields[2:]))

    def _fit(self, positions: Plane) -> None:
        """Move and scale the grid if the positions leave it, or fill less than 0.7 of it."""
        from scipy import fft

        low, high = positions.min(axis=0), positions.max(axis=0)
        side, grid_side = float((high - low).max()), float(self.cell) * (self.cells - 1)
        inside = bool((low >= self.low).all() and (high < self.low + np.float32(grid_side)).all())
        if inside and side > 0.7 * grid_side:
            return
        side = 1.1 * side + 1e-12
        self.cell = np.float32(side / (self.cells - 1))
        self.low = ((low + high) / 2 - np.float32(side / 2)).astype(np.float32)
        offset = np.fft.fftfreq(2 * self.cells, 1 / (2 * self.cells)).astype(np.float32) * self.cell
        square = offset[:, None] ** 2 + offset**2
        kernels = [self.kernel(square) * offset[:, None], self.kernel(square) * offset]
        kernels += [self.scalar(square)] if self.scalar else []
        self.transforms = [fft.rfft2(kernel) for kernel in kernels]


def check_min_dist(min_dist: float, spread: float) -> None:
    """Refuse a smallest distance above the spread, for which no kernel exists."""
    if min_dist > spread:
        raise BadRecipe(f"min_dist must not exceed spread; they are {min_dist} and {spread}.")


def rescaled(latents: Latents) -> Latents:
    """Return the latents with a largest absolute value of 1, so that their squares do not overflow."""
    return latents / max(np.abs(latents).max(initial=0.0), np.float32(1e-30))


def _checked(latents: Latents, labels: Labels | None) -> Float64[np.ndarray, "n e"]:
    """Return the latents, with the labels as a last column; refuse wrong shapes, NaN and infinity."""
    if latents.ndim != 2 or not latents.shape[1]:
        raise BadData(f"A layout needs latents of shape (n, d); these have shape {latents.shape}.")
    check_finite(latents, "Remove these rows, or train again: the model probably diverged.")
    if labels is None:
        return latents
    if len(labels) != len(latents):
        raise BadData(f"A layout needs one label per latent; there are {len(latents)} and {len(labels)}.")
    return np.column_stack([latents, labels])


def _initial_positions(latents: Latents, size: float, seed: int) -> Plane:
    """The PCA, scaled to this size, with a little noise that separates equal projections."""
    positions = project_to_plane(latents, seed)
    positions = positions / np.float32(np.abs(positions).max()) * np.float32(size)
    noise = stream(seed, "layout").normal(0, 1e-3 * size, positions.shape)
    return positions + noise.astype(np.float32)


def _fuzzy_graph(neighbors: Neighbors, n_neighbors: int) -> NeighborGraph:
    """UMAP's memberships: 1 for the nearest neighbor, decaying so that they sum to log2(n_neighbors)."""
    index, distance = neighbors
    excess = distance - distance[:, :1]
    low, high = np.zeros(len(excess)), np.full(len(excess), np.inf)
    scale = excess.mean(axis=1).astype(np.float64) + 1e-12
    floor = 1e-3 * scale
    for _ in range(32):
        too_wide = np.exp(-excess / scale[:, None]).sum(axis=1) > np.log2(min(n_neighbors, len(excess)))
        low, high = np.where(too_wide, low, scale), np.where(too_wide, scale, high)
        scale = np.where(np.isinf(high), 2 * scale, (low + high) / 2)
    return _union(index, np.exp(-excess / np.maximum(scale, floor)[:, None]))


def _union(index: Int64[np.ndarray, "n k"], weight: Float64[np.ndarray, "n k"]) -> NeighborGraph:
    """The undirected graph: an edge weighs a + b - ab, where a and b are the weights of its directions."""
    from scipy.sparse import coo_array, triu

    n, k = index.shape
    directed = coo_array((weight.ravel(), (np.repeat(np.arange(n), k), index.ravel())), (n, n)).tocsr()
    transposed = directed.T.tocsr()
    edges = triu(directed + transposed - directed * transposed, 1).tocoo()
    heads, tails = edges.coords
    return NeighborGraph(heads, tails, edges.data.astype(np.float32), n)


def _weaken_between_labels(graph: NeighborGraph, labels: Labels, target_weight: float) -> NeighborGraph:
    """Reduce the weights of edges between different labels, and normalise the others as UMAP does."""
    head, tail = labels[graph.heads], labels[graph.tails]
    penalty = 2.5 / max(1 - target_weight, 1e-6)
    unknown = (head < 0) | (tail < 0)
    weights = graph.weights * np.exp(-np.where(unknown, 1.0, np.where(head != tail, penalty, 0.0)))
    largest = np.zeros(graph.count)
    for ends in (graph.heads, graph.tails):
        np.maximum.at(largest, ends, weights)
    largest = np.maximum(largest, 1e-12)
    a, b = weights / largest[graph.heads], weights / largest[graph.tails]
    return NeighborGraph(graph.heads, graph.tails, (a + b - a * b).astype(np.float32), graph.count)


def _kernel_parameters(min_dist: float, spread: float) -> tuple[np.float32, np.float32]:
    """Fit a and b of 1 / (1 + a d^2b) to 1 up to `min_dist` and an exponential decay beyond."""
    from scipy.optimize import curve_fit

    d = np.linspace(0, 3 * spread, 300)
    target = np.where(d < min_dist, 1.0, np.exp(-(d - min_dist) / spread))
    a, b = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), d, target)[0]
    return np.float32(a), np.float32(b)


def _cauchy(square: SquaredDistances) -> SquaredDistances:
    return 1 / (1 + square)


def _cauchy_squared(square: SquaredDistances) -> SquaredDistances:
    return 1 / (1 + square) ** 2
