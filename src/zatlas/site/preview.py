"""The preview of an exported page, which a messenger or a social network shows beside its link."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from zatlas.core.arrays import Latents, Values
from zatlas.models.decoding_time import affordable
from zatlas.render import text as type_
from zatlas.render.pixels import encoded, to_bytes
from zatlas.render.theme import LIGHT, rgb
from zatlas.site.tree import RunTree

WIDTH, HEIGHT = 1200, 630  # pixels, the size that the Open Graph protocol's readers expect
CELL = 42  # pixels of a decoded image
TITLE = 34  # pixels of the name of the run
MARGIN = 40  # pixels
MIN_IMAGES = 12  # of a slow decoder
MIN_COVERAGE = 0.12  # as on the page's map


@dataclass(frozen=True)
class Cells:
    """The cells of the map that have an image: latents, coverage, corners, and side in pixels."""

    latents: Latents
    coverage: Values
    corners: list[tuple[int, int]]
    side: int


def preview(tree: RunTree) -> bytes | None:
    """Return a PNG of the decoded map with the name of the run; None without a decoder or a map."""
    workspace = tree.workspace
    if not workspace.source.decodes:
        return None
    generator = workspace.generator.for_class(0 if workspace.generator.classes else None)
    cells = _cells(tree, CELL)
    if not len(cells.latents):
        return None
    count = affordable(len(cells.latents), MIN_IMAGES, generator, cells.latents)
    if count < len(cells.latents):
        cells = _cells(tree, CELL * math.ceil(math.sqrt(len(cells.latents) / count)))
    page = Image.new("RGB", (WIDTH, HEIGHT), rgb(LIGHT.paper))
    images = (image for batch in generator.decode_batches(cells.latents) for image in to_bytes(batch))
    for image, coverage, (x, y) in zip(images, cells.coverage, cells.corners, strict=True):
        tile = _tile(image, cells.side)
        opacity = Image.new("L", tile.size, round(255 * min(float(coverage) * 1.1, 1.0)))
        page.paste(tile, (x + (cells.side - tile.width) // 2, y + (cells.side - tile.height) // 2), opacity)
    name = type_.shortened(tree.entry["name"], TITLE, WIDTH - 2 * MARGIN)
    face = type_.font(type_.face(name), TITLE)
    ImageDraw.Draw(page).text((MARGIN, HEIGHT - MARGIN - TITLE), name, rgb(LIGHT.ink), face)
    return encoded(page, "png")


def _cells(tree: RunTree, side: int) -> Cells:
    """Return the cells of the first chart, from its saved inverse."""
    chart = tree.entry["charts"][0]
    n = chart["lattice"]["n"]
    latents = np.frombuffer(tree.files[chart["lattice"]["url"]](), "<f2").reshape(n * n, -1)
    coverage = np.frombuffer(tree.files[chart["coverage"]](), np.uint8).astype(np.float32) / 255
    left, bottom, right, top = chart["box"]
    wide, high = WIDTH - 2 * MARGIN, HEIGHT - 3 * MARGIN - TITLE
    lengths = right - left, top - bottom
    scale = min(wide / max(lengths[0], 1e-6), high / max(lengths[1], 1e-6))  # one image has no lengths
    columns, rows = (max(int(length * scale / side), 1) for length in lengths)
    x, y = (((np.arange(count) + 0.5) / count * n).astype(int) for count in (columns, rows))
    index = (y[:, None] * n + x).ravel()
    covered = np.flatnonzero(coverage[index] >= MIN_COVERAGE)
    start = ((WIDTH - columns * side) // 2, MARGIN + (high - rows * side) // 2)
    corners = [
        (start[0] + cell % columns * side, start[1] + cell // columns * side) for cell in covered.tolist()
    ]
    return Cells(latents[index[covered]].astype(np.float32), coverage[index[covered]], corners, side)


def _tile(image: np.ndarray, side: int) -> Image.Image:
    """An image whose longer side fits into a cell with a gap of two pixels."""
    tile = Image.fromarray(image)
    factor = (side - 2) / max(tile.size)
    size = (max(round(tile.width * factor), 1), max(round(tile.height * factor), 1))
    return tile.resize(size, Image.Resampling.NEAREST if factor > 2 else Image.Resampling.LANCZOS)
