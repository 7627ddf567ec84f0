"""Scatter plots of latents, in two dimensions or on a chart."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.arrays import Flags, Labels, Rows, Values
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.data.image_dataset import Column
from zatlas.figures.sheets import plot_dimensions
from zatlas.latent.attributes import dataset_names, flags_of, title_of
from zatlas.latent.chart import Chart
from zatlas.latent.names import LABEL, parse, quoted
from zatlas.render.figure import Plot
from zatlas.render.plot import cloud
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import NO_ROW, Workspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = np.linspace(-1, 1, 5, dtype=np.float32)  # of a chart, in the coordinates of `zatlas decode`
MAX_TEXT_VALUES = 12  # values of a text attribute that colors points


def latent_scatter(
    workspace: Workspace,
    *,
    split: str = "test",
    per_class: int | None = None,
    samples: bool = False,
    color_by: str | None = None,
    dimensions: tuple[int, int] | None = None,
    seed: int = 0,
    theme: Theme = LIGHT,
    ax: "Axes | None" = None,
) -> Plot:
    """The latents of a split in two dimensions (C3, E3, C7): posterior means, or posterior `samples`.

    `per_class` limits the images of each class; `color_by` colors by an attribute instead of the label.
    """
    table = workspace.chart_table(split, samples=samples, seed=seed)
    selected = _limit_per_class(workspace.labels(table.rows), len(table), per_class)
    z, rows = table.latents[selected], table.rows[selected]
    colors = colors_of(workspace, rows, color_by)
    subject = "posterior samples" if samples else "latents"
    title = f"{len(rows):,} {_point_noun(workspace, split)} in {workspace.name}"
    title += f": {subject}" if workspace.source.kind == "image" else ""
    if workspace.dim == 1:
        level = stream(seed, "level").uniform(-1, 1, len(z))
        positions = np.stack([z[:, 0], level], axis=1).astype(np.float32)
        named = ("dimension 0", "random offset")
    else:
        dimensions = dimensions or plot_dimensions(workspace)
        positions = z[:, list(dimensions)]
        named = (f"dimension {dimensions[0]}", f"dimension {dimensions[1]}")
    return cloud(positions, *colors[:2], title=title, axes=named, values=colors[2], theme=theme, ax=ax)


def chart_scatter(
    workspace: Workspace,
    chart: Chart,
    *,
    color_by: str | None = None,
    theme: Theme = LIGHT,
    ax: "Axes | None" = None,
) -> Plot:
    """The latents on a chart (A3), colored by label or by an attribute; ticks as `zatlas decode` takes them.

    A supervised chart is colored by what supervises it.
    """
    supervise, split = (str(chart.parameters.get(name) or "") for name in ("supervise", "split"))
    color_by = color_by or supervise or None
    rows = np.full(len(chart.positions), NO_ROW) if chart.rows is None else chart.rows
    labels, classes, values = colors_of(workspace, rows, color_by)
    subject = f"{len(chart.positions):,} {_point_noun(workspace, split or 'test')}"
    title = f"A chart of {subject} in {workspace.name}: {chart.about}"
    alike = "are neighbors in latent space" if chart.features is None else "look alike"
    named = (f"trustworthiness {chart.trustworthiness:.3f}  (1: neighbors here {alike})", "")
    plot = cloud(chart.positions, labels, classes, title=title, axes=named, values=values, theme=theme, ax=ax)
    at = chart.denormalised(np.repeat(TICKS[:, None], 2, axis=1)).T.tolist()
    axes = ax or plot.figure.axes[0]
    axes.set_xticks(at[0], [f"{tick:g}" for tick in TICKS])
    axes.set_yticks(at[1], [f"{tick:g}" for tick in TICKS])
    return plot


def colors_of(
    workspace: Workspace, rows: Rows, by: str | None
) -> tuple[Labels | None, tuple[str, ...], Values | None]:
    """The colors of points: (labels, class names, None), or (None, (), values of an attribute)."""
    if len(rows) and rows[0] == NO_ROW:
        if by is not None:
            raise NotSupported(f"These latents do not belong to images, so they have no {by!r}.")
        return None, (), None
    images = workspace.dataset
    if by is None and images.labels is None:
        few = (key for key, column in images.attributes.items() if _has_few_values(column))
        by = next((f"attribute:{quoted(key)}" for key in few), None)
    if by is None or by == LABEL:
        labels = workspace.labels(rows)
        return (labels, images.classes, None) if labels is not None else (None, (), None)
    names = dataset_names(images)
    names = replace(names, attributes=[*images.attributes])  # each value of a text has a color
    name = parse(by, names, anchor=False)
    title = title_of(name)
    if name.kind == "attribute" and name.value is None and not name.negated:
        column = images.attributes[name.text][rows]
        if column.dtype.kind == "f":
            return None, (), column
        if column.dtype.kind == "U":
            texts, labels = np.unique(column, return_inverse=True)
            return labels.astype(np.int64), tuple(texts), None
        return column.astype(np.int64), (f"not {title}", title), None
    return flags_of(images, rows, name).astype(np.int64), (f"not {title}", title), None


def _has_few_values(column: Column) -> bool:
    return column.dtype.kind == "U" and 1 < len(np.unique(column)) <= MAX_TEXT_VALUES


def _limit_per_class(labels: Labels | None, n: int, each: int | None) -> Flags | slice:
    if each is None:
        return slice(None)
    groups = np.zeros(n, np.int64) if labels is None else labels
    selected = np.zeros(n, bool)
    for kind in np.unique(groups):
        selected[np.flatnonzero(groups == kind)[:each]] = True
    return selected


def _point_noun(workspace: Workspace, split: str) -> str:
    if (kind := workspace.source.kind) != "image":
        return f"{kind}s"
    return {"train": "training", "valid": "held-out"}.get(split, split) + " images"
