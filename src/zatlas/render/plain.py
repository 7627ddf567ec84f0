"""The plain paper of plots: axes without ornament, in a theme's colours, and names that do not collide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zatlas.render import words as type_
from zatlas.render.pixels import drawing
from zatlas.render.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

TITLE, WORD, SMALL = 14, 11, 9.5  # points
Spot = tuple[float, float]


@dataclass(frozen=True)
class Name:
    """Words that belong to a spot of the data."""

    spot: Spot
    words: str
    colour: str


def paper(
    size: tuple[float, float], title: str, theme: Theme, down: int = 1, across: int = 1
) -> tuple["Figure", list["Axes"]]:
    """A figure of this size in inches with its axes, and a title that wraps."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.11, h_pad=0.11)  # inches
    figure = Figure(figsize=size, layout=engine, facecolor=theme.paper)
    plots = [figure.add_subplot(down, across, i + 1) for i in range(down * across)]
    for plot in plots:
        plain(plot, theme)
    if title:
        wrapped = type_.lines(title, TITLE, size[0] * 72 * 0.96)
        figure.suptitle(
            "\n".join(wrapped), fontsize=TITLE, x=0.012, ha="left", color=theme.ink, parse_math=False
        )
    return figure, plots


def plain(plot: "Axes", theme: Theme) -> None:
    """Only what helps reading."""
    plot.set_facecolor(theme.paper)
    for side, spine in plot.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.line)
    plot.tick_params(labelsize=SMALL, color=theme.line, labelcolor=theme.pale)
    plot.grid(color=theme.grid, linewidth=0.8, zorder=0)
    plot.set_axisbelow(True)


def name_axes(plot: "Axes", axes: tuple[str, str], theme: Theme) -> None:
    """What the axes are, in letters larger than their numbers."""
    plot.set_xlabel(axes[0], fontsize=WORD, color=theme.ink, parse_math=False)
    plot.set_ylabel(axes[1], fontsize=WORD, color=theme.ink, parse_math=False)


def name_spots(
    plot: "Axes", names: Sequence[Name], theme: Theme, *, wander: float = 1.8, keep: Sequence[Spot] = ()
) -> bool:
    """Write each name at its spot, or so near that none touch; False, and nothing, if it cannot be.

    `wander` is how far a name may stand from its spot, in heights of its letters; `keep` are
    spots that no name may cover.
    """
    places = _free_places(plot, names, wander, keep)
    if places is None:
        return False
    from matplotlib.patheffects import Stroke

    halo = [Stroke(linewidth=3.2, foreground=theme.paper)]
    for (x, y), name in zip(places, names, strict=True):
        at = plot.transData.inverted().transform((x, y)).tolist()
        away = np.hypot(*(plot.transData.transform(name.spot) - (x, y)))
        if away > 1.5 * _points(plot, WORD) and name.spot not in keep:
            xs, ys = zip(name.spot, at, strict=True)
            plot.plot(xs, ys, color=name.colour, linewidth=0.8, zorder=4)
        # The halo by itself, because with one words are no longer words in SVG.
        for effects, depth in ((halo, 6.9), (None, 7)):
            plot.text(
                at[0],
                at[1],
                name.words,
                ha="center",
                va="center",
                fontsize=WORD,
                zorder=depth,
                fontweight="bold",
                color=name.colour,
                parse_math=False,
                path_effects=effects,
            )
    return True


def lay_out(figure: "Figure") -> None:
    """Give everything its place in pixels."""
    with drawing():
        figure.draw_without_rendering()


def scale_of(theme: Theme) -> "Colormap":
    """The colours of a quantity, as far as they stand out from the paper."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis"](np.linspace(*theme.scale, 256)))


def spread(wanted: Sequence[float], least: float) -> list[float]:
    """Places on a line as near to the wanted ones as leaves this much between any two."""
    order = np.argsort(wanted)
    found = np.array(wanted, float)[order]
    for _ in range(200):
        gaps = np.diff(found)
        tight = gaps < least - 1e-9
        if not tight.any():
            break
        push = np.where(tight, (least - gaps) / 2, 0)
        found[:-1] -= push
        found[1:] += push
    result = np.empty_like(found)
    result[order] = found
    return result.tolist()


def _free_places(
    plot: "Axes", names: Sequence[Name], wander: float, keep: Sequence[Spot]
) -> list[Spot] | None:
    """Middles in pixels at which names stand free, each the first free one on a spiral."""
    high = _points(plot, WORD * 1.25)
    taken: list[tuple[float, float, float]] = []  # middle and half the width
    for spot in keep:
        x, y = plot.transData.transform(spot).tolist()
        taken.append((x, y, 0.4 * high))
    places: list[Spot] = []
    angles = np.arange(160) * 2.4
    reach = wander * high * np.sqrt(np.arange(160) / 160)
    for name in names:
        half = _points(plot, type_.width(name.words, WORD) * 1.12) / 2
        x, y = plot.transData.transform(name.spot).tolist()
        near = zip(x + 1.6 * reach * np.cos(angles), y + reach * np.sin(angles), strict=True)
        free = ((float(a), float(b)) for a, b in near if _is_free(a, b, half, high, taken))
        found = next(free, None)
        if found is None:
            return None
        places.append(found)
        taken.append((*found, half))
    return places


def _is_free(
    x: float, y: float, half: float, high: float, taken: Sequence[tuple[float, float, float]]
) -> bool:
    return all(abs(x - a) > half + h + high / 4 or abs(y - b) > high for a, b, h in taken)


def _points(plot: "Axes", points: float) -> float:
    return points * plot.figure.dpi / 72
