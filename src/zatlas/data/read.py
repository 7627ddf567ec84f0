"""One image file in, safely: whatever it holds becomes bytes of a known shape, or one error with a reason."""

import io
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from zatlas.core.errors import ZatlasError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # told by content, whatever the name says
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MOST_PIXELS = 64_000_000  # checked in the header, before anything is unpacked
MOST_BYTES = 1 << 30  # of a file, before it is read; twice what the most pixels could need
GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Bytes = UInt8[np.ndarray, "c h w"]


class BadImage(ZatlasError):
    """A file that cannot be used as an image, with a short reason and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Picture:
    """An image as bytes, and what had to be done to it."""

    pixels: Bytes
    notes: tuple[str, ...] = ()


def read_image(
    source: Path | bytes,
    *,
    channels: int | None = None,
    size: int | None = None,
    background: int = 255,
) -> Picture:
    """Decode a file in full and bring it to the channels and size that are wanted.

    EXIF orientation is applied, 16 bits a pixel are scaled to 8, transparency is laid over a grey
    background, an animation gives its first frame. With a size, the middle square is resized to
    size x size. Without channels, a grey file has one and any other three.
    """
    data = source if isinstance(source, bytes) else _contents(source)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            return _picture(file, channels, size, background)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise BadImage("not-an-image", f"the content is none of {known}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage("too-large", f"more than {MOST_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # hostile bytes bring out a dozen kinds of errors in decoders
        truncated = "truncated" in str(error) or isinstance(error, EOFError)
        reason = "truncated" if truncated else "unreadable"
        raise BadImage(reason, f"{type(error).__name__}: {error}"[:200]) from error


def glance(source: Path) -> tuple[int, tuple[int, int]] | None:
    """Channels, and width and height as stored, from the header alone; None if there is no telling."""
    try:
        if not stat.S_ISREG(source.stat().st_mode):  # a pipe would wait for ever
            return None
        with Image.open(source, formats=FORMATS) as file:
            return (1 if file.mode in GREY_MODES else 3), file.size
    except Exception:  # reading it in full will say what is wrong
        return None


def resized(image: Image.Image, size: int) -> Image.Image:
    """The middle square of an image, size x size."""
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    smooth = Image.Resampling.LANCZOS if side > size else Image.Resampling.BICUBIC
    box = (left, top, left + side, top + side)
    return image.resize((size, size), smooth, box=box, reducing_gap=3.0)


def _contents(path: Path) -> bytes:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # a pipe would wait for ever
            raise BadImage("not-a-file", "a folder, a pipe or a device")
        if state.st_size > MOST_BYTES:
            raise BadImage("too-large", f"{state.st_size:,} bytes; at most {MOST_BYTES:,} are read")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise BadImage("unreadable", getattr(error, "strerror", None) or str(error)) from error
    if not data:
        raise BadImage("empty", "no bytes at all")
    return data


def _picture(file: Image.Image, channels: int | None, size: int | None, background: int) -> Picture:
    width, height = file.size
    if width * height > MOST_PIXELS:
        limit = MOST_PIXELS // 10**6
        raise BadImage("too-large", f"{width}x{height}; at most {limit} megapixels are decoded")
    notes: list[str] = []
    photo = file.format in ("JPEG", "MPO")  # MPO: a JPEG with further ones behind it, from a phone
    if size is not None and photo:
        file.draft(None, (size, size))  # decodes at a half, quarter or eighth, never below the size
    turned = _orientation(file, []) if file.format == "TIFF" else 1  # loading turns it itself
    file.load()
    if not photo and getattr(file, "is_animated", False):
        file.seek(0)
        file.load()
        notes.append("animated-first-frame")
    grey = file.mode in GREY_MODES
    image = _eight_bits(file, background, notes)
    to_turn = _orientation(file, notes)
    if to_turn in TURNS:
        image = image.transpose(TURNS[to_turn])
    if to_turn in TURNS or turned in TURNS:
        notes.append("exif-rotated")
    wanted = channels or (1 if grey else 3)
    image = image.convert("L" if wanted == 1 else "RGB")
    if size is not None:
        image = resized(image, size)
    array = np.asarray(image)
    pixels = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return Picture(np.ascontiguousarray(pixels), tuple(notes))


def _eight_bits(image: Image.Image, background: int, notes: list[str]) -> Image.Image:
    """The image in L or RGB, with nothing clipped and nothing hidden."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _scaled(np.asarray(image), mode, notes)
    if mode == "P" and "transparency" not in image.info:
        notes.append("palette-expanded")
        return image.convert("RGB")
    if mode in ("LA", "La", "PA", "RGBA", "RGBa", "P") or "transparency" in image.info:
        notes.append("alpha-flattened")
        shown = image.convert("RGBA")
        paper = Image.new("RGBA", shown.size, (background,) * 3 + (255,))
        paper.alpha_composite(shown)
        return paper.convert("L" if mode in ("1", "L", "LA", "La") else "RGB")
    if mode == "CMYK":
        notes.append("cmyk-converted")
    return image.convert("L" if mode in ("1", "L") else "RGB")


def _scaled(values: np.ndarray, mode: str, notes: list[str]) -> Image.Image:
    """Grey values of more than 8 bits, by their range and not by their last byte."""
    top = values.max()
    if not (values.min() >= 0 and np.isfinite(top)):
        raise BadImage("unsupported", "grey values that are negative or no numbers")
    if mode == "F":
        if top > 255:
            raise BadImage("unsupported", f"decimal grey values up to {top:.4g}, not to 1 or 255")
        notes.append("float-scaled")
        small = np.rint(values * np.float32(255 if top <= 1 else 1)).astype(np.uint8)
    else:
        if top > 65535:
            raise BadImage("unsupported", f"grey values up to {top:.0f}, beyond 16 bits")
        notes.append("16bit-scaled")
        small = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)  # rounded
    return Image.fromarray(small)


def _orientation(file: Image.Image, notes: list[str]) -> Any:
    """How the picture is to be turned; what a camera wrote about it may be broken, it itself not."""
    try:
        return file.getexif().get(ORIENTATION, 1)
    except Exception:  # as many kinds as decoders have
        notes.append("exif-unreadable")
        return 1
