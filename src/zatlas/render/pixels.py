"""The one place where images become bytes, pictures and files."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from zatlas.core.arrays import Images
from zatlas.core.errors import NotSupported, ShapeError
from zatlas.render.theme import rgb
from zatlas.render.words import face, main_face
from zatlas.store import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tiles8 = UInt8[np.ndarray, "n h w 3"]
Frame = UInt8[np.ndarray, "h w 3"]
Flags = Bool[np.ndarray, "n"]

KINDS = ("png", "svg", "pdf", "webp", "jpg")
NO_GLYPH = "Glyph .* missing from"  # what matplotlib says of a letter that no face has
DPI = 144  # of plots as pixels
FADED = 0.82  # of a dimmed tile, the part that is paper
_one_at_a_time = threading.RLock()


@runtime_checkable
class Drawn(Protocol):
    """What can say itself in the bytes of a format."""

    def drawn(self, kind: str) -> bytes:
        """The bytes of a file of this kind."""
        ...


def to_bytes(images: Images) -> Tiles8:
    """Images in [0, 1] as bytes, rounded to the nearest, grey ones in three channels."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ShapeError(
            f"Pictures are drawn from images of shape (n, 1 or 3, height, width) in [0, 1]; "
            f"this array is {images.shape}."
        )
    clipped = np.fmin(np.fmax(images, 0), 1)  # what is not a number is black
    tall = np.rint(clipped * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.repeat(tall, 3, axis=3) if tall.shape[3] == 1 else np.ascontiguousarray(tall)


def whole_factor(longer: int, least: int) -> int:
    """How many times a pixel is repeated so that the longer side has at least so many."""
    return max(-(-least // longer), 1)


def enlarge(tiles: Tiles8, least: int) -> Tiles8:
    """Every pixel as a square of whole pixels, so that small images can be seen without blur."""
    return repeat(tiles, whole_factor(max(tiles.shape[1:3]), least))


def repeat(tiles: Tiles8, factor: int) -> Tiles8:
    """Every pixel as a square of this many pixels."""
    # Along the rows first: whole rows are then copied at once.
    return tiles if factor == 1 else tiles.repeat(factor, axis=2).repeat(factor, axis=1)


def reduce(tiles: Tiles8, factor: int) -> Tiles8:
    """Each square of pixels as its mean, for a picture that would be too large."""
    return np.stack([np.asarray(Image.fromarray(tile).reduce(factor)) for tile in tiles])


def fade(tiles: Tiles8, flags: Flags, paper: str) -> Tiles8:
    """The flagged tiles nearly gone into the paper."""
    faded = tiles.copy()
    mixed = tiles[flags] * (1 - FADED) + np.array(rgb(paper), np.float32) * FADED
    faded[flags] = np.rint(mixed).astype(np.uint8)
    return faded


def save(picture: "Drawn | Figure", path: Path) -> Path:
    """Write a canvas or a plot in the format that the name ends in."""
    kind = path.suffix.lower().lstrip(".").replace("jpeg", "jpg")
    if kind not in KINDS:
        raise NotSupported(
            f"{path.name!r} does not end in a kind of picture that can be written. "
            f"Choose one of {', '.join('.' + kind for kind in KINDS)}."
        )
    drawn = picture.drawn(kind) if isinstance(picture, Drawn) else plotted(picture, kind)
    return atomic.write_file(path, drawn)


def encoded(picture: Image.Image, kind: str) -> bytes:
    """A raster picture in the bytes of png, webp or jpg."""
    options: dict[str, dict[str, object]] = {
        "png": {},
        "webp": {"lossless": True, "method": 4},
        "jpg": {"quality": 95, "subsampling": 0},
    }
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG" if kind == "jpg" else kind.upper(), **options[kind])
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
    """A figure of matplotlib in the bytes of a kind of file."""
    from matplotlib.text import Text

    # Words stay words, and the same plot gives the same bytes.
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
