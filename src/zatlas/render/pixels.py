"""The one place where images become bytes, pictures and files."""

import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from zatlas.core.arrays import Images
from zatlas.store import atomic

Canvas = UInt8[np.ndarray, "h w 3"]


def to_bytes(images: Images) -> UInt8[np.ndarray, "n h w 3"]:
    """Images in [0, 1] as bytes, rounded to the nearest, grey ones in three channels."""
    clipped = np.clip(np.nan_to_num(images), 0, 1)
    tall = np.rint(clipped * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.repeat(tall, 3, axis=3) if tall.shape[3] == 1 else tall


def enlarge(tiles: UInt8[np.ndarray, "n h w 3"], least: int) -> UInt8[np.ndarray, "n h w 3"]:
    """Every pixel as a square of whole pixels, so that small images can be seen without blur."""
    factor = max(-(-least // tiles.shape[1]), 1)
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def save_picture(picture: Image.Image, path: Path) -> Path:
    """Write a picture in the format that the name ends in."""
    buffer = io.BytesIO()
    picture.save(buffer, format=path.suffix.lstrip(".").upper() or "PNG", optimize=True)
    return atomic.write_file(path, buffer.getvalue())
