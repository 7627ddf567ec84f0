"""Charts of a page's points: positions, and a grid of latents that decodes every position."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from zatlas.core.arrays import Labels, Latents, Plane, Rows, Values
from zatlas.core.errors import NotSupported, ZatlasError
from zatlas.core.logs import LOG
from zatlas.core.registry import LAYOUTS
from zatlas.core.seeds import stream
from zatlas.directions.find import known_names
from zatlas.latent import chart as charts
from zatlas.latent.attributes import binary_names, pretty
from zatlas.latent.chart import Chart, chart_by_images
from zatlas.latent.density import Density
from zatlas.latent.landmarks import MAX_CHARTED, chart_digest, write_positions
from zatlas.latent.layouts import DEFAULT_LAYOUT
from zatlas.latent.names import ParsedName, text_of
from zatlas.latent.saved_charts import ChartRequest
from zatlas.latent.subprocess_layout import make_in_subprocess
from zatlas.site.columns import column_names
from zatlas.site.quadtree import Quadtree, quadtree
from zatlas.site.quantize import half, plain
from zatlas.site.subset import PageSubset
from zatlas.store import chart_positions
from zatlas.store.latent_table import LatentTable
from zatlas.workspace import Workspace

MAX_GRID_NUMBERS = 1_000_000  # of all latents of a grid: 2 MB
MIN_STEPS, USUAL_STEPS, MAX_STEPS = 24, 64, 128  # along each side of a grid
MIN_SHARE = 0.1  # of images with and without an attribute that supervises a layout
TITLES = {
    "grid_umap": "UMAP (grid)",
    "grid_tsne": "t-SNE (grid)",
    "umap": "UMAP",
    "pca": "PCA",
    "dimensions": "Latent space",
    "line": "Latent space",
}
STRIP_HEIGHT = 0.25  # of the chart of a one-dimensional latent space, relative to its width

Files = Mapping[str, Callable[[], bytes]]


@dataclass(eq=False)
class PageChart:
    """A chart with the positions of all points, and its entry in the manifest."""

    key: str  # in names of files and columns: "0", "1" ...
    name: str
    title: str
    chart: Chart
    positions: Plane
    density: Density
    tiles: Quadtree | None = None

    def site(self, folder: str) -> dict[str, Any]:
        """Its entry in the manifest."""
        chart = self.chart
        tiles = None
        if self.tiles is not None:
            tiles = {"url": f"{folder}/tile-{self.key}-", "squares": self.tiles.entries((0, 0, 0))}
        return {
            "name": self.name,
            "title": self.title,
            "x": f"x:{self.key}",
            "y": f"y:{self.key}",
            "trustworthiness": plain(chart.trustworthiness)[0],
            "box": plain(chart.box),
            "lattice": {"url": f"{folder}/lattice-{self.key}.f16", "n": self.steps},
            "coverage": f"{folder}/coverage-{self.key}.u8",
            "projection": self._projection(),
            "reach": plain(chart.neighbor_radius)[0],
            "averaged": chart.averaged,
            "tiles": tiles,
        }

    def files(self) -> Files:
        """The latents of the grid, and how well the data covers it."""
        return {
            f"lattice-{self.key}.f16": lambda: half(self.grid[1]),
            f"coverage-{self.key}.u8": partial(coverage, self),
        }

    @property
    def steps(self) -> int:
        """Steps of the grid along each side: fewer for few points or long latents."""
        steps = np.clip(1.3 * len(self.positions) ** 0.5, USUAL_STEPS, MAX_STEPS)
        limit = max((MAX_GRID_NUMBERS / self.chart.latents.shape[1]) ** 0.5, MIN_STEPS)
        return int(min(steps, limit))

    @cached_property
    def grid(self) -> tuple[Plane, Latents]:
        """Positions over the box and their latents."""
        return self.chart.grid(self.steps)

    def _projection(self) -> dict[str, Any] | None:
        chart = self.chart
        if chart.components is None:
            return None
        arrays = {"components": chart.components, "mean": chart.center, "origin": chart.origin}
        return {name: plain(values) for name, values in arrays.items()}


def coverage(charted: PageChart) -> bytes:
    """The coverage of each grid position by data, on the chart and in the latent space, as bytes."""
    positions, latents = charted.grid
    on_chart = _falling(charted.chart.outside_share(positions), 1, 1.5)
    in_space = _falling(charted.density.relative_distance(latents), 2, 4)
    return np.rint(255 * np.minimum(on_chart, in_space)).astype(np.uint8).tobytes()


def page_chart(
    workspace: Workspace,
    subset: PageSubset,
    density: Density,
    key: str,
    layout: str,
    by: str | None = None,
    *,
    saved: bool = True,
    subprocess: bool = False,
) -> PageChart:
    """A chart of these points, saved in the run. A layout of very many places the others among the first.

    Samples are laid out by what their images look like; but a chart that is not saved decodes nothing.
    """
    by_images = saved and workspace.source.kind == "sample" and layout not in ("dimensions", "line")
    fitted = subset.first(workspace.decoded_count(subset.latents) if by_images else MAX_CHARTED)
    if by is not None and not subset.has_images:
        raise NotSupported("The points are samples without images, so no label can supervise their layout.")
    parts = (layout, by, workspace.digest, workspace.data[1], len(fitted), by_images)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
    path = workspace.folder("charts") / f"page-{layout}-{digest}.safetensors"
    if not (saved and path.exists() and (chart := Chart.load(path)).rows is not None):
        labels = _supervision(workspace, by, fitted.rows) if by else None
        lay_out = partial(_laid_out, layout=layout, labels=labels, subprocess=subprocess)
        if by_images:
            chart = chart_by_images(fitted.latents, workspace.decode, lay_out)
        else:
            chart = lay_out(fitted.latents)
        chart = replace(chart, rows=fitted.rows)
        if saved:
            chart.save(path)
    chart = replace(chart, decode=workspace.decode)
    rest = subset.latents[len(fitted) :]
    positions = np.concatenate([chart.positions, chart.transform(rest)]) if len(rest) else chart.positions
    name = f"{layout} by {by}" if by else layout
    title = TITLES.get(layout, layout) + (f" by {pretty(by)}" if by else "")
    title += ", by what the images look like" if by_images else ""
    return PageChart(key, name, title, chart, positions, density)


def current_chart(workspace: Workspace, subset: PageSubset, density: Density, key: str) -> PageChart | None:
    """The chart that `zatlas chart` made last, with all points of the page on it; None if there is none."""
    request = workspace.charts.current
    if request is None or workspace.dim == 1:
        return None
    try:
        chart = workspace.chart_of(request)
    except ZatlasError as error:  # such as an attribute that is gone
        LOG.warning(f"The page omits the chart {request}: {error}")
        return None
    name, title = str(request), replace(chart, layout=TITLES.get(chart.layout, chart.layout)).about
    if request == ChartRequest(request.layout, request.supervise):  # the name of the same chart of the page
        name = f"{request.layout} by {request.supervise}" if request.supervise else request.layout
    return PageChart(key, name, title, chart, chart.transform(subset.latents), density)


def add_tiles(
    workspace: Workspace, charted: PageChart, everything: PageSubset, categories: Mapping[str, np.ndarray]
) -> Plane:
    """Add tiles to a chart; returns the positions of all points, which are saved in the run."""
    first, total = len(charted.positions), len(everything)
    provenance = {
        **workspace.provenance("page"),
        "chart": chart_digest(charted.chart),
        "first": first,
        "total": total,
    }
    path = workspace.folder("charts") / f"page-{charted.chart.layout}-{provenance['chart']}.parquet"
    rest = LatentTable(everything.rows[first:], everything.latents[first:])
    added = chart_positions.read(write_positions(charted.chart, path, [rest], total - first, provenance))[1]
    positions = np.concatenate([charted.positions, added])
    charted.tiles = quadtree(positions, charted.chart.box, first, categories)
    return positions


def default_charts(workspace: Workspace, subset: PageSubset) -> list[tuple[str, str | None]]:
    """The layouts that a page starts with, and the column that supervises each."""
    if workspace.dim <= 2:
        return [("line" if workspace.dim == 1 else "dimensions", None)]
    if not subset.has_images:
        return [(DEFAULT_LAYOUT, None), ("pca", None)]
    by = _supervisor(workspace, subset)
    return [(DEFAULT_LAYOUT, None), ("pca", None)] + ([(DEFAULT_LAYOUT, by)] if by else [])


def _supervision(workspace: Workspace, by: str, rows: Rows) -> Labels:
    """The labels that supervise a layout: the classes, or the values of a column of the page."""
    attribute = column_names(workspace.dataset).get(by) if workspace.has_dataset else None
    if attribute is not None:
        by = text_of(ParsedName("attribute", attribute), known_names(workspace), anchor=False)
    return workspace.supervision(by, rows)


def _supervisor(workspace: Workspace, subset: PageSubset) -> str | None:
    """The label, or the first attribute that is neither rare nor common."""
    labels = workspace.labels(subset.rows)
    if labels is not None and len(np.unique(labels)) > 1:
        return "label"
    flags = binary_names(workspace.dataset)
    for name, attribute in column_names(workspace.dataset).items():
        column = workspace.dataset.attributes[attribute]
        if attribute in flags and MIN_SHARE <= column[subset.rows].mean() <= 1 - MIN_SHARE:
            return name
    return None


def _laid_out(latents: Latents, layout: str, labels: Labels | None, subprocess: bool) -> Chart:
    if layout == "dimensions":
        return charts.dimension_chart(latents)
    if layout != "line":
        make = make_in_subprocess if subprocess and LAYOUTS.is_installed(layout) else charts.make_chart
        return make(latents, layout, labels)
    # A line is too thin to point at, so a random height scatters its positions over a strip.
    x = latents[:, 0]
    y = stream(0, "strip").uniform(-0.5, 0.5, len(latents)) * STRIP_HEIGHT * max(np.ptp(x), 1e-3)
    positions = np.stack([x, y], axis=1).astype(np.float32)
    return Chart(latents, positions, "line", {}, np.array([[1], [0]], np.float32))


def _falling(values: Values, start: float, end: float) -> Values:
    """1 up to the start, 0 from the end on, linear in between."""
    return np.clip((end - values) / (end - start), 0, 1)
