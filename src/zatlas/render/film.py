"""Films: the frames of a curve as MP4, GIF, APNG or WebP, written one at a time."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render.moving import default_ending, writer
from zatlas.render.panel import Panel as Panel
from zatlas.render.panel import cloud_panel as cloud_panel
from zatlas.render.panel import density_panel as density_panel
from zatlas.render.pixels import Frame, resized, to_bytes, whole_factor
from zatlas.render.scene import Layout, Scene
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic

MAX_FPS = 100


@dataclass(frozen=True, repr=False)
class Film:
    """A film that a notebook shows and plays in a loop: MP4, or WebP without the extra `video`."""

    data: bytes  # of the file
    ending: str  # .mp4 or .webp

    def __repr__(self) -> str:
        return f"<Film of {len(self.data) / 1e3:,.0f} kB>"

    def _repr_html_(self) -> str:
        text = base64.b64encode(self.data).decode()
        if self.ending == ".mp4":
            return f'<video src="data:video/mp4;base64,{text}" autoplay loop muted controls></video>'
        return f'<img src="data:image/webp;base64,{text}">'


def unsaved_film(frames: Iterable[Images], **options: Any) -> Film:
    """Return `film` of these frames without a file."""
    ending = default_ending()
    with TemporaryDirectory(prefix="zatlas-") as folder:
        return Film(film(frames, Path(folder) / f"film{ending}", **options).read_bytes(), ending)


def film(
    frames: Iterable[Images],
    path: str | PathLike[str],
    *,
    fps: float = 30,
    least: int = 256,
    size: int | None = None,
    panel: Panel | None = None,
    far: np.ndarray | None = None,
    title: str = "",
    marks: tuple[tuple[float, str], ...] = (),
    theme: Theme = LIGHT,
) -> Path:
    """Write batches of images as a film in the format of the file name, and return its path.

    Small images are enlarged by an integer factor to at least `least` pixels; with `size`, the longer side
    of all images is resized to that number of pixels. A panel shows the position
    of each frame in a plane. `far` is the distance of each frame to the data, 1 for a typical data point.
    With distances, `marks` are names below them: (position in the film from 0 to 1, name).
    """
    path = Path(path)
    write = writer(path)
    if not 0 < fps <= MAX_FPS:
        raise ShapeError(f"A film shows up to {MAX_FPS} frames a second; it was given {fps}.")
    layout = Layout(title, panel, far, theme, marks)
    expected = layout.frames
    images = _one_by_one(frames, expected)
    if size is not None:
        images, least = (resized(image, size) for image in images), 1
    first = next(images, None)
    if first is None:
        raise ShapeError("There are no frames to film. Pass at least one image.")
    factor = whole_factor(max(first.shape[:2]), least)
    scene = Scene(first, factor, layout)
    with atomic.file(path) as side:
        times = factor if scene.bare else 1
        write(side, map(scene.frame, chain([first], images)), fps, times, factor > 1)
    return path


def _one_by_one(batches: Iterable[Images], expected: int | None) -> Iterator[Frame]:
    """Yield the frames of batches; `ShapeError` unless there are `expected`."""
    count = 0
    for batch in batches:
        for index in range(len(batch)):
            count += 1
            if expected is not None and count > expected:
                raise ShapeError(
                    f"There are more frames than the {expected} positions or distances. Pass as many."
                )
            yield to_bytes(batch[index : index + 1])[0]
    if expected is not None and 0 < count < expected:
        raise ShapeError(f"There are {count} frames and {expected} positions or distances. Pass as many.")
