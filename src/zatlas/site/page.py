"""All that the page of one run is made of, each part made when it is first asked for."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Plane, Points
from zatlas.core.progress import bar
from zatlas.latent import axes
from zatlas.latent.density import NEIGHBOURS, Density, density
from zatlas.site.charts import Charted, chart_of, tiled, usual_charts
from zatlas.site.columns import Columns, arrow, columns
from zatlas.site.draw import Draw, draw, errors, quick_draw, told
from zatlas.site.geodesics import geodesics
from zatlas.site.nets import exported, file_of
from zatlas.site.numbers import half, plain
from zatlas.site.reader import NAME as SCORER
from zatlas.site.reader import reader
from zatlas.site.sprites import Sheets, sheets
from zatlas.site.tiles import TILED, Square
from zatlas.site.ways import Ways, ways
from zatlas.store import digests, inside
from zatlas.workspace import Workspace

SLOW = ("nets", "charts", "columns", "ways", "axes", "reader", "geodesics")  # parts
RANKED = 64  # axes
CODES = 64 << 20  # bytes of codes that a page is asked to load
FIRST = 12 << 20  # bytes of the first points of a page that has tiles, with their codes
FEWEST = 2000  # of them


@dataclass(eq=False)
class Page:
    """A run, and how much of it is shown; `light` is of a run that is still being trained."""

    workspace: Workspace
    folder: str  # of its URLs
    most: int  # points
    room: Path  # where its nets are kept
    light: bool = False
    joined: bool = False  # with geodesics
    tiled: bool = False  # with all points as tiles, if they are very many
    places: dict[str, Plane] = field(default_factory=dict)  # of all points, by the chart's key

    @cached_property
    def everyone(self) -> Draw | None:
        """All points, where they are so many that the page has tiles of them."""
        if self.light or not self.tiled:
            return None
        found = draw(self.workspace, sys.maxsize)
        return found if len(found) > TILED else None

    @cached_property
    def drawn(self) -> Draw:
        """Which images are shown from the start, and where they lie."""
        if self.everyone is not None:
            return self.everyone.first(min(self.most, self._first()))
        return (quick_draw if self.light else draw)(self.workspace, self.most)

    @cached_property
    def columns(self) -> Columns:
        """What is known of each point."""
        some = self.everyone or self.drawn
        error = np.full(len(some), np.nan, np.float32)
        if not self.light:
            error[: len(self.drawn)] = errors(self.workspace, self.drawn)
        return columns(self.workspace, some, error)

    @cached_property
    def density(self) -> Density:
        """How near the points lie to each other."""
        return density(self.drawn.points)

    @cached_property
    def charts(self) -> list[Charted]:
        """The charts that a page has from the start."""
        wanted = usual_charts(self.workspace, self.drawn)
        if self.light and self.workspace.dim > 2:
            wanted = [("pca", None)]
        found = [self.chart(str(i), *layout) for i, layout in enumerate(wanted)]
        if self.everyone is not None:
            kinds = {
                about["name"]: values for about, values in self.columns.values() if about["kind"] != "number"
            }
            for chart in found:
                if chart.name == "line":
                    continue  # a strip's width means nothing
                self.places[chart.key] = tiled(self.workspace, chart, self.everyone, kinds)
        return found

    def chart(self, key: str, layout: str, by: str | None = None, *, apart: bool = False) -> Charted:
        """A chart of the same points."""
        return chart_of(
            self.workspace, self.drawn, self.density, key, layout, by, kept=not self.light, apart=apart
        )

    @cached_property
    def ways(self) -> Ways:
        """Directions."""
        return ways(self.workspace, self.drawn, light=self.light)

    @cached_property
    def sheets(self) -> Sheets | None:
        """Thumbnails."""
        return sheets(self.workspace.dataset, self.drawn.rows) if self.drawn.real else None

    @cached_property
    def geodesics(self) -> list[tuple[int, int, Points]]:
        """Curves that need no server."""
        return geodesics(self.workspace, self.drawn) if self.joined else []

    @cached_property
    def axes(self) -> list[dict[str, Any]]:
        """Latent axes, the most telling first; while training, there is no time to tell."""
        if self.light or not self.workspace.source.decodes:
            return []
        some = self.drawn.points[:2000]
        labels = told(self.workspace, self.drawn.rows[:2000])
        order, change = axes.rank(self.workspace.generator, some, labels)
        both = zip(order[:RANKED].tolist(), plain(change[:RANKED]), strict=True)
        return [{"index": index, "change": moved} for index, moved in both]

    def entry(self) -> dict[str, Any]:
        """What the manifest says of the run."""
        self._prepare()
        near, points = self.density, self.drawn.points
        return {
            "total": self.drawn.total,
            "count": len(self.drawn),
            "points": f"{self.folder}/points.arrow",
            "codes": f"{self.folder}/codes.f16" if "codes.f16" in self.files else None,
            "columns": [about for about, _ in self.columns.values()],
            "charts": [chart.site(self.folder) for chart in self.charts],
            "sprites": self.sheets and self.sheets.site(self.folder),
            "density": {"usual": near.usual, "lonely": near.usual + near.step, "neighbours": NEIGHBOURS},
            **self.nets,
            "axes": self.axes,
            "middle": plain(points.mean(axis=0)),
            "deviation": plain(points.std(axis=0)),
            "ways": self.ways.site(self.folder),
            "scorer": self.reader,
            "geodesics": [
                {"from": a, "to": b, "url": f"{self.folder}/geodesic-{i}.f16", "steps": len(z)}
                for i, (a, b, z) in enumerate(self.geodesics)
            ],
        }

    def _prepare(self) -> None:
        """Make what takes long, with a bar for those who wait."""
        parts = SLOW if len(self.drawn) else ()  # that was encoded under a bar of its own
        with bar("making the page", len(parts), "parts") as advance:
            for part in parts:
                getattr(self, part)
                advance(1)

    @cached_property
    def nets(self) -> dict[str, Any]:
        """The model's halves, of a run that is trained."""
        if self.light:
            return {"decoder": None, "encoder": None}
        return exported(self.workspace, self.drawn.points[:16], self.room, self.folder)

    @cached_property
    def reader(self) -> dict[str, Any] | None:
        """The run's scorer."""
        if self.light:
            return None
        return reader(self.workspace, self.drawn.points[:16], self.room, self.folder)

    @cached_property
    def files(self) -> dict[str, Callable[[], bytes]]:
        """How to make each file but the model's, by name."""
        found: dict[str, Callable[[], bytes]] = {"points.arrow": self._table, **self.ways.files()}
        if 2 * self.drawn.points.size <= CODES:
            found["codes.f16"] = partial(half, self.drawn.points)
        for i, (_, _, z) in enumerate(self.geodesics):
            found[f"geodesic-{i}.f16"] = partial(half, z)
        for chart in self.charts:
            found |= chart.files()
            for square in chart.tiles or ():
                found[tile_name(chart, square)] = partial(self._tile, chart, square)
        return found | (self.sheets.files() if self.sheets else {})

    def net(self, name: str) -> bytes:
        """The file of one half of the model, or of the scorer."""
        if name == "scorer":
            path = inside.path(self.room, SCORER)
            return digests.read(path)
        return digests.read(file_of(self.workspace, self.drawn.points[:16], self.room, name))

    def _table(self) -> bytes:
        count = len(self.drawn)
        table = {"index": self.drawn.numbers.astype(np.int32)}
        table |= {name: values[:count] for name, (_, values) in self.columns.items()}
        for chart in self.charts:
            table |= _axes(chart, chart.places)
        return arrow(table)

    def _tile(self, chart: Charted, square: Square) -> bytes:
        assert self.everyone is not None and chart.tiles is not None
        ranks = square.ranks
        table = {"rank": ranks.astype(np.int32), "index": self.everyone.numbers[ranks].astype(np.int32)}
        table |= {name: values[ranks] for name, (_, values) in self.columns.items()}
        table |= _axes(chart, self.places[chart.key][ranks])
        return arrow(table, chart.tiles.about(square.name))

    def _first(self) -> int:
        """How many points a page with tiles begins with, so that it is there at once."""
        known = len(self.workspace.dataset.attributes) if self.workspace.has_dataset else 0
        each = 2 * self.workspace.dim + 4 * (3 + known) + 3 * 8  # bytes: its code, what is known, places
        return max(FIRST // each, FEWEST)


def tile_name(chart: Charted, square: Square) -> str:
    """The file of a square's tile."""
    return f"tile-{chart.key}-{'-'.join(map(str, square.name))}.arrow"


def _axes(chart: Charted, places: Plane) -> dict[str, np.ndarray]:
    return {f"{axis}:{chart.key}": along for axis, along in zip("xy", places.T, strict=True)}
