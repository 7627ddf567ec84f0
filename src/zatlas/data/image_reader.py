"""Decode an image file safely: the result is an array of bytes, or `BadImage` with a reason."""

import io
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from zatlas.core.errors import CannotRead, ZatlasError
from zatlas.data.color_profile import to_srgb
from zatlas.store import retry

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # by content, not by name
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MAX_PIXELS = 64_000_000  # checked in the header, before decoding
MAX_BYTES = 1 << 29  # of a file
MAX_MEMORY = 1_000_000_000  # bytes of a file and of its pixels during conversion
BYTES_PER_PIXEL, BYTES_PER_DEEP_PIXEL = (11, 14)  # memory; deep: alpha, or more than 8 bits
WEBP_BYTES_PER_PIXEL = 22  # its decoder copies each frame three times
MAX_COMPRESSION = 200  # bytes of pixels for each byte of a file; images compress less
MIN_CHECKED_BYTES = 64 << 20  # bytes of pixels that any file may have
BITS = {"1": 1, "L": 8, "P": 8, "I;16": 16, "RGB": 24}  # 32 in other modes
LARGE_BYTES = 256 << 20  # images that need more memory are decoded one at a time
WEBP_HEADER = 30  # bytes that contain the size
BAND_ROWS = 1024  # rows that are converted at a time
NOT_READ = "not-read"  # reason of a file that may be intact and is tried again by the next call
GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ORIENTATION = 0x0112  # the EXIF tag
EXIF_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_large_image_lock = threading.Lock()

Bytes = UInt8[np.ndarray, "c h w"]


