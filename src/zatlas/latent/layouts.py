"""Layouts: where points of many coordinates lie on a plane. PCA, UMAP and t-SNE, by name.

A layout is a frozen dataclass of its settings, called with points, labels and a seed. UMAP and
t-SNE both pull neighbours together and push all apart; the push of all on all is summed here at
every step, as one convolution on a grid, where most programs draw a few of the others at random.

Linderman et al. 2019, https://arxiv.org/abs/1712.09005  (the push as a convolution)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from zatlas.core.arrays import Labels, Latents, Plane, Rows, Values
from zatlas.core.errors import BadData, BadRecipe
from zatlas.core.registry import LAYOUTS
from zatlas.core.seeds import stream
from zatlas.core.settings import fill
from zatlas.latent.neighbors import Neighbors, nearest_others

Layout = Callable[[Latents, Labels | None, int], Plane]
Squares = Float32[np.ndarray, "..."]  # of distances
Kernel = Callable[[Squares], Squares]
MIN_LATENTS = 5  # distinct points; fewer are laid by their principal axes


def compute_layout(
    name: str, latents: Latents, labels: Labels | None = None, *, seed: int = 0, **settings: Any
) -> Plane:
    """Places of these points by the layout of that name; equal points have one place."""
    plugin = LAYOUTS.get(name)
    layout: Layout = fill(plugin, settings, name) if isinstance(plugin, type) else partial(plugin, **settings)
    rows = _checked(latents, labels)
    _, first, again = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if len(first) < MIN_LATENTS or isinstance(layout, PCA):
        return project_to_plane(latents, seed)
    some = latents[first] - latents.mean(axis=0, dtype=np.float64)
    places = layout(some.astype(np.float32), None if labels is None else labels[first], seed)
    if places.shape != (len(first), 2) or not np.isfinite(places).all():
        raise BadData(
            f"The layout {name!r} found no places for these {len(latents)} points. Try other "
            "settings, or the layout 'pca', which always finds some."
        )
    return np.ascontiguousarray(places[again.ravel()], np.float32)


@dataclass(frozen=True)
class PCA:
    """The two axes along which the points spread most, in the points' own units."""

    def __call__(self, latents: Latents, labels: Labels | None, seed: int) -> Plane:
        """Each point's coordinates along those axes."""
        return project_to_plane(latents, seed)


@dataclass(frozen=True)
class GridUMAP:
    """Neighbours stay neighbours at a chosen closeness, and groups stand apart.

    McInnes et al. 2018, https://arxiv.org/abs/1802.03426. With labels, links between neighbours
    of different labels are weakened first (section 7 there); the label -1 means none.
    """

    neighbors: int = 25  # of each point that are to stay near, the point itself counted
    min_dist: float = 0.1  # how close places may come; the whole is some 15 wide
    spread: float = 1.0  # the distance over which neighbours let go
    repulsion: float = 5.0  # how strongly the others push, against one pull
    label_weight: float = 0.5  # of the labels against the points, from 0 to 1
    steps: int = 200  # of the descent

    def __post_init__(self) -> None:
        if self.neighbors < 2:
            raise BadRecipe(f"UMAP needs at least 2 neighbors, not {self.neighbors}.")
        if not 0 <= self.min_dist <= self.spread or not self.spread > 0:
            raise BadRecipe(
                f"min_dist must lie between 0 and spread; they are {self.min_dist} and {self.spread}."
            )
        if not 0 <= self.label_weight <= 1:
            raise BadRecipe(f"label_weight must lie between 0 and 1; it is {self.label_weight}.")

    def __call__(self, latents: Latents, labels: Labels | None, seed: int) -> Plane:
        """The places after the descent, which begins at the principal axes."""
        links = _fuzzy_graph(nearest_others(_rescaled(latents), self.neighbors - 1), self.neighbors)
        if labels is not None:
            links = _weaken_between_labels(links, labels, self.label_weight)
        a, b = _kernel_parameters(self.min_dist, self.spread)

        def pull(square: Squares) -> Squares:
            power = square**b
            return 4 * a * b * power / (square * (1 + a * power))

        def push(square: Squares) -> Squares:
            return 2 * b / ((square + np.float32(1e-3)) * (1 + a * square**b))

        field, places = RepulsionGrid(len(latents), push), _initial_positions(latents, 10.0, seed)
        speed, degree = np.zeros_like(places), links.degree[:, None]
        for step in range(self.steps):
            # Groups find together while the push is weak, and then make room for each other.
            left = 1 - step / self.steps
            share = self.repulsion * min(1.0, 0.01 + 2 * (1 - left)) / len(latents)
            force = links.attraction(places, pull) / degree
            force += np.float32(share) * field(places)[0]
            speed = np.float32(0.9) * speed + np.float32(0.2 * left) * force
            places = places + speed
        return places


