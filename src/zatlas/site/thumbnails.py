"""Thumbnails of a page's points: tiles on pages that a graphics card takes, in order."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from zatlas.core.arrays import Images, Rows
from zatlas.data.image_dataset import ImageDataset

MAX_SHEET_BYTES = 64  # of a tile's sides
SHEET_SIDE = 2048  # of a page's sides
TRIED_SIDES = 64  # tiles by which the kind of file is chosen
QUALITY = 90  # of WebP, at which no difference is seen


@dataclass(frozen=True)
class ThumbnailSheets:
    """How tiles are laid on pages, and in what kind of file."""

    images: ImageDataset
    rows: Rows
    width: int
    height: int
    across: int
    down: int
    kind: str  # "png" or "webp"

    def site(self, folder: str) -> dict[str, Any]:
        """What the manifest says of them."""
        return {
            "width": self.width,
            "height": self.height,
            "across": self.across,
            "down": self.down,
            "pages": [f"{folder}/{name}" for name in self.files()],
        }

    def files(self) -> dict[str, Callable[[], bytes]]:
        """The pages."""
        held = self.across * self.down
        return {
            f"sprites-{page}.{self.kind}": partial(self._page, page)
            for page in range(-(-len(self.rows) // held))
        }

    def _page(self, number: int) -> bytes:
        held = self.across * self.down
        rows = self.rows[number * held : (number + 1) * held]
        tiles = shrink(self.images.images(rows), self.width, self.height)
        sheet = np.zeros((held, *tiles.shape[1:]), np.uint8)
        sheet[: len(tiles)] = tiles
        return encoded(arranged(sheet, self.across), self.kind)


def thumbnail_sheets(images: ImageDataset, rows: Rows) -> ThumbnailSheets | None:
    """Pages for these images; None for those that are neither grey nor of three colours."""
    channels, height, width = images.shape
    if channels not in (1, 3):
        return None
    over = max(height, width, MAX_SHEET_BYTES) / MAX_SHEET_BYTES
    wide, high = max(round(width / over), 1), max(round(height / over), 1)
    square = int(np.ceil((len(rows) * high / wide) ** 0.5))
    across = min(SHEET_SIDE // wide, max(square, 1))
    down = min(SHEET_SIDE // high, max(-(-len(rows) // across), 1))
    some = arranged(shrink(images.images(rows[:TRIED_SIDES]), wide, high), 1)
    kinds = ("png",) if channels == 1 else ("png", "webp")
    kind = min(kinds, key=lambda kind: len(encoded(some, kind)))
    return ThumbnailSheets(images, rows, wide, high, across, down, kind)


def shrink(images: Images, width: int, height: int) -> np.ndarray:
    """Images as bytes (n, height, width, channels) of that size."""
    tiles = np.rint(images * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    if tiles.shape[1:3] == (height, width):
        return tiles
    pictures = [_picture(tile).resize((width, height), Image.Resampling.LANCZOS) for tile in tiles]
    return np.stack([np.asarray(one).reshape(height, width, -1) for one in pictures])


def arranged(tiles: np.ndarray, across: int) -> np.ndarray:
    """Tiles as one picture, row by row from the top left."""
    count, high, wide, channels = tiles.shape
    table = tiles.reshape(count // across, across, high, wide, channels).swapaxes(1, 2)
    return table.reshape(count // across * high, across * wide, channels)


def encoded(picture: np.ndarray, kind: str) -> bytes:
    """A picture as the bytes of a file."""
    sink = io.BytesIO()
    options = {"quality": QUALITY, "method": 4} if kind == "webp" else {"compress_level": 9}
    _picture(picture).save(sink, kind, **options)
    return sink.getvalue()


def _picture(tile: np.ndarray) -> Image.Image:
    return Image.fromarray(tile[..., 0] if tile.shape[-1] == 1 else tile)
