"""Sheets: images in rows and columns, with names of rows and columns, or with axes."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render import text as type_
from zatlas.render.axes import Axis as Axis
from zatlas.render.axes import with_axes
from zatlas.render.canvas import Canvas, Item, Text, Tiles, bounds, page
from zatlas.render.pixels import Flags
from zatlas.render.theme import LIGHT, Theme
from zatlas.render.tiles import above, below, check, left_of, text_size, tiles

BLOCKS_ACROSS = 1.6  # aspect ratio of several grids together
BLOCK_LEAST = 28  # smallest tile, in pixels, in a figure of several grids


def sheet(
    images: Images,
    columns: int,
    *,
    title: str = "",
    note: str = "",
    rows: Sequence[str] = (),
    heads: Sequence[str] = (),
    names: Sequence[str] = (),
    axes: tuple[Axis, Axis] | None = None,
    dim: Flags | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """Draw a grid of images, row by row; with axes, without gaps and with y upwards.

    `rows` are words to the left of rows, `heads` words above columns, and `names` words below each tile.
    Tiles flagged in `dim` are faded.
    """
    columns = min(columns, max(len(images), 1)) if axes is None else columns
    grid = tiles(images, columns, gap=axes is None, dim=dim, theme=theme)
    size = text_size(_wide(grid))
    grid, captions = below(grid, names, size, theme)
    items: list[Item] = [grid, *captions, *left_of(grid, rows, size, theme), *above(grid, heads, size, theme)]
    if axes is not None:
        items += with_axes(grid, axes, size, theme)
    return page(items, size=size, title=title, note=note, theme=theme)


def blocks(
    groups: Mapping[str, Images],
    columns: int,
    *,
    title: str = "",
    note: str = "",
    axes: tuple[Axis, Axis] | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """Draw several named grids side by side, wrapped into a figure that is wider than high."""
    if not groups:
        raise ShapeError("There are no groups of images to draw. Pass at least one.")
    for images in groups.values():
        check(images, columns)
    columns = min(columns, max(map(len, groups.values())))
    shapes = [(columns * i.shape[3], -(-len(i) // columns) * i.shape[2]) for i in groups.values()]
    across = _wrap(len(groups), *np.max(shapes, axis=0))
    grids = [
        tiles(images, columns, gap=axes is None, least=BLOCK_LEAST, across=columns * across, theme=theme)
        for images in groups.values()
    ]
    size = text_size(across * max(_wide(grid) for grid in grids))
    parts = []
    for index, (name, grid) in enumerate(zip(groups, grids, strict=True)):
        # The axes have names once in each row and column of blocks.
        named = (index + across >= len(grids), index % across == 0)
        parts.append(_block(name, grid, axes, named, size, theme))
    return page(_arranged(parts, across, size), size=size, title=title, note=note, theme=theme)


def _wide(grid: Tiles) -> float:
    return grid.box()[2] - grid.box()[0]


def _wrap(count: int, wide: int, high: int) -> int:
    """Return the number of blocks side by side. Full rows and a good aspect ratio cost less."""

    def cost(across: int) -> float:
        lines = -(-count // across)
        shape = across * wide / (lines * high * 1.1)
        return abs(np.log(shape / BLOCKS_ACROSS)) + 0.35 * (across * lines - count) / across

    return min(range(1, count + 1), key=cost)


def _block(
    name: str, grid: Tiles, axes: tuple[Axis, Axis] | None, named: tuple[bool, bool], size: int, theme: Theme
) -> list[Item]:
    shorter = type_.shortened(name, size, max(_wide(grid), 8 * size))
    items: list[Item] = [grid, Text(0, -0.55 * size, shorter, size, theme.ink)]
    if axes is not None:
        items += with_axes(grid, axes, round(0.85 * size), theme, named=named)
    return items


def _arranged(parts: Sequence[Sequence[Item]], across: int, size: int) -> list[Item]:
    """Move blocks into columns and rows of equal distance."""
    boxes = np.array([bounds(part) for part in parts])
    # Labels at the left and the bottom of the figure need no space between blocks.
    inner = boxes[np.arange(len(parts)) % across > 0] if across > 1 else boxes
    upper = boxes[:-across] if len(parts) > across else boxes
    right = boxes[:, 2].max() - inner[:, 0].min() + 1.3 * size
    down = upper[:, 3].max() - boxes[:, 1].min() + 0.9 * size
    items: list[Item] = []
    for index, part in enumerate(parts):
        line, column = divmod(index, across)
        items += [item.moved(column * ceil(right), line * ceil(down)) for item in part]
    return items
