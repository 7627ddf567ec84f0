"""Flat charts of a latent space: any layout of the points, made walkable both ways."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Flags, Labels, Latents, Plane, Rows, Values
from zatlas.core.errors import BadRun, ShapeError
from zatlas.core.parsing import from_table
from zatlas.core.seeds import stream
from zatlas.latent.layouts import compute_layout, principal_components
from zatlas.latent.neighbors import Neighbors, nearest, nearest_others
from zatlas.store import tensors

FORMAT = 1
KEY = "zatlas"  # of a file's metadata
MARGIN = 0.02  # of the box around the places, on each side
FORWARD, INVERSE = 8, 16  # anchors that have a say in a place, and in a code


@dataclass(frozen=True)
class Chart:
    """Points and their places, and the way from each side to the other.

    A layout only has to place the points it is given. New points, and the codes under new places,
    come from the nearest anchors, so that every layout has an inverse and a chart on disk is two
    arrays.
    """

    latents: Latents
    positions: Plane
    layout: str = "own"  # its name
    parameters: Mapping[str, Any] = field(default_factory=dict)  # its settings and seed
    components: Float32[np.ndarray, "2 d"] | None = None  # the axes of a chart that is a plain projection
    rows: Rows | None = None  # of the dataset, one for each point

    def __post_init__(self) -> None:
        if len(self.latents) != len(self.positions) or not len(self.latents):
            raise ShapeError(
                "A chart needs one place for each point and at least one point; it was given "
                f"{len(self.latents)} points and {len(self.positions)} places."
            )
        if self.rows is not None and self.rows.shape != (len(self.latents),):
            raise ShapeError(
                f"A chart of {len(self.latents)} points needs as many rows of the dataset; it was given "
                f"{self.rows.shape}."
            )

    def transform(self, z: Latents) -> Plane:
        """Where these points fall on the chart; an anchor falls on its own place.

        Elsewhere it is the place nearest to those of the anchors around, not their mean: between
        two groups there is nothing, and a mean would fall there.
        """
        if self.components is not None:
            return self.origin + (z - self.center) @ self.components.T
        near, distance = nearest(z, self.latents, FORWARD)
        share = distance / np.maximum(distance[:, -1:], 1e-12)
        weight = (np.maximum(1 - share, 1e-6) / np.maximum(share, 1e-6)) ** 2
        return _geometric_median(self.positions[near], weight)

    def inverse_transform(self, xy: Plane) -> Latents:
        """The codes under these places: a mean of the anchors around, stretched to their mean norm.

        A mean of codes of many coordinates is shorter than they are, and what lies inside the
        shell is grey to most decoders. On a plain projection the code falls on the place exactly.
        """
        index, distance = self._neighbors(xy)
        weight = _fading_weights(distance)
        z = np.einsum("nk,nkd->nd", weight, self._centred[index])
        norm = (weight * self._norms[index]).sum(axis=1)
        own = np.linalg.norm(z, axis=1)
        z = self.center + z * (norm / np.maximum(own, 1e-12))[:, None]
        if self.components is None:
            return z
        return z + (xy - self.transform(z)) @ self.components

    def covers(self, xy: Plane) -> Flags:
        """Which places lie among the anchors; elsewhere `inverse_transform` is only a guess."""
        return self.outside_share(xy) <= 1

    def outside_share(self, xy: Plane) -> Values:
        """How far a place is from the anchors that have a say in it: 1 is the most that is usual."""
        return self._neighbors(xy)[1][:, -1] / np.float32(max(self.neighbor_radius, 1e-12))

    def grid(self, n: int) -> tuple[Plane, Latents]:
        """n x n places at equal steps over the box, row by row from the top left, and their codes."""
        (left, low), (right, high) = self.box
        across = np.linspace(left, right, n, dtype=np.float32)
        up = np.linspace(high, low, n, dtype=np.float32)
        places = np.stack([np.tile(across, n), np.repeat(up, n)], axis=1)
        return places, self.inverse_transform(places)

    @cached_property
    def box(self) -> Float32[np.ndarray, "2 2"]:
        """The lowest and the highest corner of the chart, with a small margin."""
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        wide = np.maximum(high - low, 1e-6 + 1e-3 * float((high - low).max()))
        return np.stack([low - MARGIN * wide, high + MARGIN * wide]).astype(np.float32)

    def denormalised(self, normalised: Plane) -> Plane:
        """The places of these positions of [-1, 1]^2, whose corners are the box's."""
        low, high = self.box
        return low + (normalised + 1) / 2 * (high - low)

    def normalised(self, xy: Plane) -> Plane:
        """The positions in [-1, 1]^2 of these places: `at` the other way."""
        low, high = self.box
        return (xy - low) / (high - low) * 2 - 1

    @cached_property
    def trustworthiness(self) -> float:
        """How far neighbours on the chart are neighbours in the space too, from 0 to 1."""
        return trustworthiness(self.latents, self.positions)

    def save(self, path: Path) -> Path:
        """Write the chart to one safetensors file, with what made it."""
        told = {"format": FORMAT, "layout": self.layout, "made": dict(self.parameters)}
        arrays = {"latents": self.latents, "positions": self.positions}
        if self.components is not None:
            arrays["frame"] = self.components
        if self.rows is not None:
            arrays["rows"] = self.rows
        return tensors.write(path, KEY, json.dumps(told), arrays)

    @classmethod
    def load(cls, path: Path) -> "Chart":
        """The chart of such a file, identical to the bit."""
        told, arrays = tensors.read(path, KEY, "chart", FORMAT)
        if not {"latents", "positions"} <= set(arrays):
            raise BadRun(f"{path} is a safetensors file, but not a chart.")
        if "rows" in arrays and arrays["rows"].dtype != np.int64:
            raise BadRun(f"The rows of the chart at {path} are not 64-bit integers.")
        return from_table(cls, told, str(path), **arrays)

    def _neighbors(self, xy: Plane) -> Neighbors:
        if xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all():
            raise ShapeError(f"Places are a table (n, 2) of finite numbers; these have shape {xy.shape}.")
        count = min(INVERSE + 1, len(self.positions))
        distance, index = self._tree.query(xy, k=range(1, count + 1))
        return index, distance.astype(np.float32)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.positions)

    @cached_property
    def center(self) -> Values:
        """The mean of the points."""
        return self.latents.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _centred(self) -> Latents:
        return self.latents - self.center

    @cached_property
    def origin(self) -> Values:
        """The mean of the places."""
        return self.positions.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _norms(self) -> Values:
        return np.linalg.norm(self._centred, axis=1)

    @cached_property
    def neighbor_radius(self) -> float:
        """How far the farthest of a place's anchors is at most, but for the loneliest hundredth."""
        some = self.positions[:: max(1, len(self.positions) // 2000)]
        return float(np.quantile(self._neighbors(some)[1][:, -1], 0.99))


def make_chart(
    latents: Latents, layout: str = "umap", labels: Labels | None = None, seed: int = 0, **settings: Any
) -> Chart:
    """The chart of these points by a layout."""
    places = compute_layout(layout, latents, labels, seed=seed, **settings)
    made = {"seed": seed, "labels": labels is not None, "settings": settings}
    frame = principal_components(latents, seed) if layout == "pca" else None
    return Chart(np.ascontiguousarray(latents, np.float32), places, layout, made, frame)


def dimension_chart(latents: Latents, i: int = 0, j: int = 1) -> Chart:
    """The chart of two of the points' own coordinates; `inverse_transform` takes the others nearby."""
    for axis in (i, j):
        if not 0 <= axis < latents.shape[1]:
            raise ShapeError(f"There is no axis {axis}: these points have {latents.shape[1]} coordinates.")
    places = np.ascontiguousarray(latents[:, [i, j]], np.float32)
    frame = np.eye(latents.shape[1], dtype=np.float32)[[i, j]]
    return Chart(latents, places, "axes", {"settings": {"axes": [i, j]}}, frame)


def trustworthiness(latents: Latents, positions: Plane, k: int = 15, max_samples: int = 2000) -> float:
    """Venna and Kaski's measure of a seeded sample: 1 if all neighbours there are neighbours here.

    Venna and Kaski 2001, https://doi.org/10.1007/3-540-44668-0_68; halfway to 1 is chance.
    """
    rows = np.sort(stream(0, "trust").permutation(len(latents))[:max_samples])
    n = len(rows)
    k = min(k, (n - 1) // 2)
    if k < 1:
        return 1.0
    near = nearest_others(positions[rows], k)[0]
    table = _squared_distances(latents[rows])
    np.fill_diagonal(table, -1)  # each is its own nearest, and counts for nothing
    rank = np.empty((n, n), np.int32)
    np.put_along_axis(rank, np.argsort(table, axis=1), np.arange(n, dtype=np.int32)[None], axis=1)
    excess = np.maximum(np.take_along_axis(rank, near, 1) - k, 0)
    return float(1 - excess.sum() * 2 / (n * k * (2 * n - 3 * k - 1)))


def _squared_distances(latents: Latents) -> Float32[np.ndarray, "n n"]:
    """The squared distances of all from all."""
    apart = latents - latents.mean(axis=0)
    own = np.einsum("nd,nd->n", apart, apart)
    return own[:, None] + own - 2 * apart @ apart.T


def _fading_weights(distance: Float32[np.ndarray, "m k"]) -> Float32[np.ndarray, "m k"]:
    """Weights that sum to 1 and fall to 0 at the farthest, which so comes and goes without a jump."""
    weight = np.maximum(1 - distance / np.maximum(distance[:, -1:], 1e-12), 1e-6) ** 2
    return weight / weight.sum(axis=1, keepdims=True)


def _geometric_median(places: Float32[np.ndarray, "m k 2"], weight: Float32[np.ndarray, "m k"]) -> Plane:
    """The geometric median: the place of the least weighted sum of distances to these.

    Weiszfeld 1937; see https://doi.org/10.1007/s10479-008-0352-z
    """
    result = np.einsum("mk,mkd->md", weight / weight.sum(axis=1, keepdims=True), places)
    for _ in range(12):
        apart = np.linalg.norm(places - result[:, None], axis=2)
        pull = weight / np.maximum(apart, 1e-6)
        result = np.einsum("mk,mkd->md", pull / pull.sum(axis=1, keepdims=True), places)
    return result.astype(np.float32)
