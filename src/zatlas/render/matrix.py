"""A matrix of shares as coloured cells with numbers: the effect of each row on each column."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.errors import ShapeError
from zatlas.render import text as type_
from zatlas.render.plot_style import SMALL, WORD, paper
from zatlas.render.theme import LIGHT, Theme, between, rgb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.36  # inches
NAME_WIDTH = 3.0  # inches for the name of a row
FAINT = 0.005  # smaller shares round to 0 percent
FULL = 0.9  # strongest colour


def matrix(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    note: str = "",
    own: Sequence[int | None] = (),
    theme: Theme = LIGHT,
) -> "Figure":
    """Draw shares from -1 to 1 as percents; `own` is the column of each row's own attribute, with a frame."""
    values = np.asarray(values, float)
    if values.shape != (len(rows), len(columns)) or not values.size:
        raise ShapeError(
            f"A matrix of {len(rows)} rows and {len(columns)} columns needs as many values, not "
            f"{values.shape}."
        )
    wide = max(NAME_WIDTH + CELL * len(columns) + 0.4, 6.0)
    figure, (plot,) = paper((wide, 2.4 + CELL * len(rows)), title, theme)
    largest = max(float(np.abs(np.nan_to_num(values)).max()), 1e-9)
    plot.imshow(_colours(values / largest, theme), aspect="equal", zorder=2, interpolation="nearest")
    _write(plot, values, largest, theme)
    _name(plot, rows, columns, theme)
    for row, column in enumerate(own):
        if column is not None:
            _frame(plot, row, column, theme)
    if note:
        lines = type_.lines(note, int(SMALL), wide * 72 * 0.9)
        figure.supxlabel("\n".join(lines), fontsize=SMALL, color=theme.pale, x=0.012, ha="left")
    return figure


def _colours(parts: np.ndarray, theme: Theme) -> np.ndarray:
    cells = [[rgb(_colour(part, theme)) for part in row] for row in parts]
    return np.array(cells, np.uint8)


def _colour(part: float, theme: Theme) -> str:
    if not np.isfinite(part):
        return theme.grid
    return between(theme.paper, theme.real if part > 0 else theme.generated, FULL * abs(part))


def _write(plot: "Axes", values: np.ndarray, largest: float, theme: Theme) -> None:
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value) or abs(value) < FAINT:
            continue
        dark = sum(rgb(_colour(value / largest, theme))) < 3 * 128
        light, deep = ("#ffffff", "#15171a")
        plot.text(
            column,
            row,
            type_.number(100 * value, 0),
            ha="center",
            va="center",
            zorder=4,
            fontsize=SMALL - 1.5,
            color=light if dark else deep,
        )


def _name(plot: "Axes", rows: Sequence[str], columns: Sequence[str], theme: Theme) -> None:
    across = [type_.shortened(name, WORD, 170) for name in columns]
    down = [type_.shortened(name, WORD, 230) for name in rows]
    plot.set_xticks(
        np.arange(len(columns)),
        across,
        rotation=55,
        ha="left",
        rotation_mode="anchor",
        fontsize=WORD - 1.5,
        color=theme.ink,
        parse_math=False,
    )
    plot.set_yticks(np.arange(len(rows)), down, fontsize=WORD - 1.5, color=theme.ink, parse_math=False)
    plot.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    plot.grid(visible=False)
    for spine in plot.spines.values():
        spine.set_visible(False)
    plot.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    plot.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    plot.grid(which="minor", color=theme.line, linewidth=0.6, zorder=3)
    plot.tick_params(which="minor", length=0)
    plot.set_axisbelow(False)
    plot.set_xlim(-0.52, len(columns) - 0.48)
    plot.set_ylim(len(rows) - 0.48, -0.52)


def _frame(plot: "Axes", row: int, column: int, theme: Theme) -> None:
    from matplotlib.patches import Rectangle

    plot.add_patch(
        Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=theme.ink, linewidth=1.6, zorder=5)
    )
