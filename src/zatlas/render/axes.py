"""Axes of a manifold: the values of its columns and rows, and where nought lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from zatlas.core.errors import ShapeError
from zatlas.render import words as type_
from zatlas.render.canvas import Bar, Item, Tiles, Words
from zatlas.render.theme import Theme
from zatlas.render.tiles import framed


@dataclass(frozen=True)
class Axis:
    """What an axis is called, and the value of each column (left to right) or row (bottom to top)."""

    name: str
    marks: Sequence[float] | np.ndarray


def around(
    grid: Tiles, axes: tuple[Axis, Axis], size: int, theme: Theme, *, named: tuple[bool, bool] = (True, True)
) -> list[Item]:
    """Ticks with their values under and beside the tiles, the origin, and the axes' names."""
    right, up = axes
    if len(right.marks) != grid.columns or len(up.marks) != grid.lines:
        raise ShapeError(
            f"The axes have {len(right.marks)} and {len(up.marks)} marks; this picture has "
            f"{grid.columns} columns and {grid.lines} rows."
        )
    return [
        *framed(grid, theme.line, _thick(size)),
        *_across(grid, right, size, theme, named[0]),
        *_upwards(grid, up, size, theme, named[1]),
        *_origin(grid, axes, size, theme),
    ]


def zero_between(marks: Sequence[float] | np.ndarray) -> float | None:
    """Where nought lies, counted in marks from the first; None where it is not among them."""
    values = np.asarray(marks, float)
    if len(values) < 2 or not (values.min() <= 0 <= values.max()):
        return None
    order = np.argsort(values)
    return float(np.interp(0, values[order], np.arange(len(values))[order]))


def shown(marks: Sequence[float] | np.ndarray, step: float, room: Sequence[float]) -> list[int]:
    """The marks that are labelled: every second, third ... so that none touch; nought if it is one."""
    count = len(marks)
    nought = next((i for i, mark in enumerate(marks) if abs(mark) < 1e-9), None)
    for every in range(1, count + 1):
        first = (count - 1) % every // 2 if nought is None else nought % every
        chosen = list(range(first, count, every))
        pairs = pairwise(chosen)
        if all((b - a) * step >= (room[a] + room[b]) / 2 for a, b in pairs):
            return chosen
    return [0]


def _across(grid: Tiles, axis: Axis, size: int, theme: Theme, named: bool) -> list[Item]:
    small = max(round(0.85 * size), 9)
    left, _, right, bottom = grid.box()
    said = type_.numbers(np.asarray(axis.marks, float).tolist())
    room = [type_.width(word, small) + 0.7 * small for word in said]
    tick, thick = round(0.4 * small), _thick(size)
    found: list[Item] = []
    for i in shown(axis.marks, grid.wide, room):
        x = left + (i + 0.5) * grid.wide
        found.append(Bar(x - thick / 2, bottom, x + thick / 2, bottom + tick, theme.line))
        y = bottom + tick + 0.25 * small + type_.CAPITAL * small
        found.append(Words(x, y, said[i], small, theme.pale, "m"))
    if not named:
        return found
    y = bottom + tick + 1.5 * small + 1.1 * size
    name = type_.shortened(axis.name, size, max(right - left, 12 * size))
    return [*found, Words((left + right) / 2, y, name, size, theme.pale, "m")]


def _upwards(grid: Tiles, axis: Axis, size: int, theme: Theme, named: bool) -> list[Item]:
    small = max(round(0.85 * size), 9)
    left, top, _, bottom = grid.box()
    said = type_.numbers(np.asarray(axis.marks, float).tolist())
    tick, thick = round(0.4 * small), _thick(size)
    chosen = shown(axis.marks, grid.high, [1.25 * small] * len(said))
    found: list[Item] = []
    for i in chosen:
        y = bottom - (i + 0.5) * grid.high
        found.append(Bar(left - tick, y - thick / 2, left, y + thick / 2, theme.line))
        place = (left - tick - 0.3 * small, y + type_.CAPITAL * small / 2)
        found.append(Words(*place, said[i], small, theme.pale, "r"))
    if not named:
        return found
    widest = max(type_.width(said[i], small) for i in chosen)
    x = left - tick - 0.3 * small - widest - 0.6 * size
    name = type_.shortened(axis.name, size, max(bottom - top, 12 * size))
    return [*found, Words(x, (top + bottom) / 2, name, size, theme.pale, "m", turned=True)]


def _origin(grid: Tiles, axes: tuple[Axis, Axis], size: int, theme: Theme) -> list[Item]:
    """Thin lines through nought; only short ones outside where they would cross images."""
    left, top, right, bottom = grid.box()
    thick, out = _thick(size), round(0.5 * size)
    found: list[Item] = []
    column, row = (zero_between(axis.marks) for axis in axes)
    if column is not None:
        x = left + (column + 0.5) * grid.wide
        found += _line(x, (top, bottom), out, column % 1 > 1e-6, thick, theme)
    if row is not None:
        y = bottom - (row + 0.5) * grid.high
        upright = _line(y, (left, right), out, row % 1 > 1e-6, thick, theme)
        found += [Bar(b.top, b.left, b.bottom, b.right, b.colour, b.opacity) for b in upright]
    return found


def _line(
    x: float, span: tuple[float, float], out: int, through: bool, thick: int, theme: Theme
) -> list[Bar]:
    """An upright line at x: whole where it runs between images, else only its ends."""
    start, end = span
    near, far = round(x - thick / 2), round(x - thick / 2) + thick
    ends = [(start - out, start), (end, end + out)]
    found = [Bar(near, a, far, b, theme.ink) for a, b in ends]
    if through:
        halo = Bar(near - thick, start, far + thick, end, theme.paper, 0.5)
        found = [halo, Bar(near, start, far, end, theme.ink, 0.85), *found]
    return found


def _thick(size: int) -> int:
    return max(round(size / 16), 1)


def ticks(inset: Tiles, box: tuple[float, float, float, float], size: int, theme: Theme) -> list[Item]:
    """Round numbers under and beside a picture of a plane with these bounds."""
    left, bottom, right, top = box
    small = max(round(0.8 * size), 9)
    x0, y0, x1, y1 = inset.box()
    step = _round_step(right - left, (x1 - x0) / (4.5 * small))
    found: list[Item] = []
    across = np.arange(np.ceil(left / step), np.floor(right / step) + 1) * step
    for value, said in zip(across, type_.numbers(across.tolist()), strict=True):
        x = x0 + (value - left) / (right - left) * (x1 - x0)
        found.append(Bar(x, y1, x + 1, y1 + 0.3 * small, theme.line))
        found.append(Words(x, y1 + 0.6 * small + type_.CAPITAL * small, said, small, theme.pale, "m"))
    upwards = np.arange(np.ceil(bottom / step), np.floor(top / step) + 1) * step
    for value, said in zip(upwards, type_.numbers(upwards.tolist()), strict=True):
        y = y0 + (top - value) / (top - bottom) * (y1 - y0)
        found.append(Bar(x0 - 0.3 * small, y, x0, y + 1, theme.line))
        place = (x0 - 0.6 * small, y + type_.CAPITAL * small / 2)
        found.append(Words(*place, said, small, theme.pale, "r"))
    return found


def _round_step(span: float, most: float) -> float:
    """The smallest of ... 0.5, 1, 2, 5, 10 ... that makes at most so many steps."""
    least = span / max(most, 1)
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(power * nice for nice in (1, 2, 5, 10) if power * nice >= least * 0.999))
