"""Strips: frames of a curve side by side, with how far from the data each is."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render import words as type_
from zatlas.render.canvas import Bar, Canvas, Item, Tiles, Words, page
from zatlas.render.theme import LIGHT, Theme, between
from zatlas.render.tiles import above, beside, check, text_size, tiles

USUAL, OUTSIDE = 1.0, 2.0  # distances to the data, in parts of what is usual for the data
LEAVES = "leaves the data"


def strip(
    images: Images,
    *,
    columns: int | None = None,
    rows: Sequence[str] = (),
    heads: Sequence[str] = (),
    title: str = "",
    note: str = "",
    far: np.ndarray | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """One or several rows of frames; `far` tells under each how far it is from the data.

    `heads` stand over the first row, or, one a frame, over every row. `far` is 1 where a frame is
    as near to the data as the data themselves usually are; beyond 2 it has left them.
    """
    columns = min(columns or len(images), max(len(images), 1))
    check(images, columns)
    if far is not None and len(far) != len(images):
        raise ShapeError(f"{len(images)} frames came with {len(far)} distances; give one a frame.")
    plain = tiles(images, columns, theme=theme)
    size = text_size(plain.box()[2])
    every = len(heads) > columns  # words of their own for each row
    band = 0 if far is None else _band_room(size)
    drop = band + (round(1.3 * size) if every else 0)
    grid = Tiles(0, 0, plain.pixels, columns, plain.factor, plain.gap, drop)
    items: list[Item] = [grid, *beside(grid, rows, size, theme)]
    for line in range(grid.lines if every else 1):
        first = line * columns
        items += above(grid, heads[first : first + columns], size, theme, first)
    if far is not None:
        for line in range(grid.lines):
            items += _band(grid, np.asarray(far, float), line, size, theme)
    return page(items, size=size, title=title, note=note, theme=theme)


def tint(distance: float, theme: Theme) -> str:
    """Calm where the data are, alarmed where they are not."""
    t = float(np.clip((distance - USUAL) / (OUTSIDE - USUAL), 0, 1))
    return between(theme.calm, theme.alarm, t)


def _band_room(size: int) -> int:
    return round(0.5 * size) + round(1.5 * size)


def _band(grid: Tiles, far: np.ndarray, line: int, size: int, theme: Theme) -> list[Item]:
    """Bars that grow downwards and warm up with the distance, and words under what is outside."""
    first = line * grid.columns
    mine = np.nan_to_num(far[first : first + grid.columns], nan=0, posinf=3 * OUTSIDE)
    tall = round(0.5 * size)
    found: list[Item] = []
    for index, distance in enumerate(mine):
        x, y = grid.at(first + index)
        top = y + grid.high + max(round(0.2 * size), 2)
        joined = index + 1 < len(mine)
        high = max(round(tall * min(distance / OUTSIDE, 1.5) / 1.5), 2)
        right = x + grid.wide + (grid.gap if joined else 0)
        found.append(Bar(x, top, right, top + high, tint(distance, theme)))
    small = max(round(0.8 * size), 9)
    _, y = grid.at(first)
    baseline = y + grid.high + round(0.2 * size) + tall + 1.05 * small
    taken = -np.inf
    for start, end in _runs(mine > OUTSIDE):
        middle = (grid.at(first + start)[0] + grid.at(first + end - 1)[0] + grid.wide) / 2
        half = type_.width(LEAVES, small) / 2
        middle = min(max(middle, half), max(grid.box()[2] - half, half))
        if middle - half > taken + small:
            found.append(Words(middle, baseline, LEAVES, small, theme.alarm, "m"))
            taken = middle + half
    return found


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Where flags are set without a break: first, and the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
