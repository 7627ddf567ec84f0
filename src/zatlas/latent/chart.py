"""Charts: positions of latents on a plane, with a map from latents to positions and its inverse."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import ArrayLike, Flags, Labels, Latents, Plane, Rows, Values, as_latents, as_plane
from zatlas.core.errors import BadRun, Damaged, ShapeError
from zatlas.core.parsing import from_table
from zatlas.latent.layouts import DEFAULT_LAYOUT, compute_layout, principal_components
from zatlas.latent.names import LABEL
from zatlas.latent.neighbors import Neighbors, high_quantile, nearest
from zatlas.latent.pixel_features import Decode, PixelFeatures, Table, decoded_pixels, fit_features
from zatlas.latent.trust import MAX_RANKED, NEIGHBORS, trust_of_each
from zatlas.render.html import card
from zatlas.render.plot import cloud
from zatlas.store import tensors

FORMAT = 1
KEY = "zatlas"  # in the metadata of the file
MARGIN = 0.02  # of the box around the positions, on each side
FORWARD, INVERSE = 8, 16  # neighbors that `transform` and `inverse_transform` average
INVERSE_BY_IMAGES = 2  # of a chart by images, whose neighbors have unrelated latents


@dataclass(frozen=True)
class Chart:
    """Latents and their positions on a plane. A notebook shows them.

    A layout only gives positions for the latents it is fitted to. `transform` and `inverse_transform`
    interpolate between their nearest neighbors, so every layout has an inverse, and two arrays store it.

    A model without an encoder samples its latents from the prior, where neighbors mean nothing. Its chart
    is laid out by what the decoded images look like: `features` are principal components of their pixels.

    Parameters
    ----------
    latents : array (n, dim)
    positions : array (n, 2)
    layout : str
        Name of the layout.
    parameters : mapping
        Settings and seed of the layout.
    components : array (2, dim)
        The matrix of a linear projection.
    rows : array (n,)
        Row in the dataset of each latent.
    features : array (n, k)
        What the decoded images look like, if the chart is laid out by that.
    pixels : PixelFeatures
        The function from pixels to such features.
    decode : callable
        The function from latents to images, by which `transform` computes features of new latents.

    Examples
    --------
    >>> latents = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    >>> zatlas.Chart(latents, latents[:, :2]).transform(latents[:3]).shape
    (3, 2)
    """

    latents: Latents
    positions: Plane
    layout: str = "own"  # name of the layout
    parameters: Mapping[str, Any] = field(default_factory=dict)  # settings and seed of the layout
    components: Float32[np.ndarray, "2 d"] | None = None  # of a linear projection
    rows: Rows | None = None  # row in the dataset of each latent
    features: Table | None = None  # what the images look like, if they are laid out by that
    pixels: PixelFeatures | None = None
    decode: Decode | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.latents) != len(self.positions) or not len(self.latents):
            raise ShapeError(
                "A chart needs one position for each latent, and at least one latent; it was given "
                f"{len(self.latents)} latents and {len(self.positions)} positions."
            )
        if self.rows is not None and self.rows.shape != (len(self.latents),):
            raise ShapeError(
                f"A chart of {len(self.latents)} latents needs one row of the dataset for each; it was given "
                f"rows of shape {self.rows.shape}."
            )
        if self.features is not None and (self.features.ndim != 2 or len(self.features) != len(self.latents)):
            raise ShapeError(
                f"A chart of {len(self.latents)} latents needs one row of features for each; it was given "
                f"features of shape {self.features.shape}."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in self.__dataclass_fields__}  # no caches

    def __repr__(self) -> str:
        return f"<Chart {self.layout}: {len(self.latents):,} latents>"

    @property
    def about(self) -> str:
        """The layout and its options, as "grid_umap, supervised by Male, n_neighbors=8"."""
        by_images = ", by what the images look like" if self.features is not None else ""
        return chart_text(self.layout + by_images, self.parameters)

    @property
    def compared(self) -> Table:
        """The rows whose neighbors the layout preserves: the latents, or the features of their images."""
        return self.latents if self.features is None else self.features

    def _repr_html_(self) -> str:
        title = f"The {self.layout} chart of {len(self.latents):,} latents"
        figure = cloud(self.positions, None, (), title=title, axes=("", ""))
        facts = {"layout": self.about, "trustworthiness": self.trustworthiness}
        return card("Chart", facts, figure, ("chart.transform(z)", "chart.inverse_transform(xy)"))

    def transform(self, z: ArrayLike) -> Plane:
        """Return the position (n, 2) of each latent (n, d); the chart's own latents keep their positions.

        A new latent gets the weighted geometric median of its neighbors' positions. Their mean could fall
        into the empty area between two clusters. On a chart by images, the latent is decoded, and its
        neighbors are those whose images look most alike; without a decoder, the nearest latents.

        Examples
        --------
        >>> atlas.chart("pca").transform(atlas.latents("train")).shape
        (114, 2)
        """
        z = as_latents(z, self.latents.shape[1])
        if self.components is not None:
            return self.origin + (z - self.center) @ self.components.T
        index, distance = self.nearest_latents(z, FORWARD)
        share = distance / np.maximum(distance[:, -1:], 1e-12)
        weight = (np.maximum(1 - share, 1e-6) / np.maximum(share, 1e-6)) ** 2
        return _geometric_median(self.positions[index], weight)

    def nearest_latents(self, z: ArrayLike, k: int) -> Neighbors:
        """Return the chart's k latents nearest to each latent; on a chart by images, by their images."""
        z = as_latents(z, self.latents.shape[1])
        if self.features is not None and self.pixels is not None and self.decode is not None and len(z):
            return nearest(self.pixels(decoded_pixels(self.decode, z)), self.features, k)
        return nearest(z, self.latents, k)

    def inverse_transform(self, xy: ArrayLike) -> Latents:
        """Return a latent (n, d) for each position (n, 2): the weighted mean of the neighbors' latents.

        The mean is rescaled to the neighbors' mean norm: in many dimensions a mean is shorter than the
        latents, and most decoders blur what lies closer to the center. The inverse of a linear
        projection is exact. On a chart by images it averages fewer neighbors: their latents are unrelated,
        and the mean of many decodes to none of their images.

        Raises
        ------
        ShapeError
            The positions are not (n, 2), or not finite.

        Examples
        --------
        >>> atlas.chart("pca").inverse_transform(np.zeros((1, 2), np.float32)).shape
        (1, 2)
        """
        xy = as_plane(xy)
        index, distance = (table[:, : self.averaged + 1] for table in self._neighbors(xy))
        weight = _fading_weights(distance)
        z = np.einsum("nk,nkd->nd", weight, self._centered[index])
        norm = (weight * self._norms[index]).sum(axis=1)
        z = self.center + z * (norm / np.maximum(np.linalg.norm(z, axis=1), 1e-12))[:, None]
        if self.components is None:
            return z
        return z + (xy - self.transform(z)) @ self.components

    def covers(self, xy: ArrayLike) -> Flags:
        """Return which positions (n, 2) lie near the data; elsewhere `inverse_transform` extrapolates.

        Examples
        --------
        >>> chart = atlas.chart("pca")
        >>> bool(chart.covers(chart.positions).mean() > 0.9)
        True
        """
        return self.outside_share(xy) <= 1

    def outside_share(self, xy: ArrayLike) -> Values:
        """Return the distance from each position to its farthest neighbor, over `neighbor_radius`."""
        return self._neighbors(as_plane(xy))[1][:, -1] / np.float32(self.neighbor_radius)

    def nearest_covered(self, xy: ArrayLike) -> Plane:
        """Return positions (n, 2) inside the data: a position outside it becomes that of the nearest latent.

        Examples
        --------
        >>> chart = atlas.chart("pca")
        >>> chart.covers(chart.nearest_covered(np.float32([[1000, 0]])))
        array([ True])
        """
        xy = as_plane(xy)
        covered = self.covers(xy)
        inside = self.positions[self.covers(self.positions)]
        index, _ = nearest(xy, inside if len(inside) else self.positions, 1)
        nearby = (inside if len(inside) else self.positions)[index[:, 0]]
        return np.where(covered[:, None], xy, nearby).astype(np.float32)

    @property
    def averaged(self) -> int:
        """The number of neighbors that `inverse_transform` averages."""
        return INVERSE if self.features is None else INVERSE_BY_IMAGES

    def grid(self, n: int) -> tuple[Plane, Latents]:
        """Return n x n positions over the box, row by row from the top left, and their latents.

        Examples
        --------
        >>> positions, latents = atlas.chart("pca").grid(5)
        >>> positions.shape, latents.shape
        ((25, 2), (25, 2))
        """
        (left, low), (right, high) = self.box
        x = np.linspace(left, right, n, dtype=np.float32)
        y = np.linspace(high, low, n, dtype=np.float32)
        positions = np.stack([np.tile(x, n), np.repeat(y, n)], axis=1)
        return positions, self.inverse_transform(positions)

    @cached_property
    def box(self) -> Float32[np.ndarray, "2 2"]:
        """The lower left and the upper right corner of the positions, with a small margin.

        Positions without any extent, as that of a single latent, get a margin as if it were 1.
        """
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        extent = float((high - low).max())
        size = np.maximum(high - low, 1e-6 + 1e-3 * extent if extent else 1)
        return np.stack([low - MARGIN * size, high + MARGIN * size]).astype(np.float32)

    def denormalised(self, normalised: ArrayLike) -> Plane:
        """Convert coordinates in [-1, 1]^2 to positions; the corners are those of the box."""
        low, high = self.box
        return low + (as_plane(normalised) + 1) / 2 * (high - low)

    def normalised(self, xy: ArrayLike) -> Plane:
        """Convert positions to coordinates in [-1, 1]^2."""
        low, high = self.box
        return (as_plane(xy) - low) / (high - low) * 2 - 1

    @cached_property
    def trustworthiness(self) -> float:
        """The trustworthiness of the positions, from 0 to 1: of latents, or of what the images look like."""
        return trustworthiness(self.compared, self.positions)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the chart to one safetensors file, and return its path.

        Examples
        --------
        >>> path = atlas.chart("pca").save("chart.safetensors")
        >>> zatlas.Chart.load(path).layout
        'pca'
        """
        description = {"format": FORMAT, "layout": self.layout, "parameters": dict(self.parameters)}
        optional = {"components": self.components, "rows": self.rows, "features": self.features}
        if self.pixels is not None:
            optional |= {"pixel_mean": self.pixels.mean, "pixel_components": self.pixels.components}
        arrays = {"latents": self.latents, "positions": self.positions}
        arrays |= {name: array for name, array in optional.items() if array is not None}
        return tensors.write(Path(path), KEY, json.dumps(description), arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Chart":
        """Read a chart from a file, identical to the bit."""
        description, arrays = tensors.read(Path(path), KEY, "chart", FORMAT)
        if not {"latents", "positions"} <= set(arrays):
            raise BadRun(f"{path} is a safetensors file, but not a chart.")
        if "rows" in arrays and arrays["rows"].dtype != np.int64:
            raise BadRun(f"The rows of the chart at {path} are not 64-bit integers.")
        if not description.keys() <= {"layout", "parameters"}:
            raise Damaged(f"{path} does not describe a chart: it has other fields.")
        mean, components = (arrays.pop(f"pixel_{name}", None) for name in ("mean", "components"))
        if mean is not None and components is not None:
            arrays["pixels"] = PixelFeatures(mean, components)
        return from_table(cls, description, str(path), **arrays)

    def _neighbors(self, xy: Plane) -> Neighbors:
        count = min(INVERSE + 1, len(self.positions))
        distance, index = self._tree.query(xy, k=range(1, count + 1))
        return index, distance.astype(np.float32)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.positions)

    @cached_property
    def center(self) -> Values:
        """The mean of the latents."""
        return self.latents.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _centered(self) -> Latents:
        return self.latents - self.center

    @cached_property
    def origin(self) -> Values:
        """The mean of the positions."""
        return self.positions.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _norms(self) -> Values:
        return np.linalg.norm(self._centered, axis=1)

    @cached_property
    def neighbor_radius(self) -> float:
        """The 99th percentile of the distance from a position of the data to its farthest neighbor.

        Where that is 0, as for a single latent, it is the diagonal of the box: no position of it is a gap.
        """
        sample = self.positions[:: max(1, len(self.positions) // 2000)]
        radius = high_quantile(self._neighbors(sample)[1][:, -1])
        return radius or float(np.linalg.norm(self.box[1] - self.box[0]))


def make_chart(
    latents: Latents,
    layout: str = DEFAULT_LAYOUT,
    labels: Labels | None = None,
    seed: int = 0,
    **settings: Any,
) -> Chart:
    """Return the chart of these latents by a layout; labels supervise it."""
    positions = compute_layout(layout, latents, labels, seed=seed, **settings)
    parameters = {"seed": seed, "labels": labels is not None, "settings": settings}
    components = principal_components(latents, seed) if layout == "pca" else None
    return Chart(np.ascontiguousarray(latents, np.float32), positions, layout, parameters, components)


def chart_by_images(latents: Latents, decode: Decode, fit: Callable[[Table], Chart]) -> Chart:
    """Return the chart of latents that `fit` lays out by what their decoded images look like."""
    pixels = decoded_pixels(decode, latents)
    projection = fit_features(pixels)
    features = projection(pixels)
    chart = replace(fit(features), latents=np.ascontiguousarray(latents, np.float32), components=None)
    return replace(chart, features=features, pixels=projection, decode=decode)


def chart_text(layout: str, parameters: Mapping[str, Any]) -> str:
    """Return the layout of a chart with its parameters that differ from the defaults."""
    supervise = parameters.get("supervise")
    split = parameters.get("split", "test")
    settings = parameters.get("settings")
    parts = [
        layout,
        "" if supervise is None else f"supervised by {'the label' if supervise == LABEL else supervise}",
        *(f"{name}={value}" for name, value in (settings if isinstance(settings, Mapping) else {}).items()),
        "posterior samples" if parameters.get("samples") else "",
        "" if split == "test" else f"{split} split",
        "" if parameters.get("seed", 0) == 0 else f"seed {parameters['seed']}",
    ]
    return ", ".join(part for part in parts if part)


def dimension_chart(latents: Latents, i: int = 0, j: int = 1) -> Chart:
    """Return the chart of two dimensions; `inverse_transform` takes the others from the neighbors."""
    for dimension in (i, j):
        if not 0 <= dimension < latents.shape[1]:
            raise ShapeError(
                f"There is no dimension {dimension}: the latents have {latents.shape[1]}, from 0 on."
            )
    positions = np.ascontiguousarray(latents[:, [i, j]], np.float32)
    components = np.eye(latents.shape[1], dtype=np.float32)[[i, j]]
    return Chart(latents, positions, "dimensions", {"settings": {"dimensions": [i, j]}}, components)


def trustworthiness(
    latents: Latents, positions: Plane, k: int = NEIGHBORS, max_samples: int = MAX_RANKED
) -> float:
    """Return the trustworthiness of a random sample: 1 if neighbors on the plane are neighbors in the space.

    Random positions give 0.5. Equal to scikit-learn's, and as fast (0.2 s), without its import of 0.8 s.
    """
    return float(trust_of_each(latents, positions, k, max_samples).mean(dtype=np.float64))


def _fading_weights(distance: Float32[np.ndarray, "m k"]) -> Float32[np.ndarray, "m k"]:
    """Weights that sum to 1 and are 0 at the farthest neighbor, so that they change without a jump."""
    weight = np.maximum(1 - distance / np.maximum(distance[:, -1:], 1e-12), 1e-6) ** 2
    return weight / weight.sum(axis=1, keepdims=True)


def _geometric_median(positions: Float32[np.ndarray, "m k 2"], weight: Float32[np.ndarray, "m k"]) -> Plane:
    """The positions with the least weighted sum of distances to these, by Weiszfeld's iteration.

    Weiszfeld 1937; see https://doi.org/10.1007/s10479-008-0352-z
    """
    result = np.einsum("mk,mkd->md", weight / weight.sum(axis=1, keepdims=True), positions)
    for _ in range(12):
        distance = np.linalg.norm(positions - result[:, None], axis=2)
        scaled = weight / np.maximum(distance, 1e-6)
        result = np.einsum("mk,mkd->md", scaled / scaled.sum(axis=1, keepdims=True), positions)
    return result.astype(np.float32)
