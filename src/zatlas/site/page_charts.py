"""Charts of a page's points: the places, and a grid of codes by which every place decodes."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from zatlas.core.arrays import Labels, Latents, Plane, Rows, Values
from zatlas.core.errors import NotSupported
from zatlas.core.registry import LAYOUTS
from zatlas.core.seeds import stream
from zatlas.directions.find import known_names
from zatlas.latent import chart as charts
from zatlas.latent.attributes import binary_names, pretty
from zatlas.latent.chart import Chart
from zatlas.latent.density import Density
from zatlas.latent.landmarks import MAX_CHARTED, chart_digest, write_positions
from zatlas.latent.layouts import DEFAULT_LAYOUT
from zatlas.latent.names import ParsedName, text_of
from zatlas.latent.subprocess_layout import make_in_subprocess
from zatlas.site.columns import column_names
from zatlas.site.quadtree import Quadtree, quadtree
from zatlas.site.quantize import half, plain
from zatlas.site.subset import PageSubset
from zatlas.store import chart_positions as tables
from zatlas.store.latent_table import LatentTable
from zatlas.workspace import Workspace

NUMBERS = 1_000_000  # of a grid of codes: 2 MB
FINEST, FINE, COARSEST = 128, 64, 24  # steps of a grid
USEFUL = 0.1  # of the points at least on either side, for an attribute to lay a chart by
TITLES = {
    "grid_umap": "UMAP (grid)",
    "grid_tsne": "t-SNE (grid)",
    "umap": "UMAP",
    "pca": "PCA",
    "axes": "The two dimensions",
    "line": "The dimension",
}
STRIP_HEIGHT = 0.25  # height of the chart of a single axis, as part of its width

Files = Mapping[str, Callable[[], bytes]]


@dataclass(eq=False)
class PageChart:
    """A chart with the places of all points, and how a page is told of it."""

    key: str  # of its files and columns: "0", "1" ...
    name: str
    title: str
    chart: Chart
    positions: Plane
    density: Density
    tiles: Quadtree | None = None  # of the points that are too many for a page

    def site(self, folder: str) -> dict[str, Any]:
        """What the manifest says of it."""
        chart = self.chart
        (left, bottom), (right, top) = chart.box.tolist()
        return {
            "name": self.name,
            "title": self.title,
            "x": f"x:{self.key}",
            "y": f"y:{self.key}",
            "trust": plain(chart.trustworthiness)[0],
            "box": plain(np.array([left, bottom, right, top])),
            "lattice": {"url": f"{folder}/lattice-{self.key}.f16", "n": self.steps},
            "cover": f"{folder}/cover-{self.key}.u8",
            "frame": self._frame(),
            "reach": plain(max(chart.neighbor_radius, 1e-12))[0],
            "tiles": self.tiles
            and {"url": f"{folder}/tile-{self.key}-", "squares": self.tiles.inner((0, 0, 0))},
        }

    def files(self) -> Files:
        """The grid's codes, and where they are amid the data."""
        return {
            f"lattice-{self.key}.f16": lambda: half(self.grid[1]),
            f"cover-{self.key}.u8": partial(cover, self),
        }

    @property
    def steps(self) -> int:
        """How fine the grid is: less so where points are few, or codes long."""
        wanted = np.clip(1.3 * len(self.positions) ** 0.5, FINE, FINEST)
        most = max((NUMBERS / self.chart.latents.shape[1]) ** 0.5, COARSEST)
        return int(min(wanted, most))

    @cached_property
    def grid(self) -> tuple[Plane, Latents]:
        """Places over the box and their codes."""
        return self.chart.grid(self.steps)

    def _frame(self) -> dict[str, Any] | None:
        chart = self.chart
        if chart.components is None:
            return None
        names = {"axes": chart.components, "middle": chart.center, "origin": chart.origin}
        return {name: plain(values) for name, values in names.items()}


def cover(charted: PageChart) -> bytes:
    """How much each place of the grid is amid the data, as bytes: on the chart, and in the space."""
    places, latents = charted.grid
    near = _falling(charted.chart.outside_share(places), 1, 1.5)
    usual = _falling(charted.density.relative_distance(latents), 2, 4)
    return np.rint(255 * np.minimum(near, usual)).astype(np.uint8).tobytes()