@dataclass(frozen=True)
class GridTSNE:
    """Each point's few nearest stay nearest; distances between groups mean little.

    van der Maaten and Hinton 2008, https://jmlr.org/papers/v9/vandermaaten08a.html. Every
    neighbour counts alike, which keeps neighbourhoods as well as a perplexity does at a fraction
    of the links: Boehm et al. 2022, https://arxiv.org/abs/2007.08902.
    """

    neighbors: int = 15  # of each point that it is drawn to, alike
    exaggeration: float = 12.0  # of the pull while the groups form
    early: int = 100  # steps of that
    steps: int = 500  # of the descent, those included

    def __post_init__(self) -> None:
        if self.neighbors < 1 or not self.exaggeration >= 1:
            raise BadRecipe(
                "t-SNE needs at least 1 neighbor and an exaggeration of 1 or more; they are "
                f"{self.neighbors} and {self.exaggeration}."
            )

    def __call__(self, latents: Latents, labels: Labels | None, seed: int) -> Plane:
        """The places after the descent, which begins at the principal axes; no labels are used."""
        n = len(latents)
        index, _ = nearest_others(_rescaled(latents), self.neighbors)
        links = _union(index, np.ones(index.shape))
        share = np.float32(0.5 / links.weights.sum())  # all weights, both ways, sum to 1
        field, places = RepulsionGrid(n, _cauchy_squared, _cauchy), _initial_positions(latents, 1e-3, seed)
        speed, gain = np.zeros_like(places), np.ones_like(places)
        rate = np.float32(n / self.exaggeration)  # Belkina et al. 2019
        for step in range(self.steps):
            begun = step >= self.early
            push, closeness = field(places)
            force = links.attraction(places, _cauchy) * share * (1 if begun else self.exaggeration)
            force += push / np.float32(max(closeness - n, 1e-12))
            against = np.sign(force) != np.sign(speed)
            gain = np.maximum(np.where(against, gain * 0.8, gain + 0.2), 0.01).astype(np.float32)
            speed = np.float32(0.8 if begun else 0.5) * speed + 4 * rate * gain * force
            places = places + speed
        return places


def project_to_plane(latents: Latents, seed: int = 0) -> Plane:
    """Coordinates along the two directions of greatest spread, from the mean."""
    if not len(latents):
        return np.zeros((0, 2), np.float32)
    apart = latents - latents.mean(axis=0, dtype=np.float64)
    return (apart @ principal_components(latents, seed).T.astype(np.float64)).astype(np.float32)


def principal_components(latents: Latents, seed: int = 0) -> Float32[np.ndarray, "2 d"]:
    """The two directions of greatest spread, each of length 1; of one coordinate, and nothing.

    Of wide tables they are found by a sketch: Halko et al. 2011, https://arxiv.org/abs/0909.4061.
    """
    apart = _rescaled((latents - latents.mean(axis=0, dtype=np.float64)).astype(np.float32))
    d = apart.shape[1]
    basis = np.eye(d, dtype=np.float32)
    if d > 512:
        basis = stream(seed, "sketch").standard_normal((d, 12), dtype=np.float32)
        for _ in range(6):
            basis = np.linalg.qr(apart.T @ (apart @ basis))[0]
    small = (apart @ basis).astype(np.float64)
    axes = (basis @ np.linalg.eigh(small.T @ small)[1][:, ::-1][:, :2]).T
    # An axis has no sign of its own: its largest part is made to point forwards.
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], 1))
    result = np.zeros((2, d), np.float32)
    result[: len(axes)] = axes
    return result


