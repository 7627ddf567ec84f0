"""Sheets: images in rows and columns, with a title and a word beside each row."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zatlas.core.arrays import Images
from zatlas.render.pixels import enlarge, to_bytes

PAPER, INK, PALE = (255, 255, 255), (34, 34, 34), (110, 110, 110)
LEAST = 56  # pixels; smaller images are enlarged by a whole factor
GAP = 4
MARGIN = 24


def sheet(
    images: Images,
    columns: int,
    *,
    title: str = "",
    rows: Sequence[str] = (),
    axes: tuple[str, str] | None = None,
) -> Image.Image:
    """A grid of images, filled row by row; `axes` are words under it and, upwards, beside it."""
    tiles = enlarge(to_bytes(images), LEAST)
    gap = 0 if axes else GAP  # a manifold is one picture
    grid = _lay(tiles, columns, gap)
    words = ImageFont.load_default(15)
    left = MARGIN + max((int(words.getlength(row)) + 12 for row in rows), default=0)
    left += 26 if axes else 0
    above, below = MARGIN + (34 if title else 0), MARGIN + (30 if axes else 0)
    high, wide = grid.shape[:2]
    paper = Image.new("RGB", (left + wide + MARGIN, above + high + below), PAPER)
    paper.paste(Image.fromarray(grid), (left, above))
    pen = ImageDraw.Draw(paper)
    if title:
        pen.text((left, MARGIN - 6), title, fill=INK, font=ImageFont.load_default(20))
    step = tiles.shape[1] + gap
    for index, row in enumerate(rows):
        middle = above + index * step + tiles.shape[1] // 2
        pen.text((left - 12, middle), row, fill=PALE, font=words, anchor="rm")
    if axes:
        _name_axes(paper, axes, (left, above, left + wide, above + high))
    return paper


def _lay(tiles: np.ndarray, columns: int, gap: int) -> np.ndarray:
    count, high, wide, _ = tiles.shape
    lines = -(-count // columns)
    grid = np.full((lines * (high + gap) - gap, columns * (wide + gap) - gap, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = (index // columns) * (high + gap), (index % columns) * (wide + gap)
        grid[y : y + high, x : x + wide] = tile
    return grid


def _name_axes(paper: Image.Image, axes: tuple[str, str], box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    words = ImageFont.load_default(15)
    pen = ImageDraw.Draw(paper)
    pen.rectangle((left - 1, top - 1, right, bottom), outline=(200, 200, 200))
    pen.text(((left + right) // 2, bottom + 10), axes[0], fill=PALE, font=words, anchor="mt")
    side = Image.new("RGB", (int(words.getlength(axes[1])) + 4, 22), PAPER)
    ImageDraw.Draw(side).text((2, 2), axes[1], fill=PALE, font=words)
    side = side.rotate(90, expand=True)
    paper.paste(side, (left - 30, (top + bottom - side.height) // 2))
