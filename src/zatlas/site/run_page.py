"""All that the page of one run is made of, each part made when it is first asked for."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Latents, Plane
from zatlas.core.progress import bar
from zatlas.latent import dimension_ranking
from zatlas.latent.density import NEIGHBORS, Density, density
from zatlas.site.columns import Columns, arrow, columns
from zatlas.site.geodesics import example_geodesics
from zatlas.site.networks import exported_networks, file_of
from zatlas.site.page_charts import PageChart, chart_of, default_charts, with_tiles
from zatlas.site.page_classifier import NAME as SCORER
from zatlas.site.page_classifier import page_classifier
from zatlas.site.page_directions import PageDirections, page_directions
from zatlas.site.quadtree import MIN_TILED, Square
from zatlas.site.quantize import half, plain
from zatlas.site.subset import PageSubset, reconstruction_errors, select_quickly, select_rows, subset_labels
from zatlas.site.thumbnails import ThumbnailSheets, thumbnail_sheets
from zatlas.store import digests, safe_paths
from zatlas.workspace import Workspace

SLOW_PARTS = ("networks", "charts", "columns", "directions", "dimensions", "classifier", "geodesics")  # parts
RANKED_DIMENSIONS = 64  # axes
LATENTS_NAME = 64 << 20  # bytes of codes that a page is asked to load
FIRST_POINTS = 12 << 20  # bytes of the first points of a page that has tiles, with their codes
MIN_POINTS = 2000  # of them


@dataclass(eq=False)
class RunPage:
    """A run, and how much of it is shown; `light` is of a run that is still being trained."""

    workspace: Workspace
    folder: str  # of its URLs
    max_points: int  # points
    cache_folder: Path  # where its nets are kept
    light: bool = False
    joined: bool = False  # with geodesics
    tiled: bool = False  # with all points as tiles, if they are very many
    chart_positions: dict[str, Plane] = field(default_factory=dict)  # of all points, by the chart's key

    @cached_property
    def all_latents(self) -> PageSubset | None:
        """All points, where they are so many that the page has tiles of them."""
        if self.light or not self.tiled:
            return None
        result = select_rows(self.workspace, sys.maxsize)
        return result if len(result) > MIN_TILED else None

    @cached_property
    def subset(self) -> PageSubset:
        """Which images are shown from the start, and where they lie."""
        if self.all_latents is not None:
            return self.all_latents.first(min(self.max_points, self._first()))
        return (select_quickly if self.light else select_rows)(self.workspace, self.max_points)

    @cached_property
    def columns(self) -> Columns:
        """What is known of each point."""
        some = self.all_latents or self.subset
        error = np.full(len(some), np.nan, np.float32)
        if not self.light:
            error[: len(self.subset)] = reconstruction_errors(self.workspace, self.subset)
        return columns(self.workspace, some, error)

    @cached_property
    def density(self) -> Density:
        """How near the points lie to each other."""
        return density(self.subset.latents)

    @cached_property
    def charts(self) -> list[PageChart]:
        """The charts that a page has from the start."""
        wanted = default_charts(self.workspace, self.subset)
        if self.light and self.workspace.dim > 2:
            wanted = [("pca", None)]
        result = [self.chart(str(i), *layout) for i, layout in enumerate(wanted)]
        if self.all_latents is not None:
            kinds = {
                about["name"]: values for about, values in self.columns.values() if about["kind"] != "number"
            }
            for chart in result:
                if chart.name == "line":
                    continue  # a strip's width means nothing
                self.chart_positions[chart.key] = with_tiles(self.workspace, chart, self.all_latents, kinds)
        return result

    def chart(self, key: str, layout: str, by: str | None = None, *, apart: bool = False) -> PageChart:
        """A chart of the same points."""
        return chart_of(
            self.workspace, self.subset, self.density, key, layout, by, saved=not self.light, apart=apart
        )

    @cached_property
    def directions(self) -> PageDirections:
        """Directions."""
        return page_directions(self.workspace, self.subset, light=self.light)

    @cached_property
    def sheets(self) -> ThumbnailSheets | None:
        """Thumbnails."""
        return thumbnail_sheets(self.workspace.dataset, self.subset.rows) if self.subset.real else None

    @cached_property
    def geodesics(self) -> list[tuple[int, int, Latents]]:
        """Curves that need no server."""
        return example_geodesics(self.workspace, self.subset) if self.joined else []

    @cached_property
    def dimensions(self) -> list[dict[str, Any]]:
        """Latent axes, the most telling first; while training, there is no time to tell."""
        if self.light or not self.workspace.source.decodes:
            return []
        some = self.subset.latents[:2000]
        labels = subset_labels(self.workspace, self.subset.rows[:2000])
        order, change = dimension_ranking.rank_dimensions(self.workspace.generator, some, labels)
        both = zip(order[:RANKED_DIMENSIONS].tolist(), plain(change[:RANKED_DIMENSIONS]), strict=True)
        return [{"index": index, "change": moved} for index, moved in both]

    def entry(self) -> dict[str, Any]:
        """What the manifest says of the run."""
        self._prepare()
        near, latents = self.density, self.subset.latents
        return {
            "total": self.subset.total,
            "count": len(self.subset),
            "points": f"{self.folder}/points.arrow",
            "codes": f"{self.folder}/codes.f16" if "codes.f16" in self.files else None,
            "columns": [about for about, _ in self.columns.values()],
            "charts": [chart.site(self.folder) for chart in self.charts],
            "sprites": self.sheets and self.sheets.site(self.folder),
            "density": {
                "usual": near.typical_distance,
                "lonely": near.typical_distance + near.step,
                "neighbours": NEIGHBORS,
            },
            **self.networks,
            "axes": self.dimensions,
            "middle": plain(latents.mean(axis=0)),
            "deviation": plain(latents.std(axis=0)),
            "ways": self.directions.site(self.folder),
            "scorer": self.classifier,
            "geodesics": [
                {"from": a, "to": b, "url": f"{self.folder}/geodesic-{i}.f16", "steps": len(z)}
                for i, (a, b, z) in enumerate(self.geodesics)
            ],
        }

    def _prepare(self) -> None:
        """Make what takes long, with a bar for those who wait."""
        parts = SLOW_PARTS if len(self.subset) else ()  # that was encoded under a bar of its own
        with bar("making the page", len(parts), "parts") as advance:
            for part in parts:
                getattr(self, part)
                advance(1)

    @cached_property
    def networks(self) -> dict[str, Any]:
        """The model's halves, of a run that is trained."""
        if self.light:
            return {"decoder": None, "encoder": None}
        return exported_networks(self.workspace, self.subset.latents[:16], self.cache_folder, self.folder)

    @cached_property
    def classifier(self) -> dict[str, Any] | None:
        """The run's scorer."""
        if self.light:
            return None
        return page_classifier(self.workspace, self.subset.latents[:16], self.cache_folder, self.folder)

    @cached_property
    def files(self) -> dict[str, Callable[[], bytes]]:
        """How to make each file but the model's, by name."""
        result: dict[str, Callable[[], bytes]] = {"points.arrow": self._table, **self.directions.files()}
        if 2 * self.subset.latents.size <= LATENTS_NAME:
            result["codes.f16"] = partial(half, self.subset.latents)
        for i, (_, _, z) in enumerate(self.geodesics):
            result[f"geodesic-{i}.f16"] = partial(half, z)
        for chart in self.charts:
            result |= chart.files()
            for square in chart.tiles or ():
                result[tile_name(chart, square)] = partial(self._tile, chart, square)
        return result | (self.sheets.files() if self.sheets else {})

    def network(self, name: str) -> bytes:
        """The file of one half of the model, or of the scorer."""
        if name == "scorer":
            path = safe_paths.path(self.cache_folder, SCORER)
            return digests.read(path)
        return digests.read(file_of(self.workspace, self.subset.latents[:16], self.cache_folder, name))

    def _table(self) -> bytes:
        count = len(self.subset)
        table = {"index": self.subset.numbers.astype(np.int32)}
        table |= {name: values[:count] for name, (_, values) in self.columns.items()}
        for chart in self.charts:
            table |= _axes(chart, chart.positions)
        return arrow(table)

    def _tile(self, chart: PageChart, square: Square) -> bytes:
        assert self.all_latents is not None and chart.tiles is not None
        ranks = square.ranks
        table = {"rank": ranks.astype(np.int32), "index": self.all_latents.numbers[ranks].astype(np.int32)}
        table |= {name: values[ranks] for name, (_, values) in self.columns.items()}
        table |= _axes(chart, self.chart_positions[chart.key][ranks])
        return arrow(table, chart.tiles.about(square.name))

    def _first(self) -> int:
        """How many points a page with tiles begins with, so that it is there at once."""
        known = len(self.workspace.dataset.attributes) if self.workspace.has_dataset else 0
        each = 2 * self.workspace.dim + 4 * (3 + known) + 3 * 8  # bytes: its code, what is known, places
        return max(FIRST_POINTS // each, MIN_POINTS)


def tile_name(chart: PageChart, square: Square) -> str:
    """The file of a square's tile."""
    return f"tile-{chart.key}-{'-'.join(map(str, square.name))}.arrow"


def _axes(chart: PageChart, places: Plane) -> dict[str, np.ndarray]:
    return {f"{axis}:{chart.key}": along for axis, along in zip("xy", places.T, strict=True)}
