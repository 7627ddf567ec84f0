"""Everything that the page of one run consists of; each part is computed on first use."""

import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Latents, Plane
from zatlas.core.progress import bar
from zatlas.latent import dimension_ranking
from zatlas.latent.density import NEIGHBORS, Density, density
from zatlas.models.decoding_time import announce_decoding
from zatlas.site.columns import Columns, arrow, columns
from zatlas.site.direction_ranges import most_images
from zatlas.site.geodesics import example_geodesics
from zatlas.site.networks import exported_classifier, exported_networks, network_file
from zatlas.site.other_spaces import center_of, class_latents
from zatlas.site.page_charts import PageChart, add_tiles, current_chart, default_charts, page_chart
from zatlas.site.page_directions import PageDirections, page_directions
from zatlas.site.quadtree import MIN_TILED, Square
from zatlas.site.quantize import half, plain
from zatlas.site.subset import (
    MAX_RECONSTRUCTED,
    PageSubset,
    numbered_samples,
    reconstruction_errors,
    select_quickly,
    select_rows,
    subset_labels,
)
from zatlas.site.thumbnails import ThumbnailSheets, thumbnail_sheets
from zatlas.store import digests, safe_paths
from zatlas.workspace import Workspace

SLOW_PARTS = ("networks", "charts", "columns", "directions", "dimensions", "classifier", "geodesics")
RANKED_DIMENSIONS = 64
RANKING_LATENTS = 2000  # that the ranking of the dimensions is measured on
EXAMPLES = 16  # latents that an exported network is checked with
MAX_LATENT_BYTES = 64 << 20  # that a page loads
FIRST_BYTES = 12 << 20  # of the first points of a page with tiles, with their latents
MIN_POINTS = 2000  # of a page with tiles


