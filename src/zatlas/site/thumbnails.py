"""Sprite sheets: thumbnails of a page's images, in textures that a graphics card accepts."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from zatlas.core.arrays import Images, Rows
from zatlas.data.image_dataset import ImageDataset

THUMBNAIL_SIDE = 64  # pixels at most
SHEET_SIDE = 2048  # pixels at most
FORMAT_SAMPLES = 64  # thumbnails that are encoded to choose the file format
QUALITY = 90  # of WebP, without a visible difference


@dataclass(frozen=True)
class ThumbnailSheets:
    """The layout of the thumbnails on sheets, and their file format."""

    images: ImageDataset
    image_rows: Rows
    width: int  # of a thumbnail
    height: int
    columns: int  # of a sheet
    rows: int
    format: str  # "png" or "webp"

    def site(self, folder: str) -> dict[str, Any]:
        """Their entry in the manifest."""
        return {
            "width": self.width,
            "height": self.height,
            "columns": self.columns,
            "rows": self.rows,
            "sheets": [f"{folder}/{name}" for name in self.files()],
        }

    def files(self) -> dict[str, Callable[[], bytes]]:
        """The sheets by file name."""
        count = -(-len(self.image_rows) // (self.columns * self.rows))
        return {f"sprites-{i}.{self.format}": partial(self._sheet, i) for i in range(count)}

    def _sheet(self, number: int) -> bytes:
        capacity = self.columns * self.rows
        images = self.images.images(self.image_rows[number * capacity : (number + 1) * capacity])
        thumbnails = shrink(images, self.width, self.height)
        sheet = np.zeros((capacity, *thumbnails.shape[1:]), np.uint8)
        sheet[: len(thumbnails)] = thumbnails
        return encoded(arranged(sheet, self.columns), self.format)


def thumbnail_sheets(images: ImageDataset, image_rows: Rows) -> ThumbnailSheets | None:
    """Sheets for these images; None if they are neither gray nor RGB."""
    channels, height, width = images.shape
    if channels not in (1, 3):
        return None
    factor = max(height, width, THUMBNAIL_SIDE) / THUMBNAIL_SIDE
    width, height = max(round(width / factor), 1), max(round(height / factor), 1)
    square = int(np.ceil((len(image_rows) * height / width) ** 0.5))
    columns = min(SHEET_SIDE // width, max(square, 1))
    rows = min(SHEET_SIDE // height, max(-(-len(image_rows) // columns), 1))
    sample = arranged(shrink(images.images(image_rows[:FORMAT_SAMPLES]), width, height), 1)
    formats = ("png",) if channels == 1 else ("png", "webp")
    smallest = min(formats, key=lambda name: len(encoded(sample, name)))
    return ThumbnailSheets(images, image_rows, width, height, columns, rows, smallest)


def shrink(images: Images, width: int, height: int) -> np.ndarray:
    """Images as bytes (n, height, width, channels) of that size."""
    pixels = np.rint(images * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    if pixels.shape[1:3] == (height, width):
        return pixels
    resized = [_pillow(image).resize((width, height), Image.Resampling.LANCZOS) for image in pixels]
    return np.stack([np.asarray(image).reshape(height, width, -1) for image in resized])


def arranged(thumbnails: np.ndarray, columns: int) -> np.ndarray:
    """Thumbnails (n, height, width, channels) as one image, row by row from the top left."""
    count, height, width, channels = thumbnails.shape
    grid = thumbnails.reshape(count // columns, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(count // columns * height, columns * width, channels)


def encoded(pixels: np.ndarray, format: str) -> bytes:
    """An image as the content of a file."""
    sink = io.BytesIO()
    options = {"quality": QUALITY, "method": 4} if format == "webp" else {"compress_level": 9}
    _pillow(pixels).save(sink, format, **options)
    return sink.getvalue()


def _pillow(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
