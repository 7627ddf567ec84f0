"""The sizes of tiles and text, and the words to the left of tiles and above them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render import text as type_
from zatlas.render.canvas import Bar, Item, Text, Tiles
from zatlas.render.pixels import Flags, fade, reduce, to_bytes, whole_factor
from zatlas.render.theme import Theme

ACROSS = 900  # width that a figure fills if its tiles may be large enough
MIN_TILE, MAX_TILE = 56, 160  # smallest and largest tile, in pixels; larger images are not enlarged
LARGEST = 8192  # largest side of a figure; larger ones are reduced


def tiles(
    images: Images,
    columns: int,
    *,
    gap: bool = True,
    least: int = MIN_TILE,
    across: int | None = None,
    dim: Flags | None = None,
    theme: Theme,
) -> Tiles:
    """Arrange images as tiles, row by row from the top left corner (0, 0).

    `across` is the number of tiles side by side in the figure, if it has more than these columns.
    """
    check(images, columns, dim)
    pixels = to_bytes(images)
    high, wide = pixels.shape[1:3]
    across = across or columns
    factor = whole_factor(max(high, wide), int(np.clip(ACROSS // across, least, MAX_TILE)))
    lines = -(-len(pixels) // columns)
    over = -(-max(across * wide, lines * high) * factor // LARGEST)
    if over > 1:
        smaller = max(factor // over, 1)
        pixels = reduce(pixels, -(-over * smaller // factor)) if smaller * over > factor else pixels
        factor = smaller
    if dim is not None:
        pixels = fade(pixels, np.asarray(dim, bool), theme.paper)
    space = max(4, round(max(pixels.shape[1:3]) * factor * 0.04)) if gap else 0
    return Tiles(0, 0, pixels, columns, factor, space)


def check(images: Images, columns: int, flags: Flags | None = None) -> None:
    """Raise `ShapeError` for images that cannot be arranged."""
    if len(images) == 0:
        raise ShapeError("There are no images to draw: this array has 0. Pass at least one.")
    if columns < 1:
        raise ShapeError(f"A figure needs at least 1 column, not {columns}.")
    if flags is not None and len(flags) != len(images):
        raise ShapeError(f"There are {len(images)} images and {len(flags)} flags. Pass one for each image.")


def text_size(width: float) -> int:
    """Return the text size for a figure of this width, since wide figures are shown smaller."""
    return int(np.clip(round(width / 72), 14, 40))


def left_of(grid: Tiles, rows: Sequence[str], size: int, theme: Theme) -> list[Item]:
    """Draw words to the left of each row."""
    size = min(size, max(round(0.8 * grid.high), 9))
    max_lines = max(int(grid.high / (1.25 * size)), 1)
    items: list[Item] = []
    for index, row in enumerate(rows[: grid.lines]):
        parts = type_.lines(row, size, 13 * size, max_lines)
        x, y = grid.at(index * grid.columns)
        first = y + grid.high / 2 + type_.CAPITAL * size / 2 - 0.625 * size * (len(parts) - 1)
        for line, part in enumerate(parts):
            position = (x - 0.6 * size, first + 1.25 * size * line)
            items.append(Text(*position, part, size, theme.pale, "r"))
    return items


def above(grid: Tiles, heads: Sequence[str], size: int, theme: Theme, first: int = 0) -> list[Item]:
    """Draw words above the columns of the row that starts with this tile.

    Words that would overlap are smaller or vertical.
    """
    words = [(i, type_.clean(head)) for i, head in enumerate(heads[: grid.columns]) if head]
    if not words:
        return []
    x, y = grid.at(first)
    step = grid.wide + grid.gap
    centers = [x + i * step + grid.wide / 2 for i, _ in words]
    smallest = max(round(0.55 * size), 9)
    for smaller in range(size, smallest - 1, -1):
        if _fit(centers, [type_.width(head, smaller) for _, head in words], 0.6 * smaller):
            up = y - 0.45 * smaller
            return [
                Text(center, up, head, smaller, theme.pale, "m")
                for center, (_, head) in zip(centers, words, strict=True)
            ]
    size = max(min(size, int(step / 1.2)), 6)
    return [
        Text(center + type_.CAPITAL * size / 2, y - 0.45 * size, head, size, theme.pale, "l", True)
        for center, (_, head) in zip(centers, words, strict=True)
    ]


def below(grid: Tiles, names: Sequence[str], size: int, theme: Theme) -> tuple[Tiles, list[Item]]:
    """Draw a word below each tile; returns the tiles with space for the words, and the words."""
    if not names:
        return grid, []
    wide = max(type_.width(name, 100) for name in names) / 100  # of the longest word, relative to its size
    small = int(np.clip(round(0.8 * size), 6, max(grid.wide / wide, 6)))
    grid = replace(grid, drop=round(1.7 * small))  # nearer to the tile above than to the one below
    items: list[Item] = []
    for index, name in enumerate(names[: len(grid.pixels)]):
        x, y = grid.at(index)
        items.append(Text(x + grid.wide / 2, y + grid.high + small, name, small, theme.pale, "m"))
    return grid, items


def _fit(centers: Sequence[float], widths: Sequence[float], space: float) -> bool:
    pairs = zip(centers, centers[1:], widths, widths[1:], strict=False)
    return all(b - a >= (wa + wb) / 2 + space for a, b, wa, wb in pairs)


def framed(grid: Tiles, colour: str, thick: int) -> list[Item]:
    """Draw a frame around all tiles."""
    left, top, right, bottom = grid.box()
    return [
        Bar(left - thick, top - thick, right + thick, top, colour),
        Bar(left - thick, bottom, right + thick, bottom + thick, colour),
        Bar(left - thick, top, left, bottom, colour),
        Bar(right, top, right + thick, bottom, colour),
    ]