@dataclass(frozen=True)
class NeighborGraph:
    """Weighted links between pairs of points, each pair once."""

    heads: Rows
    tails: Rows
    weights: Values
    count: int  # of the points

    @property
    def degree(self) -> Values:
        """The weight at each point; at least a little, as labels can cut a point off."""
        both = np.concatenate([self.heads, self.tails])
        summed = np.bincount(both, np.tile(self.weights, 2), self.count)
        return np.maximum(summed, 1e-3).astype(np.float32)

    def attraction(self, places: Plane, kernel: Kernel) -> Plane:
        """The force at each point towards its neighbours: weight, kernel and difference."""
        x, y = places.T.copy()
        dx, dy = x[self.tails] - x[self.heads], y[self.tails] - y[self.heads]
        strength = self.weights * kernel(dx * dx + dy * dy + np.float32(1e-8))
        force = np.empty((self.count, 2), np.float32)
        for axis, along in enumerate((strength * dx, strength * dy)):
            force[:, axis] = np.bincount(self.heads, along, self.count)
            force[:, axis] -= np.bincount(self.tails, along, self.count)
        return force


class RepulsionGrid:
    """The push of all points on all: the kernel times the difference, summed, at each of them.

    Many points are spread over the corners of their cells, so that the sum is a convolution. The
    kernel's transform is kept until the points outgrow the grid.
    """

    DIRECT = 400  # points up to which a table of all pairs is faster

    def __init__(self, count: int, kernel: Kernel, scalar: Kernel | None = None) -> None:
        self.cells = 128 if count < 10_000 else 256  # a side; more change no place by much
        self.kernel, self.scalar = kernel, scalar
        self.low, self.cell = np.zeros(2, np.float32), np.float32(0)
        self.transforms: list[np.ndarray] = []

    def __call__(self, places: Plane) -> tuple[Plane, float]:
        """The push at each place, and the sum of the scalar kernel over all pairs, if there is one."""
        if len(places) <= self.DIRECT:
            return self._table(places)
        return self._convolved(places)

    def _table(self, places: Plane) -> tuple[Plane, float]:
        x, y = places.T
        dx, dy = x[:, None] - x, y[:, None] - y
        square = dx * dx + dy * dy
        strength = self.kernel(square)
        push = np.stack([(strength * dx).sum(axis=1), (strength * dy).sum(axis=1)], axis=1)
        return push, float(self.scalar(square).sum()) if self.scalar else 0.0

    def _convolved(self, places: Plane) -> tuple[Plane, float]:
        from scipy import fft

        self._fit(places)
        m = self.cells
        where = (places - self.low) / self.cell
        corner = np.minimum(where.astype(np.int32), m - 2)  # rounding may reach the far edge
        u, v = (where - corner).T
        share = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v])
        at = corner[:, 0] * m + corner[:, 1] + np.array([[0], [m], [1], [m + 1]])
        mass = np.bincount(at.ravel(), share.ravel(), m * m).reshape(m, m).astype(np.float32)
        spectrum = fft.rfft2(mass, (2 * m, 2 * m))
        sums = [fft.irfft2(spectrum * t, (2 * m, 2 * m))[:m, :m] for t in self.transforms]
        push = [(share * one.ravel()[at]).sum(axis=0) for one in sums[:2]]
        return np.stack(push, axis=1), float(sum((mass * one).sum() for one in sums[2:]))

    def _fit(self, places: Plane) -> None:
        from scipy import fft

        low, high = places.min(axis=0), places.max(axis=0)
        side, held = float((high - low).max()), float(self.cell) * (self.cells - 1)
        inside = bool((low >= self.low).all() and (high < self.low + np.float32(held)).all())
        if inside and side > 0.7 * held:
            return
        side = 1.1 * side + 1e-12
        self.cell = np.float32(side / (self.cells - 1))
        self.low = ((low + high) / 2 - np.float32(side / 2)).astype(np.float32)
        far = np.fft.fftfreq(2 * self.cells, 1 / (2 * self.cells)).astype(np.float32) * self.cell
        square = far[:, None] ** 2 + far**2
        kernels = [self.kernel(square) * far[:, None], self.kernel(square) * far]
        kernels += [self.scalar(square)] if self.scalar else []
        self.transforms = [fft.rfft2(kernel) for kernel in kernels]


