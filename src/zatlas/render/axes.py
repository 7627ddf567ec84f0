"""Axes around a grid of images: ticks with the values of its columns and rows, and lines through zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from zatlas.core.errors import ShapeError
from zatlas.render import text as type_
from zatlas.render.canvas import Bar, Item, Text, Tiles
from zatlas.render.theme import Theme
from zatlas.render.tiles import framed


@dataclass(frozen=True)
class Axis:
    """The name of an axis, and the value of each column (left to right) or row (bottom to top)."""

    name: str
    marks: Sequence[float] | np.ndarray


def with_axes(
    grid: Tiles, axes: tuple[Axis, Axis], size: int, theme: Theme, *, named: tuple[bool, bool] = (True, True)
) -> list[Item]:
    """Draw ticks with values below and to the left of the tiles, lines through zero, and axis names."""
    right, up = axes
    if len(right.marks) != grid.columns or len(up.marks) != grid.lines:
        raise ShapeError(
            f"The axes have {len(right.marks)} and {len(up.marks)} marks; this figure has "
            f"{grid.columns} columns and {grid.lines} rows."
        )
    return [
        *framed(grid, theme.line, _thick(size)),
        *_across(grid, right, size, theme, named[0]),
        *_upwards(grid, up, size, theme, named[1]),
        *_origin(grid, axes, size, theme),
    ]


def zero_between(marks: Sequence[float] | np.ndarray) -> float | None:
    """Return the position of zero, in marks from the first one; None outside their range."""
    values = np.asarray(marks, float)
    if len(values) < 2 or not (values.min() <= 0 <= values.max()):
        return None
    order = np.argsort(values)
    return float(np.interp(0, values[order], np.arange(len(values))[order]))


def labelled(marks: Sequence[float] | np.ndarray, step: float, widths: Sequence[float]) -> list[int]:
    """Return the marks to label: each second, third ... so that no labels touch; zero if it is one."""
    count = len(marks)
    zero = next((i for i, mark in enumerate(marks) if abs(mark) < 1e-9), None)
    for every in range(1, count + 1):
        first = (count - 1) % every // 2 if zero is None else zero % every
        chosen = list(range(first, count, every))
        pairs = pairwise(chosen)
        if all((b - a) * step >= (widths[a] + widths[b]) / 2 for a, b in pairs):
            return chosen
    return [0]


def _across(grid: Tiles, axis: Axis, size: int, theme: Theme, named: bool) -> list[Item]:
    small = max(round(0.85 * size), 9)
    left, _, right, bottom = grid.box()
    labels = type_.numbers(np.asarray(axis.marks, float).tolist())
    widths = [type_.width(word, small) + 0.7 * small for word in labels]
    tick, thick = round(0.4 * small), _thick(size)
    items: list[Item] = []
    for i in labelled(axis.marks, grid.wide, widths):
        x = left + (i + 0.5) * grid.wide
        items.append(Bar(x - thick / 2, bottom, x + thick / 2, bottom + tick, theme.line))
        y = bottom + tick + 0.25 * small + type_.CAPITAL * small
        items.append(Text(x, y, labels[i], small, theme.pale, "m"))
    if not named:
        return items
    y = bottom + tick + 1.5 * small + 1.1 * size
    name = type_.shortened(axis.name, size, max(right - left, 12 * size))
    return [*items, Text((left + right) / 2, y, name, size, theme.pale, "m")]


def _upwards(grid: Tiles, axis: Axis, size: int, theme: Theme, named: bool) -> list[Item]:
    small = max(round(0.85 * size), 9)
    left, top, _, bottom = grid.box()
    labels = type_.numbers(np.asarray(axis.marks, float).tolist())
    tick, thick = round(0.4 * small), _thick(size)
    chosen = labelled(axis.marks, grid.high, [1.25 * small] * len(labels))
    items: list[Item] = []
    for i in chosen:
        y = bottom - (i + 0.5) * grid.high
        items.append(Bar(left - tick, y - thick / 2, left, y + thick / 2, theme.line))
        position = (left - tick - 0.3 * small, y + type_.CAPITAL * small / 2)
        items.append(Text(*position, labels[i], small, theme.pale, "r"))
    if not named:
        return items
    widest = max(type_.width(labels[i], small) for i in chosen)
    x = left - tick - 0.3 * small - widest - 0.6 * size
    name = type_.shortened(axis.name, size, max(bottom - top, 12 * size))
    return [*items, Text(x, (top + bottom) / 2, name, size, theme.pale, "m", turned=True)]


def _origin(grid: Tiles, axes: tuple[Axis, Axis], size: int, theme: Theme) -> list[Item]:
    """Draw thin lines through zero: only their ends outside the grid where they would cross images."""
    left, top, right, bottom = grid.box()
    thick, out = _thick(size), round(0.5 * size)
    items: list[Item] = []
    column, row = (zero_between(axis.marks) for axis in axes)
    if column is not None:
        x = left + (column + 0.5) * grid.wide
        items += _line(x, (top, bottom), out, column % 1 > 1e-6, thick, theme)
    if row is not None:
        y = bottom - (row + 0.5) * grid.high
        upright = _line(y, (left, right), out, row % 1 > 1e-6, thick, theme)
        items += [Bar(b.top, b.left, b.bottom, b.right, b.colour, b.opacity) for b in upright]
    return items


def _line(
    x: float, span: tuple[float, float], out: int, through: bool, thick: int, theme: Theme
) -> list[Bar]:
    """Draw a vertical line at x: complete if it runs between images (`through`), else only its ends."""
    start, end = span
    near, far = round(x - thick / 2), round(x - thick / 2) + thick
    ends = [(start - out, start), (end, end + out)]
    items = [Bar(near, a, far, b, theme.ink) for a, b in ends]
    if through:
        halo = Bar(near - thick, start, far + thick, end, theme.paper, 0.5)
        items = [halo, Bar(near, start, far, end, theme.ink, 0.85), *items]
    return items


def _thick(size: int) -> int:
    return max(round(size / 16), 1)


def ticks(
    inset: Tiles,
    box: tuple[float, float, float, float],
    size: int,
    theme: Theme,
    axes: tuple[str, str] = ("", ""),
) -> list[Item]:
    """Draw ticks at round numbers, below and to the left of a plane with these bounds, and names of axes."""
    left, bottom, right, top = box
    small = max(round(0.8 * size), 9)
    x0, y0, x1, y1 = inset.box()
    step = _round_step(right - left, (x1 - x0) / (4.5 * small))
    items: list[Item] = []
    across = np.arange(np.ceil(left / step), np.floor(right / step) + 1) * step
    for value, label in zip(across, type_.numbers(across.tolist()), strict=True):
        x = x0 + (value - left) / (right - left) * (x1 - x0)
        items.append(Bar(x, y1, x + 1, y1 + 0.3 * small, theme.line))
        items.append(Text(x, y1 + 0.6 * small + type_.CAPITAL * small, label, small, theme.pale, "m"))
    upwards = np.arange(np.ceil(bottom / step), np.floor(top / step) + 1) * step
    for value, label in zip(upwards, type_.numbers(upwards.tolist()), strict=True):
        y = y0 + (top - value) / (top - bottom) * (y1 - y0)
        items.append(Bar(x0 - 0.3 * small, y, x0, y + 1, theme.line))
        position = (x0 - 0.6 * small, y + type_.CAPITAL * small / 2)
        items.append(Text(*position, label, small, theme.pale, "r"))
    horizontal, vertical = axes
    if horizontal:
        items.append(Text((x0 + x1) / 2, y1 + 3 * small, horizontal, small, theme.pale, "m"))
    if vertical:
        x = min(item.box()[0] for item in items) - 0.6 * small
        items.append(Text(x, (y0 + y1) / 2, vertical, small, theme.pale, "m", turned=True))
    return items


def _round_step(span: float, max_steps: float) -> float:
    """Return the smallest of ... 0.5, 1, 2, 5, 10 ... that divides the span into `max_steps` or fewer."""
    least = span / max(max_steps, 1)
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(power * nice for nice in (1, 2, 5, 10) if power * nice >= least * 0.999))