def chart_of(
    workspace: Workspace,
    drawn: PageSubset,
    density: Density,
    key: str,
    layout: str,
    by: str | None = None,
    *,
    saved: bool = True,
    apart: bool = False,
) -> PageChart:
    """A chart of these points, kept in the run; of very many, the others are placed among its own."""
    few = drawn.first(MAX_CHARTED)
    if by is not None and not drawn.real:
        raise NotSupported("The points are samples without images: nothing is known to lay them by.")
    made = (layout, by, workspace.digest, workspace.data[1], len(few))
    digest = hashlib.sha256(repr(made).encode()).hexdigest()[:12]
    path = workspace.folder("charts") / f"page-{layout}-{digest}.safetensors"
    if not (saved and path.exists() and (chart := Chart.load(path)).rows is not None):
        labels = _supervision(workspace, by, few.rows) if by else None
        chart = replace(_laid(few.latents, layout, labels, apart), rows=few.rows)
        if saved:
            chart.save(path)
    rest = drawn.latents[MAX_CHARTED:]
    places = np.concatenate([chart.positions, chart.transform(rest)]) if len(rest) else chart.positions
    name = f"{layout} by {by}" if by else layout
    title = TITLES.get(layout, layout) + (f" by {pretty(by)}" if by else "")
    return PageChart(key, name, title, chart, places, density)


def with_tiles(
    workspace: Workspace, charted: PageChart, everyone: PageSubset, told: Mapping[str, np.ndarray]
) -> Plane:
    """Give a chart of a page its tiles; the places of all points, which are kept in the run."""
    first, total = len(charted.positions), len(everyone)
    made = {
        **workspace.provenance("page"),
        "chart": chart_digest(charted.chart),
        "first": first,
        "total": total,
    }
    path = workspace.folder("charts") / f"page-{charted.chart.layout}-{made['chart']}.parquet"
    rest = LatentTable(everyone.rows[first:], everyone.latents[first:])
    places = tables.read(write_positions(charted.chart, path, [rest], total - first, made))[1]
    whole = np.concatenate([charted.positions, places])
    charted.tiles = quadtree(whole, charted.chart.box, first, told)
    return whole


def default_charts(workspace: Workspace, drawn: PageSubset) -> list[tuple[str, str | None]]:
    """The layouts that a page has from the start, and what they are supervised by."""
    if workspace.dim <= 2:
        return [("line" if workspace.dim == 1 else "axes", None)]
    if not drawn.real:
        return [("pca", None), (DEFAULT_LAYOUT, None)]  # neighbors among samples of a prior mean little
    by = _supervisor(workspace, drawn)
    return [(DEFAULT_LAYOUT, None), ("pca", None)] + ([(DEFAULT_LAYOUT, by)] if by else [])


def _supervision(workspace: Workspace, by: str, rows: Rows) -> Labels:
    """What a chart is laid by: the labels, or a column of the page."""
    attribute = column_names(workspace.dataset).get(by) if workspace.has_dataset else None
    if attribute is not None:
        by = text_of(ParsedName("attribute", attribute), known_names(workspace), anchor=False)
    return workspace.supervision(by, rows)


def _supervisor(workspace: Workspace, drawn: PageSubset) -> str | None:
    """The column of the labels, or the first attribute that enough have and enough lack."""
    labels = workspace.labels(drawn.rows)
    if labels is not None and len(np.unique(labels)) > 1:
        return "label"
    flags = binary_names(workspace.dataset)
    for name, attribute in column_names(workspace.dataset).items():
        column = workspace.dataset.attributes[attribute]
        if attribute in flags and USEFUL <= column[drawn.rows].mean() <= 1 - USEFUL:
            return name
    return None


def _laid(latents: Latents, layout: str, labels: Labels | None, apart: bool) -> Chart:
    if layout == "axes":
        return charts.dimension_chart(latents)
    if layout != "line":
        return (make_in_subprocess if apart and LAYOUTS.is_installed(layout) else charts.make_chart)(
            latents, layout, labels
        )
    # A line is too thin to point at: places along it are spread across a strip by chance.
    along = latents[:, 0]
    across = stream(0, "strip").uniform(-0.5, 0.5, len(latents)) * STRIP_HEIGHT * max(np.ptp(along), 1e-3)
    places = np.stack([along, across], axis=1).astype(np.float32)
    return Chart(latents, places, "line", {}, np.array([[1], [0]], np.float32))


def _falling(values: Values, start: float, end: float) -> Values:
    """1 up to the start, 0 from the end on."""
    return np.clip((end - values) / (end - start), 0, 1)