def _checked(latents: Latents, labels: Labels | None) -> Float64[np.ndarray, "n e"]:
    """The table of points, with their labels, once it is known to be one of numbers."""
    if latents.ndim != 2 or not latents.shape[1]:
        raise BadData(f"A layout needs a table of points (n, d); this has shape {latents.shape}.")
    if bad := int((~np.isfinite(latents)).any(axis=1).sum()):
        raise BadData(
            f"{bad} of these {len(latents)} points hold NaN or infinity, and so have no place. "
            "Leave them out, or train again: such codes come from a model that diverged."
        )
    if labels is None:
        return latents
    if len(labels) != len(latents):
        raise BadData(f"There are {len(latents)} points, but {len(labels)} labels.")
    return np.column_stack([latents, labels])


def _rescaled(latents: Latents) -> Latents:
    """The same points with a largest coordinate of 1, lest their squares overflow."""
    return latents / max(np.abs(latents).max(initial=0.0), np.float32(1e-30))


def _initial_positions(latents: Latents, size: float, seed: int) -> Plane:
    """The principal axes, within that size; a little noise sets apart what falls together there."""
    places = project_to_plane(latents, seed)
    places = places / np.float32(np.abs(places).max()) * np.float32(size)
    noise = stream(seed, "layout").normal(0, 1e-3 * size, places.shape)
    return places + noise.astype(np.float32)


def _fuzzy_graph(near: Neighbors, neighbors: int) -> NeighborGraph:
    """UMAP's memberships: 1 for the nearest, falling so that they sum to log2 of their number."""
    index, distance = near
    over = distance - distance[:, :1]
    low, high = np.zeros(len(over)), np.full(len(over), np.inf)
    scale = over.mean(axis=1).astype(np.float64) + 1e-12
    floor = 1e-3 * scale
    for _ in range(32):
        much = np.exp(-over / scale[:, None]).sum(axis=1) > np.log2(min(neighbors, len(over)))
        low, high = np.where(much, low, scale), np.where(much, scale, high)
        scale = np.where(np.isinf(high), 2 * scale, (low + high) / 2)
    return _union(index, np.exp(-over / np.maximum(scale, floor)[:, None]))


def _union(index: Int64[np.ndarray, "n k"], weight: Float64[np.ndarray, "n k"]) -> NeighborGraph:
    """One link a pair: how likely it is that one or the other holds."""
    from scipy.sparse import coo_array, triu

    n, k = index.shape
    direction = coo_array((weight.ravel(), (np.repeat(np.arange(n), k), index.ravel())), (n, n)).tocsr()
    back = direction.T.tocsr()
    whole = triu(direction + back - direction * back, 1).tocoo()
    one, other = whole.coords
    return NeighborGraph(one, other, whole.data.astype(np.float32), n)


def _weaken_between_labels(links: NeighborGraph, labels: Labels, weight: float) -> NeighborGraph:
    """The links after those between different labels have been weakened, and the rest restored."""
    one, other = labels[links.heads], labels[links.tails]
    far = 2.5 / max(1 - weight, 1e-6)
    unknown = (one < 0) | (other < 0)
    keep = np.exp(-np.where(unknown, 1.0, np.where(one != other, far, 0.0)))
    saved = links.weights * keep
    best = np.zeros(links.count)
    for end in (links.heads, links.tails):
        np.maximum.at(best, end, saved)
    best = np.maximum(best, 1e-12)
    direction, back = saved / best[links.heads], saved / best[links.tails]
    return NeighborGraph(
        links.heads, links.tails, (direction + back - direction * back).astype(np.float32), links.count
    )


def _kernel_parameters(min_dist: float, spread: float) -> tuple[np.float32, np.float32]:
    """a and b of the smooth 1 / (1 + a d^2b) nearest to 1 within `min_dist` and a decay beyond."""
    from scipy.optimize import curve_fit

    d = np.linspace(0, 3 * spread, 300)
    wanted = np.where(d < min_dist, 1.0, np.exp(-(d - min_dist) / spread))
    result = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), d, wanted)[0]
    return np.float32(result[0]), np.float32(result[1])


def _cauchy(square: Squares) -> Squares:
    return 1 / (1 + square)


def _cauchy_squared(square: Squares) -> Squares:
    return 1 / (1 + square) ** 2