@dataclass(eq=False)
class RunPage:
    """A run and the size of its page; `light` is for a run that is still being trained."""

    workspace: Workspace
    folder: str  # of its URLs
    max_points: int
    cache_folder: Path
    light: bool = False
    with_geodesics: bool = False
    tiled: bool = False  # whether a very large run has tiles with all points
    chart_positions: dict[str, Plane] = field(default_factory=dict)  # of all points, by the chart's key

    @cached_property
    def all_points(self) -> PageSubset | None:
        """All points of a page with tiles; None for a page without."""
        if self.light or not self.tiled:
            return None
        result = select_rows(self.workspace, sys.maxsize)
        return result if len(result) > MIN_TILED else None

    @cached_property
    def subset(self) -> PageSubset:
        """The points that the page starts with."""
        if self.all_points is not None:
            return self.all_points.first(min(self.max_points, self._first_count()))
        return (select_quickly if self.light else select_rows)(self.workspace, self.max_points)

    @cached_property
    def columns(self) -> Columns:
        """The properties of each point."""
        points = self.all_points or self.subset
        error = np.full(len(points), np.nan, np.float32)
        if not self.light:
            error[: len(self.subset)] = reconstruction_errors(self.workspace, self.subset)
        return columns(self.workspace, points, error)

    @cached_property
    def density(self) -> Density:
        """The density of the latents."""
        return density(self.subset.latents, self.subset.std)

    @cached_property
    def charts(self) -> list[PageChart]:
        """The charts that the page starts with."""
        layouts = default_charts(self.workspace, self.subset)
        if self.light and self.workspace.dim > 2:
            layouts = [("pca", None)]
        result = [self.chart(str(i), *layout) for i, layout in enumerate(layouts)]
        current = None
        if not self.light:
            current = current_chart(self.workspace, self.subset, self.density, str(len(result)))
        if current is not None:
            result = [current, *(chart for chart in result if chart.name != current.name)]
        if self.all_points is not None:
            described = self.columns.values()
            categories = {entry["name"]: values for entry, values in described if entry["kind"] != "number"}
            for chart in result:
                if chart.name != "line":  # the height of a strip is random
                    self.chart_positions[chart.key] = add_tiles(
                        self.workspace, chart, self.all_points, categories
                    )
        return result

    def chart(self, key: str, layout: str, by: str | None = None, *, subprocess: bool = False) -> PageChart:
        """A chart of the same points."""
        return page_chart(
            self.workspace,
            self.subset,
            self.density,
            key,
            layout,
            by,
            saved=not self.light,
            subprocess=subprocess,
        )

    @cached_property
    def directions(self) -> PageDirections:
        """The directions with a slider."""
        return page_directions(self.workspace, self.subset, light=self.light)

    @cached_property
    def sheets(self) -> ThumbnailSheets | None:
        """The thumbnails of the images."""
        if not self.subset.has_images:
            return None
        return thumbnail_sheets(self.workspace.dataset, self.subset.rows)

    @cached_property
    def geodesics(self) -> list[tuple[int, int, Latents]]:
        """Precomputed geodesics: start row, end row, latents."""
        return example_geodesics(self.workspace, self.subset) if self.with_geodesics else []

    @cached_property
    def samples(self) -> Latents | None:
        """The numbered samples of the model's prior; None without a decoder, and in a light page."""
        return None if self.light or not self.workspace.source.decodes else numbered_samples(self.workspace)

    @cached_property
    def center(self) -> Latents | None:
        """The mean that truncation moves latents towards."""
        return None if self.light else center_of(self.workspace)

    @cached_property
    def class_vectors(self) -> Latents | None:
        """The vectors of the classes in a space of class embeddings."""
        return None if self.light else class_latents(self.workspace)

    @cached_property
    def dimensions(self) -> list[dict[str, Any]]:
        """The latent dimensions that change the image most; empty for a light page."""
        if self.light or not self.workspace.source.decodes:
            return []
        latents = self.subset.latents[:RANKING_LATENTS]
        labels = subset_labels(self.workspace, self.subset.rows[:RANKING_LATENTS])
        order, change = dimension_ranking.rank_dimensions(self.workspace.generator, latents, labels)
        ranked = zip(order[:RANKED_DIMENSIONS].tolist(), plain(change[:RANKED_DIMENSIONS]), strict=True)
        return [{"index": index, "change": value} for index, value in ranked]

    @cached_property
    def networks(self) -> dict[str, Any]:
        """The entries of the decoder and the encoder; None in a light page."""
        if self.light:
            return {"decoder": None, "encoder": None}
        return exported_networks(self.workspace, self._examples, self.cache_folder, self.folder)

    @cached_property
    def classifier(self) -> dict[str, Any] | None:
        """The entry of the run's classifier; None in a light page."""
        if self.light:
            return None
        return exported_classifier(self.workspace, self._examples, self.cache_folder, self.folder)

    def entry(self) -> dict[str, Any]:
        """The computed part of the run's entry in the manifest, a `RunContent`."""
        self._compute()
        latents = self.subset.latents
        return {
            "total": self.subset.total,
            "count": len(self.subset),
            "table": f"{self.folder}/table.arrow",
            "latents": f"{self.folder}/latents.f16" if "latents.f16" in self.files else None,
            "columns": [entry for entry, _ in self.columns.values()],
            "charts": [chart.site(self.folder) for chart in self.charts],
            "sprites": self.sheets and self.sheets.site(self.folder),
            "density": density_entry(self.density),
            **self.networks,
            "dimensions": self.dimensions,
            "class_latents": self._class_entry(),
            "center": None if self.center is None else f"{self.folder}/center.f32",
            "mean": plain(latents.mean(axis=0)),
            "std": plain(latents.std(axis=0)),
            "directions": self.directions.site(self.folder),
            "classifier": self.classifier,
            "samples": None if self.samples is None else f"{self.folder}/samples.f16",
            "geodesics": [
                {"start": a, "end": b, "url": f"{self.folder}/geodesic-{i}.f16", "steps": len(z)}
                for i, (a, b, z) in enumerate(self.geodesics)
            ],
        }

    @cached_property
    def files(self) -> dict[str, Callable[[], bytes]]:
        """The function that makes each file, by name, except for networks."""
        result: dict[str, Callable[[], bytes]] = {"table.arrow": self._table, **self.directions.files()}
        if 2 * self.subset.latents.size <= MAX_LATENT_BYTES:
            result["latents.f16"] = partial(half, self.subset.latents)
        if self.samples is not None:
            result["samples.f16"] = partial(half, self.samples)
        if self.class_vectors is not None:
            result["classes.f16"] = partial(half, self.class_vectors)
        if self.center is not None:
            result["center.f32"] = self.center.astype("<f4").tobytes
        for i, (_, _, z) in enumerate(self.geodesics):
            result[f"geodesic-{i}.f16"] = partial(half, z)
        for chart in self.charts:
            result |= chart.files()
            for square in chart.tiles or ():
                result[tile_name(chart, square)] = partial(self._tile, chart, square)
        return result | (self.sheets.files() if self.sheets else {})

    def network(self, name: str) -> bytes:
        """The file of the decoder, the encoder or the classifier."""
        if name == "classifier":
            return digests.read(safe_paths.path(self.cache_folder, "classifier.onnx"))
        return digests.read(network_file(self.workspace, self._examples, self.cache_folder, name))

    @property
    def _examples(self) -> Latents:
        return self.subset.latents[:EXAMPLES]

    def _class_entry(self) -> dict[str, Any] | None:
        if self.class_vectors is None:
            return None
        names = list(self.workspace.generator.class_names)
        return {"url": f"{self.folder}/classes.f16", "names": names}

    def _announce(self) -> None:
        """Print how long it takes to decode the images of the slow parts, if that is long."""
        if self.light or not self.workspace.source.decodes or not len(self.subset):
            return
        if self.workspace.source.kind == "sample":  # a chart lays their images out
            images = min(self.workspace.decoded_count(self.subset.latents), len(self.subset))
        else:
            images = min(len(self.subset), MAX_RECONSTRUCTED) if self.subset.has_images else 0
        labels = subset_labels(self.workspace, self.subset.rows[:EXAMPLES])
        ranked = dimension_ranking.images_to_rank(
            self.workspace.generator, self._examples, labels, min(len(self.subset), RANKING_LATENTS)
        )
        images += ranked + most_images(self.workspace)
        announce_decoding(
            f"Decoding images for the page of {self.workspace.name}",
            images,
            self.workspace.generator,
            self._examples,
            labels=labels,
            advice="--points N (in Python: points=) shows fewer.",
        )

    def _compute(self) -> None:
        """Compute the slow parts under a progress bar."""
        self._announce()
        parts = SLOW_PARTS if len(self.subset) else ()  # encoding the images has its own bar
        with bar("making the page", len(parts), "parts") as advance:
            for part in parts:
                getattr(self, part)
                advance(1)

    def _table(self) -> bytes:
        count = len(self.subset)
        table = {"index": self.subset.numbers.astype(np.int32)}
        table |= {name: values[:count] for name, (_, values) in self.columns.items()}
        for chart in self.charts:
            table |= _position_columns(chart, chart.positions)
        return arrow(table)

    def _tile(self, chart: PageChart, square: Square) -> bytes:
        assert self.all_points is not None and chart.tiles is not None
        ranks = square.ranks
        table = {"rank": ranks.astype(np.int32), "index": self.all_points.numbers[ranks].astype(np.int32)}
        table |= {name: values[ranks] for name, (_, values) in self.columns.items()}
        table |= _position_columns(chart, self.chart_positions[chart.key][ranks])
        return arrow(table, chart.tiles.metadata(square.name))

    def _first_count(self) -> int:
        """The number of points that a page with tiles starts with, so that it opens at once."""
        attributes = len(self.workspace.dataset.attributes) if self.workspace.has_dataset else 0
        point_bytes = 2 * self.workspace.dim + 4 * (3 + attributes) + 3 * 8  # latent, columns, positions
        return max(FIRST_BYTES // point_bytes, MIN_POINTS)


def density_entry(data: Density) -> dict[str, Any]:
    """The numbers that the page computes the distance from the data with, a `DensityEntry`."""
    coordinates = data.coordinates
    return {
        "neighbors": NEIGHBORS,
        "center": plain(coordinates.center),
        "weights": plain(coordinates.weights),
        "distance_scale": astuple(data.distance_scale),
        "typical_norm": data.typical_norm,
        "norm_scale": astuple(data.norm_scale),
        "scale": astuple(data.scale),
    }


def tile_name(chart: PageChart, square: Square) -> str:
    """The file of a square's tile."""
    return f"tile-{chart.key}-{'-'.join(map(str, square.name))}.arrow"


def _position_columns(chart: PageChart, positions: Plane) -> dict[str, np.ndarray]:
    return {f"{axis}:{chart.key}": values for axis, values in zip("xy", positions.T, strict=True)}
