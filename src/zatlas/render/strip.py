"""Strips: the frames of a curve in a row, with their distances to the data."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render import text as type_
from zatlas.render.canvas import Bar, Canvas, Item, Text, Tiles, page
from zatlas.render.pixels import as_color, blank
from zatlas.render.theme import LIGHT, Theme, between
from zatlas.render.tiles import above, check, left_of, text_size, tiles

USUAL, OUTSIDE = 1.0, 2.0  # distances to the data; 1 is that of a typical data point
MAX_COLUMNS = "leaves the data"
ORIGINAL = "original"  # above real images
Ends = tuple[Images | None, Images | None]  # the real images of the two ends of a row


def strip(
    images: Images,
    *,
    columns: int | None = None,
    rows: Sequence[str] = (),
    heads: Sequence[str] = (),
    title: str = "",
    note: str = "",
    far: np.ndarray | None = None,
    ends: Sequence[Ends] = (),
    theme: Theme = LIGHT,
) -> Canvas:
    """Draw frames in one or several rows, with a bar for the distance `far` below each frame.

    `heads` are words above the first row, or above each row if there is one for each frame. A distance of
    1 is that of a typical data point; above 2 the frame is outside the data; NaN draws no bar. `ends` are
    real images to draw at the left and the right of each row.
    """
    columns = min(columns or len(images), max(len(images), 1))
    check(images, columns)
    if far is not None and len(far) != len(images):
        raise ShapeError(f"There are {len(images)} frames and {len(far)} distances. Pass one for each frame.")
    if any(image is not None for pair in ends for image in pair):
        images, far = _with_ends(images, far, columns, ends, theme)
        heads = (ORIGINAL, *heads, *[""] * (columns - len(heads)), ORIGINAL)
        columns += 2
    plain = tiles(images, columns, theme=theme)
    size = text_size(plain.box()[2])
    every = len(heads) > columns  # separate words for each row
    band = 0 if far is None else _band_height(size)
    drop = band + (round(1.3 * size) if every else 0)
    grid = Tiles(0, 0, plain.pixels, columns, plain.factor, plain.gap, drop)
    items: list[Item] = [grid, *left_of(grid, rows, size, theme)]
    for line in range(grid.lines if every else 1):
        first = line * columns
        items += above(grid, heads[first : first + columns], size, theme, first)
    if far is not None:
        for line in range(grid.lines):
            items += _band(grid, np.asarray(far, float), line, size, theme)
    return page(items, size=size, title=title, note=note, theme=theme)


def _with_ends(
    images: Images, far: np.ndarray | None, columns: int, ends: Sequence[Ends], theme: Theme
) -> tuple[Images, np.ndarray | None]:
    """Add the real images at the ends of each row, and NaN as their distances."""
    empty = blank(images, theme)
    rows = [as_color(images[i : i + columns]) for i in range(0, len(images), columns)]
    sides = [[empty if image is None else as_color(image) for image in pair] for pair in ends]
    parts = [part for row, (left, right) in zip(rows, sides, strict=True) for part in (left, row, right)]
    if far is None:
        return np.concatenate(parts), None
    distances = np.pad(np.asarray(far, float).reshape(-1, columns), ((0, 0), (1, 1)), constant_values=np.nan)
    return np.concatenate(parts), distances.ravel()


def tint(distance: float, theme: Theme) -> str:
    """Return the colour of a distance, from `theme.inside` to `theme.outside`."""
    t = float(np.clip((distance - USUAL) / (OUTSIDE - USUAL), 0, 1))
    return between(theme.inside, theme.outside, t)


def _band_height(size: int) -> int:
    return round(0.5 * size) + round(1.5 * size)


def _band(grid: Tiles, far: np.ndarray, line: int, size: int, theme: Theme) -> list[Item]:
    """Draw bars that grow with the distance, and words below the frames outside the data."""
    first = line * grid.columns
    mine = np.minimum(far[first : first + grid.columns], 3 * OUTSIDE)
    tall = round(0.5 * size)
    items: list[Item] = []
    for index, distance in enumerate(mine):
        if np.isnan(distance):
            continue
        x, y = grid.at(first + index)
        top = y + grid.high + max(round(0.2 * size), 2)
        joined = index + 1 < len(mine) and not np.isnan(mine[index + 1])
        high = max(round(tall * min(distance / OUTSIDE, 1.5) / 1.5), 2)
        right = x + grid.wide + (grid.gap if joined else 0)
        items.append(Bar(x, top, right, top + high, tint(distance, theme)))
    small = max(round(0.8 * size), 9)
    _, y = grid.at(first)
    baseline = y + grid.high + round(0.2 * size) + tall + 1.05 * small
    taken = -np.inf
    for start, end in _runs(mine > OUTSIDE):
        center = (grid.at(first + start)[0] + grid.at(first + end - 1)[0] + grid.wide) / 2
        half = type_.width(MAX_COLUMNS, small) / 2
        center = min(max(center, half), max(grid.box()[2] - half, half))
        if center - half > taken + small:
            items.append(Text(center, baseline, MAX_COLUMNS, small, theme.outside, "m"))
            taken = center + half
    return items


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return the runs of set flags, as (first, last + 1)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
