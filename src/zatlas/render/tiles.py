"""How large tiles and letters are, and the words beside and above tiles."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render import words as type_
from zatlas.render.canvas import Bar, Item, Tiles, Words
from zatlas.render.pixels import Flags, fade, reduce, to_bytes, whole_factor
from zatlas.render.theme import Theme

ACROSS = 900  # pixels that a picture fills if its tiles may be as large as that takes
LEAST, MOST = 56, 160  # of a tile; larger images keep their own size
LARGEST = 8192  # of a picture's sides; beyond it pixels are averaged


def tiles(
    images: Images,
    columns: int,
    *,
    gap: bool = True,
    least: int = LEAST,
    across: int | None = None,
    dim: Flags | None = None,
    theme: Theme,
) -> Tiles:
    """Images as tiles of a good size, filled row by row from the top left corner (0, 0).

    `across` is how many stand side by side in the whole picture, if more than these columns.
    """
    check(images, columns, dim)
    pixels = to_bytes(images)
    high, wide = pixels.shape[1:3]
    across = across or columns
    factor = whole_factor(max(high, wide), int(np.clip(ACROSS // across, least, MOST)))
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
    """Refuse what cannot be laid out."""
    if len(images) == 0:
        raise ShapeError("There are no images to lay out: this array holds 0. Give at least one.")
    if columns < 1:
        raise ShapeError(f"A picture needs at least 1 column; it was given {columns}.")
    if flags is not None and len(flags) != len(images):
        raise ShapeError(f"{len(images)} images came with {len(flags)} flags; give one an image.")


def text_size(width: float) -> int:
    """Letters for a picture of this width: it is shown smaller, the wider it is."""
    return int(np.clip(round(width / 72), 14, 40))


def beside(grid: Tiles, rows: Sequence[str], size: int, theme: Theme) -> list[Item]:
    """A word, or a few, to the left of each row."""
    size = min(size, max(round(0.8 * grid.high), 9))
    most = max(int(grid.high / (1.25 * size)), 1)
    found: list[Item] = []
    for index, row in enumerate(rows[: grid.lines]):
        parts = type_.lines(row, size, 13 * size, most)
        x, y = grid.at(index * grid.columns)
        first = y + grid.high / 2 + type_.CAPITAL * size / 2 - 0.625 * size * (len(parts) - 1)
        for line, part in enumerate(parts):
            place = (x - 0.6 * size, first + 1.25 * size * line)
            found.append(Words(*place, part, size, theme.pale, "r"))
    return found


def above(grid: Tiles, heads: Sequence[str], size: int, theme: Theme, first: int = 0) -> list[Item]:
    """Words over the columns of the row that begins with this tile.

    They are set smaller, or upwards, where they would run into each other.
    """
    said = [(i, type_.clean(head)) for i, head in enumerate(heads[: grid.columns]) if head]
    if not said:
        return []
    x, y = grid.at(first)
    step = grid.wide + grid.gap
    middles = [x + i * step + grid.wide / 2 for i, _ in said]
    smallest = max(round(0.55 * size), 9)
    for smaller in range(size, smallest - 1, -1):
        if _apart(middles, [type_.width(head, smaller) for _, head in said], 0.6 * smaller):
            up = y - 0.45 * smaller
            return [
                Words(middle, up, head, smaller, theme.pale, "m")
                for middle, (_, head) in zip(middles, said, strict=True)
            ]
    size = max(min(size, int(step / 1.2)), 6)
    return [
        Words(middle + type_.CAPITAL * size / 2, y - 0.45 * size, head, size, theme.pale, "l", True)
        for middle, (_, head) in zip(middles, said, strict=True)
    ]


def _apart(middles: Sequence[float], widths: Sequence[float], space: float) -> bool:
    pairs = zip(middles, middles[1:], widths, widths[1:], strict=False)
    return all(b - a >= (wa + wb) / 2 + space for a, b, wa, wb in pairs)


def framed(grid: Tiles, colour: str, thick: int) -> list[Item]:
    """A frame around the whole of some tiles."""
    left, top, right, bottom = grid.box()
    return [
        Bar(left - thick, top - thick, right + thick, top, colour),
        Bar(left - thick, bottom, right + thick, bottom + thick, colour),
        Bar(left - thick, top, left, bottom, colour),
        Bar(right, top, right + thick, bottom, colour),
    ]