class BadImage(ZatlasError):
    """A file that cannot be used as an image, with a short reason and a detail.

    With the reason "not-read" the file may be intact: there was a read error, or too little memory. `path` is
    then the file that could not be read.
    """

    def __init__(self, reason: str, detail: str, path: Path | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.path = reason, detail, path

    def as_report(self, file: str) -> dict[str, str]:
        """Return the entry of this file in a report."""
        path = {} if self.path is None else {"path": str(self.path)}
        return {"file": file, "reason": self.reason, "detail": self.detail, **path}


@dataclass(frozen=True)
class DecodedImage:
    """An image as bytes, and notes on its conversion."""

    pixels: Bytes
    notes: tuple[str, ...] = ()


def read_image(
    source: Path | bytes, *, channels: int | None = None, size: int | None = None, background: int = 255
) -> DecodedImage:
    """Decode a file and convert it to the given channels and size.

    EXIF orientation is applied, colors with an ICC profile are converted to sRGB, and 16-bit pixels are
    scaled to 8 bits. Transparent images are composited over a grey background, and the first frame of an
    animation is used. With a size, the image is centre-cropped and resized to size x size. Without
    `channels`, grey files have 1 and others 3.
    """
    with _explain_errors():
        data = source if isinstance(source, bytes) else _read_file(source)
        _check_webp(data)
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            need = _check_cost(file, len(data))
            with _large_image_lock if need > LARGE_BYTES else nullcontext():
                return _decode(file, channels, size, background)


def convert_image(
    image: Image.Image, *, channels: int | None = None, size: int | None = None, background: int = 255
) -> DecodedImage:
    """Convert a PIL image as `read_image` converts a file. The image itself does not change."""
    with _explain_errors():
        return _decode(image.copy(), channels, size, background)


@contextmanager
def _explain_errors() -> Iterator[None]:
    """Turn every error of a decoder into `BadImage`."""
    try:
        yield
    except BadImage:
        raise
    except MemoryError as error:
        raise _not_read("there is not enough memory") from error
    except UnidentifiedImageError as error:
        raise BadImage("not-an-image", f"the content is none of {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage("too-large", f"more than {MAX_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # decoders raise many types for hostile bytes
        truncated = "truncated" in str(error) or isinstance(error, EOFError)
        reason = "truncated" if truncated else "unreadable"
        raise BadImage(reason, f"{type(error).__name__}: {error}"[:200]) from error


def read_size(source: Path) -> tuple[int, tuple[int, int]] | None:
    """Return channels, and (width, height), from the header; None if the header cannot be read."""
    try:
        if not stat.S_ISREG(source.stat().st_mode):  # reading a pipe could block forever
            return None
        with source.open("rb") as raw:
            _check_webp(raw.read(WEBP_HEADER))
        with Image.open(source, formats=FORMATS) as file:
            return (1 if file.mode in GREY_MODES else 3), file.size
    except Exception:  # `read_image` reports the reason
        return None


def crop_and_resize(image: Image.Image, size: int) -> Image.Image:
    """Return the centre square of an image, resized to size x size."""
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    smooth = Image.Resampling.LANCZOS if side > size else Image.Resampling.BICUBIC
    box = (left, top, left + side, top + side)
    return image.resize((size, size), smooth, box=box, reducing_gap=3.0)


def _read_file(path: Path) -> bytes:
    try:
        state = retry.attempt(path, path.stat)
        if not stat.S_ISREG(state.st_mode):  # reading a pipe could block forever
            raise BadImage("not-a-file", "a folder, a pipe or a device")
        if state.st_size > MAX_BYTES:
            raise BadImage("too-large", f"{state.st_size:,} bytes; at most {MAX_BYTES:,} are read")
        data = retry.read_bytes(path)
    except FileNotFoundError as error:
        raise _not_read("it does not exist", path) from error
    except CannotRead as error:
        reason = getattr(error.__cause__, "strerror", None) or str(error)
        raise _not_read(reason, path) from error
    except OSError as error:  # of its path, such as a link to itself
        raise BadImage("unreadable", error.strerror or str(error)) from error
    except ValueError as error:  # a name with a NUL
        raise BadImage("unreadable", str(error)) from error
    if not data:
        raise BadImage("empty", "0 bytes")
    return data


def _not_read(detail: str, path: Path | None = None) -> BadImage:
    return BadImage(NOT_READ, f"could not be read this time: {detail}", path)


def _check_webp(data: bytes) -> None:
    """Check the size of a WebP in its header, because its decoder allocates memory when opened."""
    kind = data[12:16]
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < WEBP_HEADER:
        return
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    _check_size(width, height)
    _check_memory(width, height, width * height * WEBP_BYTES_PER_PIXEL)


def _check_memory(width: int, height: int, need: int) -> None:
    if need > MAX_MEMORY:
        raise BadImage("too-large", f"{width}x{height} needs {need:,} bytes; at most {MAX_MEMORY:,}")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise BadImage("too-large", f"{width}x{height}; at most {limit} megapixels are decoded")


def _check_cost(file: Image.Image, length: int) -> int:
    """Return the bytes of memory that decoding needs, by the header; `BadImage` if they are too many."""
    width, height = file.size
    _check_size(width, height)
    raw = width * height * BITS.get(file.mode, 32) // 8
    if raw > max(MIN_CHECKED_BYTES, MAX_COMPRESSION * length):
        raise BadImage(
            "too-large", f"{width}x{height} from only {length:,} bytes; it may be a decompression bomb"
        )
    per_pixel = BYTES_PER_PIXEL if file.mode in ("1", "L", "P", "RGB") else BYTES_PER_DEEP_PIXEL
    need = length + width * height * (WEBP_BYTES_PER_PIXEL if file.format == "WEBP" else per_pixel)
    _check_memory(width, height, need)
    return need


def _decode(file: Image.Image, channels: int | None, size: int | None, background: int) -> DecodedImage:
    notes: list[str] = []
    jpeg = file.format in ("JPEG", "MPO")  # MPO: several JPEGs in one file, from phones
    if size is not None and jpeg:
        file.draft(None, (size, size))  # decodes at 1/2, 1/4 or 1/8, never below the size
    rotated_by_load = _orientation(file, []) if file.format == "TIFF" else 1
    file.load()
    if not jpeg and getattr(file, "is_animated", False):
        file.seek(0)
        file.load()
        notes.append("animated-first-frame")
    grey = file.mode in GREY_MODES
    profile = file.info.get("icc_profile")
    image = to_srgb(_to_8_bits(file, background, notes), profile, notes)
    orientation = _orientation(file, notes)
    if orientation in EXIF_TRANSPOSES:
        image = image.transpose(EXIF_TRANSPOSES[orientation])
    if orientation in EXIF_TRANSPOSES or rotated_by_load in EXIF_TRANSPOSES:
        notes.append("exif-rotated")
    image = _convert(image, "L" if (channels or (1 if grey else 3)) == 1 else "RGB")
    if size is not None:
        image = crop_and_resize(image, size)
    array = np.asarray(image)
    pixels = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return DecodedImage(np.ascontiguousarray(pixels), tuple(notes))


def _to_8_bits(image: Image.Image, background: int, notes: list[str]) -> Image.Image:
    """Return the image in mode L, RGB or CMYK, with 16-bit values scaled and transparency composited."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _scale_to_8_bits(np.asarray(image), mode, notes)
    if mode == "P" and "transparency" not in image.info:
        notes.append("palette-expanded")
        return image.convert("RGB")
    if mode in ("LA", "La", "PA", "RGBA", "RGBa", "P") or "transparency" in image.info:
        notes.append("alpha-flattened")
        return _flatten_alpha(image, "L" if mode in ("1", "L", "LA", "La") else "RGB", background)
    if mode == "CMYK":
        notes.append("cmyk-converted")
        return image  # its profile may say what the colors are
    return _convert(image, "L" if mode in ("1", "L") else "RGB")


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """Return the image in this mode."""
    return image if image.mode == mode else image.convert(mode)


def _flatten_alpha(image: Image.Image, mode: str, background: int) -> Image.Image:
    """Return the image composited over a grey background, band by band to save memory."""
    result = Image.new(mode, image.size)
    for top in range(0, image.height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, image.height)
        band = image.crop((0, top, image.width, bottom)).convert("RGBA")
        canvas = Image.new("RGBA", band.size, (background,) * 3 + (255,))
        canvas.alpha_composite(band)
        result.paste(canvas.convert(mode), (0, top))
    return result


def _scale_to_8_bits(values: np.ndarray, mode: str, notes: list[str]) -> Image.Image:
    """Return grey values of more than 8 bits, scaled by their range to 8 bits."""
    top = values.max()
    if not (values.min() >= 0 and np.isfinite(top)):
        raise BadImage("unsupported", "grey values that are negative, NaN or infinite")
    if mode == "F" and top > 255:
        raise BadImage("unsupported", f"float grey values up to {top:.4g}, not up to 1 or 255")
    if mode != "F" and top > 65535:
        raise BadImage("unsupported", f"grey values up to {top:.0f}, beyond 16 bits")
    notes.append("float-scaled" if mode == "F" else "16bit-scaled")
    small = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), BAND_ROWS):
        band = values[row : row + BAND_ROWS]
        if mode == "F":
            small[row : row + BAND_ROWS] = np.rint(band * np.float32(255 if top <= 1 else 1))
        else:
            small[row : row + BAND_ROWS] = (band.astype(np.uint32) + 128) // 257  # rounded
    return Image.fromarray(small)


def _orientation(file: Image.Image, notes: list[str]) -> Any:
    """Return the EXIF orientation; 1 if the EXIF data cannot be read."""
    try:
        return file.getexif().get(ORIENTATION, 1)
    except Exception:  # decoders raise many types
        notes.append("exif-unreadable")
        return 1
