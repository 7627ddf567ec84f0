"""The style of plots: plain axes in the colours of a theme, and labels that do not overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.render import text as type_
from zatlas.render.pixels import drawing
from zatlas.render.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

TITLE, WORD, SMALL = 14, 11, 9.5  # points
Position = tuple[float, float]


@dataclass(frozen=True)
class Label:
    """Words at a position in the data."""

    position: Position
    text: str
    colour: str


def paper(
    size: tuple[float, float],
    title: str,
    theme: Theme,
    down: int = 1,
    across: int = 1,
    ax: "Axes | None" = None,
) -> tuple["Figure", list["Axes"]]:
    """Return a figure of this size in inches with its axes and a title that wraps, or `ax` and its figure."""
    if ax is not None:
        style_plot(ax, theme)
        ax.set_title(title, fontsize=WORD, loc="left", color=theme.ink, parse_math=False, wrap=True)
        figure = ax.get_figure(root=True)
        assert figure is not None
        return figure, [ax]
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.11, h_pad=0.11)  # inches
    figure = Figure(figsize=size, layout=engine, facecolor=theme.paper)
    plots = [figure.add_subplot(down, across, i + 1) for i in range(down * across)]
    for plot in plots:
        style_plot(plot, theme)
    if title:
        wrapped = type_.lines(title, TITLE, size[0] * 72 * 0.96)
        figure.suptitle(
            "\n".join(wrapped), fontsize=TITLE, x=0.012, ha="left", color=theme.ink, parse_math=False
        )
    return figure, plots


def style_plot(plot: "Axes", theme: Theme) -> None:
    """Remove ornament from axes, and apply the theme."""
    plot.set_facecolor(theme.paper)
    for side, spine in plot.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.line)
    plot.tick_params(labelsize=SMALL, color=theme.line, labelcolor=theme.pale)
    plot.grid(color=theme.grid, linewidth=0.8, zorder=0)
    plot.set_axisbelow(True)


def name_axes(plot: "Axes", axes: tuple[str, str], theme: Theme) -> None:
    """Write the names of the axes, larger than their numbers."""
    plot.set_xlabel(axes[0], fontsize=WORD, color=theme.ink, parse_math=False)
    plot.set_ylabel(axes[1], fontsize=WORD, color=theme.ink, parse_math=False)


def write_labels(
    plot: "Axes",
    labels: Sequence[Label],
    theme: Theme,
    *,
    wander: float = 1.8,
    occupied: Sequence[Position] = (),
) -> bool:
    """Write each label at or near its position without overlap; return False, and write none, if that fails.

    `wander` is the largest distance of a label from its position, in heights of its text. No label covers
    the positions in `occupied`.
    """
    positions = _free_positions(plot, labels, wander, occupied)
    if positions is None:
        return False
    from matplotlib.patheffects import Stroke

    halo = [Stroke(linewidth=3.2, foreground=theme.paper)]
    for (x, y), label in zip(positions, labels, strict=True):
        at = plot.transData.inverted().transform((x, y)).tolist()
        away = np.hypot(*(plot.transData.transform(label.position) - (x, y)))
        if away > 1.5 * _points(plot, WORD) and label.position not in occupied:
            xs, ys = zip(label.position, at, strict=True)
            plot.plot(xs, ys, color=label.colour, linewidth=0.8, zorder=4)
        # The halo is a separate text, because with a halo SVG stores paths instead of text.
        for effects, depth in ((halo, 6.9), (None, 7)):
            plot.text(
                at[0],
                at[1],
                label.text,
                ha="center",
                va="center",
                fontsize=WORD,
                zorder=depth,
                fontweight="bold",
                color=label.colour,
                parse_math=False,
                path_effects=effects,
            )
    return True


def separate_labels(plot: "Axes", labels: Sequence[Label], occupied: Sequence[Position]) -> list[Label]:
    """Return the labels that, at their own positions, overlap no other label and no occupied position."""
    high = _points(plot, WORD * 1.25)
    halves = [0.4 * high] * len(occupied)
    halves += [_points(plot, type_.width(label.text, WORD) * 1.12) / 2 for label in labels]
    centers = [*occupied, *(label.position for label in labels)]
    boxes: list[tuple[float, float, float]] = []
    for center, half in zip(centers, halves, strict=True):
        x, y = plot.transData.transform(center).tolist()
        boxes.append((x, y, half))
    result = []
    for number, label in enumerate(labels, len(occupied)):
        x, y, half = boxes[number]
        if _is_free(x, y, half, high, boxes[:number] + boxes[number + 1 :]):
            result.append(label)
    return result


def arrange(figure: "Figure") -> None:
    """Compute the layout in pixels."""
    with drawing():
        figure.draw_without_rendering()


def scale_of(theme: Theme) -> "Colormap":
    """Return the colour map of a quantity, in the range that contrasts with the paper."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis"](np.linspace(*theme.scale, 256)))


def separate(targets: Sequence[float], least: float) -> list[float]:
    """Return positions on a line near the target ones, at least `least` apart."""
    order = np.argsort(targets)
    moved = np.array(targets, float)[order]
    for _ in range(200):
        gaps = np.diff(moved)
        tight = gaps < least - 1e-9
        if not tight.any():
            break
        push = np.where(tight, (least - gaps) / 2, 0)
        moved[:-1] -= push
        moved[1:] += push
    result = np.empty_like(moved)
    result[order] = moved
    return result.tolist()


def _free_positions(
    plot: "Axes", labels: Sequence[Label], wander: float, occupied: Sequence[Position]
) -> list[Position] | None:
    """Return the centers of labels in pixels: the first free ones on spirals; None if one has none."""
    high = _points(plot, WORD * 1.25)
    taken: list[tuple[float, float, float]] = []  # center and half the width
    for position in occupied:
        x, y = plot.transData.transform(position).tolist()
        taken.append((x, y, 0.4 * high))
    positions: list[Position] = []
    angles = np.arange(160) * 2.4
    reach = wander * high * np.sqrt(np.arange(160) / 160)
    for label in labels:
        half = _points(plot, type_.width(label.text, WORD) * 1.12) / 2
        x, y = plot.transData.transform(label.position).tolist()
        near = zip(x + 1.6 * reach * np.cos(angles), y + reach * np.sin(angles), strict=True)
        free = ((float(a), float(b)) for a, b in near if _is_free(a, b, half, high, taken))
        center = next(free, None)
        if center is None:
            return None
        positions.append(center)
        taken.append((*center, half))
    return positions


def _is_free(
    x: float, y: float, half: float, high: float, taken: Sequence[tuple[float, float, float]]
) -> bool:
    return all(abs(x - a) > half + h + high / 4 or abs(y - b) > high for a, b, h in taken)


def _points(plot: "Axes", points: float) -> float:
    return points * plot.figure.dpi / 72


def write_plainly(legend: "Legend") -> None:
    """Write class names as they are, also those with a dollar sign."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def legend_style(theme: Theme) -> dict[str, Any]:
    """Return the options of a legend in a box."""
    box = {"facecolor": theme.paper, "edgecolor": theme.line, "labelcolor": theme.ink}
    return {**box, "fontsize": WORD - 1, "handletextpad": 0.1}
