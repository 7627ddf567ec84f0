"""Convert images to bytes, enlarge them, and write figures to files."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from zatlas.core.arrays import Images
from zatlas.core.errors import NotSupported, ShapeError
from zatlas.render.text import face, main_face
from zatlas.render.theme import Theme, rgb
from zatlas.store import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tiles8 = UInt8[np.ndarray, "n h w 3"]
Frame = UInt8[np.ndarray, "h w 3"]
Flags = Bool[np.ndarray, "n"]

KINDS = ("png", "svg", "pdf", "webp", "jpg")
NO_GLYPH = "Glyph .* missing from"  # matplotlib's warning about a character that no font has
PNG_LEVEL = 4  # of zlib: files are 0.7 % larger than with level 6, and are written in 65 % of the time
DPI = 144  # of plots in pixel formats
FADED = 0.5  # share of the paper colour in a faded tile
_one_at_a_time = threading.RLock()


class Renderable(Protocol):
    """A figure that can return the bytes of a file."""

    def rendered(self, kind: str) -> bytes:
        """Return the bytes of a file of this kind."""
        ...


def to_bytes(images: Images) -> Tiles8:
    """Convert images in [0, 1] to bytes (n, h, w, 3); grey images get three equal channels."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ShapeError(
            f"Images to draw need the shape (n, 1 or 3, height, width) and values in [0, 1]; "
            f"this array has the shape {images.shape}."
        )
    clipped = np.fmin(np.fmax(images, 0), 1)  # NaN is black
    channels_last = np.rint(clipped * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return (
        np.repeat(channels_last, 3, axis=3) if images.shape[1] == 1 else np.ascontiguousarray(channels_last)
    )


def as_color(images: Images) -> Images:
    """Return images with three channels; grey images get three equal ones."""
    return np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images


def blank(images: Images, theme: Theme) -> Images:
    """Return one image of this size in the paper colour, (1, 3, h, w)."""
    paper = np.array(rgb(theme.paper), np.float32).reshape(1, 3, 1, 1) / 255
    return np.broadcast_to(paper, (1, 3, *images.shape[2:])).astype(np.float32)


def whole_factor(longer: int, least: int) -> int:
    """Return the smallest integer factor that enlarges the longer side to at least `least` pixels."""
    return max(-(-least // longer), 1)


def enlarge(tiles: Tiles8, least: int) -> Tiles8:
    """Enlarge by an integer factor, without blur, until the longer side has at least `least` pixels."""
    return repeat(tiles, whole_factor(max(tiles.shape[1:3]), least))


def repeat(tiles: Tiles8, factor: int) -> Tiles8:
    """Enlarge by an integer factor, without blur."""
    # Columns first: the second repeat then copies complete rows.
    return tiles if factor == 1 else tiles.repeat(factor, axis=2).repeat(factor, axis=1)


def resized(frame: Frame, longer: int) -> Frame:
    """Return a frame whose longer side has this number of pixels; enlarged exactly by whole factors."""
    high, wide = frame.shape[:2]
    exact = longer % max(high, wide) == 0
    size = tuple(max(round(side * longer / max(high, wide)), 1) for side in (wide, high))
    method = Image.Resampling.NEAREST if exact else Image.Resampling.LANCZOS
    result: Frame = np.asarray(Image.fromarray(frame).resize(size, method))
    return result


def reduce(tiles: Tiles8, factor: int) -> Tiles8:
    """Reduce by an integer factor, with the mean of each square of pixels."""
    return np.stack([np.asarray(Image.fromarray(tile).reduce(factor)) for tile in tiles])


def fade(tiles: Tiles8, flags: Flags, paper: str) -> Tiles8:
    """Mix the flagged tiles with the paper colour."""
    faded = tiles.copy()
    mixed = tiles[flags] * (1 - FADED) + np.array(rgb(paper), np.float32) * FADED
    faded[flags] = np.rint(mixed).astype(np.uint8)
    return faded


def save(image: Renderable, path: str | PathLike[str]) -> Path:
    """Write a figure in the format of the file name, and return the path."""
    path = Path(path)
    return atomic.write_file(path, image.rendered(check_ending(path)))


def check_ending(path: Path) -> str:
    """Return the format that a file name ends in; `NotSupported` if it is no image format."""
    kind = path.suffix.lower().lstrip(".").replace("jpeg", "jpg")
    if kind not in KINDS:
        raise NotSupported(
            f"{path.name!r} does not have the ending of an image format. "
            f"Choose one of {', '.join('.' + kind for kind in KINDS)}."
        )
    return kind


def encoded(image: Image.Image, kind: str) -> bytes:
    """Return the bytes of an image as png, webp or jpg."""
    options: dict[str, dict[str, object]] = {
        "png": {"compress_level": PNG_LEVEL},
        "webp": {"lossless": True, "method": 4},
        "jpg": {"quality": 95, "subsampling": 0},
    }
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG" if kind == "jpg" else kind.upper(), **options[kind])
    return buffer.getvalue()


@contextmanager
def drawing(settings: Any = None) -> Iterator[None]:
    """Let one thread at a time draw with matplotlib, whose settings belong to the whole process.

    A letter that no font has is drawn as a box, without a warning.
    """
    import matplotlib

    with _one_at_a_time, matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=NO_GLYPH)
        yield


def plotted(figure: "Figure", kind: str, dpi: float = DPI) -> bytes:
    """Return the bytes of a matplotlib figure as a file of this kind."""
    from matplotlib.text import Text

    # Text stays text, and the same plot gives the same bytes.
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "zatlas",
        "pdf.fonttype": 42,
        "image.composite_image": False,
    }
    nothing = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    for text in figure.findobj(Text):
        if (file := face(text.get_text())) != main_face():
            letters = text.get_fontproperties().copy()
            letters.set_file(file)
            text.set_fontproperties(letters)
    buffer = io.BytesIO()
    with drawing(settings):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=nothing)
    return buffer.getvalue()
