"""Plots: scatter plots, lines and bars, with labels at the data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.arrays import Labels, Plane
from zatlas.core.errors import ShapeError
from zatlas.core.seeds import stream
from zatlas.render import text as type_
from zatlas.render.figure import Plot
from zatlas.render.plot_style import (
    SMALL,
    WORD,
    Label,
    Position,
    arrange,
    legend_style,
    name_axes,
    paper,
    scale_of,
    separate,
    separate_labels,
    write_labels,
    write_plainly,
)
from zatlas.render.theme import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

NAMED = 12  # largest number of classes with distinct colours and labels; more get a colour bar
BINS = 160  # bins along each side, for contours


def cloud(
    points: Plane,
    labels: Labels | None,
    classes: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
    values: np.ndarray | None = None,
    density: bool = False,
    marks: Mapping[str, Sequence[float]] | None = None,
    theme: Theme = LIGHT,
    ax: "Axes | None" = None,
) -> Plot:
    """Draw points (n, 2) coloured by class with labels, or by `values` with a colour bar.

    `density` adds contours around 10, 50 and 90 percent of the points; `marks` are named positions.
    """
    figure, (plot,) = paper((7.6, _height(points)), title, theme, ax=ax)
    _scatter(figure, plot, points, labels, classes, values, theme)
    name_axes(plot, axes, theme)
    if density:
        _contours(plot, points, theme)
    named = {name: (float(x), float(y)) for name, (x, y) in (marks or {}).items()}
    _mark(plot, list(named.values()), theme)
    _name_classes(figure, plot, points, None if values is not None else labels, classes, theme, named)
    return Plot(figure)


def clouds(
    groups: Mapping[str, tuple[Plane, Labels | None]],
    classes: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
    notes: Mapping[str, str] | None = None,
    note: str = "",
    theme: Theme = LIGHT,
) -> Plot:
    """Draw several scatter plots side by side, each with a title and a note, and one legend for all.

    `notes` stand under the plots, and `note` under all.
    """
    if not groups:
        raise ShapeError("There are no points to draw. Pass at least one group.")
    across = min(len(groups), 3)
    down = -(-len(groups) // across)
    size = 4.6 * across + 1.2, 5.6 * down + 0.5
    figure, plots = paper(size, title, theme, down, across)
    if note:
        wide, letters = size[0] * 72 * 0.96, round(SMALL + 0.5)
        words = "\n".join("\n".join(type_.lines(line, letters, wide)) for line in note.splitlines())
        figure.supxlabel(words, x=0.012, ha="left", fontsize=SMALL, color=theme.pale, parse_math=False)
    for plot, (name, (points, labels)) in zip(plots, groups.items(), strict=False):
        _scatter(figure, plot, points, labels, classes, None, theme)
        plot.set_title(name, fontsize=WORD + 1, loc="left", color=theme.ink, parse_math=False)
        note = (notes or {}).get(name, "")
        name_axes(plot, (f"{axes[0]}\n{note}" if note else axes[0], axes[1]), theme)
    _name_all_classes(figure, plots[: len(groups)], [labels for _, labels in groups.values()], classes, theme)
    for plot in plots[len(groups) :]:
        plot.set_visible(False)
    return Plot(figure)


def lines(
    x: np.ndarray,
    series: Mapping[str, np.ndarray],
    *,
    title: str,
    axes: tuple[str, str],
    marks: Mapping[str, float] | None = None,
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    theme: Theme = LIGHT,
    ax: "Axes | None" = None,
) -> Plot:
    """Draw lines over one quantity, with labels at their ends, or at their peaks if the ends are close.

    `marks` are named vertical lines; `bands` are (low, high) around the line of that name.
    """
    if not series:
        raise ShapeError("There are no lines to draw. Pass at least one.")
    figure, (plot,) = paper((8.0, 4.8), title, theme, ax=ax)
    colours = {name: theme.palette[i % len(theme.palette)] for i, name in enumerate(series)}
    for name, (low, high) in (bands or {}).items():
        shade = colours.get(name, theme.inside)
        plot.fill_between(x, low, high, color=shade, alpha=0.18, linewidth=0)
    for name, values in series.items():
        plot.plot(x, values, color=colours[name], linewidth=1.8)
    name_axes(plot, axes, theme)
    plot.margins(x=0.01)
    for at in (marks or {}).values():
        plot.axvline(at, color=theme.pale, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    _name_lines(figure, plot, x, series, colours, theme)
    _name_marks(figure, plot, marks or {}, theme)
    return Plot(figure)


def bars(
    names: Sequence[str],
    values: np.ndarray,
    *,
    spans: np.ndarray | None = None,
    title: str,
    axis: str,
    theme: Theme = LIGHT,
) -> Plot:
    """Draw horizontal bars, the first on top; `spans` are half-widths (n,) or lows and highs (n, 2)."""
    values = np.asarray(values, float)
    if len(names) != len(values) or not len(values):
        raise ShapeError(
            f"There are {len(names)} names and {len(values)} values. Pass one value for each name."
        )
    figure, (plot,) = paper((7.6, 1.3 + 0.27 * len(names)), title, theme)
    at = np.arange(len(names))
    plot.barh(at, values, height=0.66, color=theme.real, zorder=2)
    if spans is not None:
        wide = np.asarray(spans, float)
        ends = wide if wide.ndim == 2 else np.stack([values - wide, values + wide], axis=1)
        plot.hlines(at, ends[:, 0], ends[:, 1], color=theme.ink, linewidth=1.4, zorder=3)
    labels = [type_.shortened(name, WORD, 240) for name in names]
    plot.set_yticks(at, labels, fontsize=WORD - 1, color=theme.ink, parse_math=False)
    plot.set_ylim(len(names) - 0.4, -0.6)
    plot.tick_params(axis="y", length=0)
    plot.grid(visible=False, axis="y")
    plot.spines["left"].set_visible(False)
    plot.axvline(0, color=theme.pale, linewidth=1, zorder=3)
    plot.set_xlabel(axis, fontsize=WORD, color=theme.ink, parse_math=False)
    return Plot(figure)


def _scatter(
    figure: "Figure",
    plot: "Axes",
    points: Plane,
    labels: Labels | None,
    classes: Sequence[str],
    values: np.ndarray | None,
    theme: Theme,
) -> None:
    size = float(np.clip(24000 / max(len(points), 1), 3, 26))
    shuffled = stream(0, "order").permutation(len(points))  # so that no class covers the others
    x, y = points[shuffled].T
    common: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": len(points) > 5000}
    plot.set_aspect("equal", adjustable="datalim")
    if values is not None:
        scatter = plot.scatter(x, y, c=values[shuffled], cmap=scale_of(theme), alpha=0.8, **common)
        _bar(figure, plot, scatter, theme)
    elif labels is None:
        plot.scatter(x, y, color=theme.palette[0], alpha=0.55, **common)
    elif len(classes) > NAMED:
        colours = scale_of(theme)(np.linspace(0, 1, len(classes)))
        plot.scatter(x, y, color=colours[labels[shuffled]], alpha=0.7, **common)
    else:
        colours = np.array(
            [theme.palette[i % len(theme.palette)] for i in range(max(len(classes), int(labels.max()) + 1))]
        )
        plot.scatter(x, y, color=colours[labels[shuffled]], alpha=0.6, **common)


def _bar(figure: "Figure", plot: "Axes | Sequence[Axes]", points: Any, theme: Theme) -> Any:
    bar = figure.colorbar(points, ax=plot, fraction=0.04, pad=0.02, aspect=32)
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, color=theme.line, labelcolor=theme.pale)
    return bar


def _name_classes(
    figure: "Figure",
    plot: "Axes",
    points: Plane,
    labels: Labels | None,
    classes: Sequence[str],
    theme: Theme,
    named: Mapping[str, Position] | None = None,
) -> None:
    """Label the marks, and draw a legend of the classes; many classes get a colour bar.

    A class also has its name at the median of its points, unless it would overlap another name there.
    """
    own = [Label(position, name, theme.ink) for name, position in (named or {}).items()]
    kinds: list[int] = []
    if labels is not None and len(classes) > NAMED:
        _class_bar(figure, plot, classes, theme)
    elif labels is not None:
        kinds = [kind for kind in range(len(classes)) if (labels == kind).any()]
    arrange(figure)
    labels_of_classes = [_label_of(kind, points[labels == kind], classes, theme) for kind in kinds]
    occupied = [label.position for label in own]
    write_labels(plot, own, theme, occupied=occupied)
    if labels_of_classes:
        _legend(plot, labels_of_classes, theme)
        arrange(figure)  # the legend makes the plot narrower
    free = separate_labels(plot, labels_of_classes, occupied)
    write_labels(plot, free, theme, wander=0, occupied=occupied)


def _name_all_classes(
    figure: "Figure",
    plots: Sequence["Axes"],
    labels: Sequence[Labels | None],
    classes: Sequence[str],
    theme: Theme,
) -> None:
    """Name the classes of several plots once, in a legend on the right; many classes get a colour bar."""
    present = [column for column in labels if column is not None]
    if not present:
        return
    if len(classes) > NAMED:
        _class_bar(figure, plots, classes, theme)
        return
    kinds = np.unique(np.concatenate(present)).tolist()
    named = [_class_label(kind, (0, 0), classes, theme) for kind in kinds]
    write_plainly(figure.legend(handles=_dots(named), loc="outside right upper", **legend_style(theme)))


def _label_of(kind: int, mine: Plane, classes: Sequence[str], theme: Theme) -> Label:
    x, y = np.median(mine, axis=0).tolist()
    return _class_label(kind, (x, y), classes, theme)


def _class_label(kind: int, position: Position, classes: Sequence[str], theme: Theme) -> Label:
    colour = theme.palette[kind % len(theme.palette)]
    return Label(position, type_.shortened(classes[kind], WORD, 200), colour)


def _legend(plot: "Axes", labels: Sequence[Label], theme: Theme) -> None:
    at: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    write_plainly(plot.legend(handles=_dots(labels), **at, **legend_style(theme)))


def _dots(labels: Sequence[Label]) -> list["Line2D"]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], marker="o", linestyle="", color=label.colour, label=label.text) for label in labels
    ]


def _class_bar(figure: "Figure", plot: "Axes | Sequence[Axes]", classes: Sequence[str], theme: Theme) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm

    norm = BoundaryNorm(np.arange(len(classes) + 1) - 0.5, 256)
    bar = _bar(figure, plot, ScalarMappable(norm, scale_of(theme)), theme)
    ticks = list(range(0, len(classes), -(-len(classes) // 40)))
    bar.set_ticks(ticks, labels=[type_.shortened(classes[i], 9, 140) for i in ticks])
    bar.ax.tick_params(which="both", length=0)


def _contours(plot: "Axes", points: Plane, theme: Theme) -> None:
    """Draw contours around 10, 50 and 90 percent of the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.15 * (high - low) + 1e-9
    span = np.stack([low - pad, high + pad], axis=1).tolist()
    count, x, y = np.histogram2d(points[:, 0], points[:, 1], bins=BINS, range=span)
    wide = BINS / 6 * len(points) ** (-1 / 6)  # Scott's rule, for data that covers about 6 std
    reach = np.arange(-int(3 * wide) - 1, int(3 * wide) + 2)
    bell = np.exp(-(reach**2) / (2 * wide**2))
    smooth = np.apply_along_axis(np.convolve, 0, count, bell, mode="same")
    smooth = np.apply_along_axis(np.convolve, 1, smooth, bell, mode="same")
    ordered = np.sort(smooth.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    levels = np.unique([ordered[np.searchsorted(share, part)] for part in (0.9, 0.5, 0.1)])
    centers = [(edges[1:] + edges[:-1]) / 2 for edges in (x, y)]
    plot.contour(*centers, smooth.T, levels=levels, colors=theme.ink, linewidths=0.9, alpha=0.65)


def _mark(plot: "Axes", positions: Sequence[Position], theme: Theme) -> None:
    """Draw rings around positions."""
    for x, y in positions:
        for colour, wide in ((theme.paper, 5), (theme.ink, 2)):
            plot.plot(
                [x],
                [y],
                marker="o",
                markersize=9,
                markerfacecolor="none",
                zorder=6,
                markeredgewidth=wide,
                markeredgecolor=colour,
            )


def _height(points: Plane) -> float:
    """Return the height of a scatter plot in inches, for the aspect ratio of the data."""
    wide, high = np.maximum(np.ptp(points, axis=0), 1e-9) if len(points) else (1, 1)
    return float(np.clip(6.6 * high / wide, 3.8, 8.5)) + 0.9


def _name_lines(
    figure: "Figure",
    plot: "Axes",
    x: np.ndarray,
    series: Mapping[str, np.ndarray],
    colours: Mapping[str, str],
    theme: Theme,
) -> None:
    arrange(figure)
    ends = [float(np.asarray(values)[np.isfinite(values)][-1]) for values in series.values()]
    heights = plot.transData.transform([(0, end) for end in ends])[:, 1]
    least = WORD * 1.25 * figure.dpi / 72
    moved = separate(heights.tolist(), least)
    if np.abs(np.array(moved) - heights).max() > 0.8 * least:
        peaks = [int(np.nanargmax(values)) for values in series.values()]
        tops = [
            (float(x[peak]), float(np.asarray(values)[peak]))
            for peak, values in zip(peaks, series.values(), strict=True)
        ]
        if not _are_separate(plot, tops, least):
            plot.legend(plot.lines[: len(series)], series, frameon=False, labelcolor="linecolor")
            return
        low, high = plot.get_ylim()
        plot.set_ylim(low, high + 0.14 * (high - low))
        arrange(figure)
        lifted = _lift(plot, tops)
        labels = [Label(top, n, colours[n]) for top, n in zip(lifted, series, strict=True)]
        if write_labels(plot, labels, theme):
            return
    for name, end, raised in zip(series, ends, np.subtract(moved, heights), strict=True):
        plot.annotate(
            name,
            (float(x[-1]), end),
            xytext=(8, raised * 72 / figure.dpi),
            va="center",
            textcoords="offset points",
            fontsize=WORD,
            color=colours[name],
            annotation_clip=False,
            parse_math=False,
        )


def _are_separate(plot: "Axes", positions: Sequence[tuple[float, float]], least: float) -> bool:
    """Whether all positions are at least `least` pixels apart."""
    pixels = plot.transData.transform(positions)
    away = np.hypot(*np.moveaxis(pixels[:, None] - pixels[None], 2, 0))
    return bool((away[~np.eye(len(away), dtype=bool)] >= least).all())


def _lift(plot: "Axes", positions: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    up = np.array([0, 0.9 * WORD * plot.figure.dpi / 72])
    moved = plot.transData.inverted().transform(plot.transData.transform(positions) + up)
    return [(float(a), float(b)) for a, b in moved]


def _name_marks(figure: "Figure", plot: "Axes", marks: Mapping[str, float], theme: Theme) -> None:
    for name, at in marks.items():
        plot.annotate(
            name,
            (at, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
            color=theme.pale,
            parse_math=False,
        )
