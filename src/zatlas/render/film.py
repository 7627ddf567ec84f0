"""Films: the frames of a curve as MP4, GIF, APNG or WebP, written one at a time."""

from collections.abc import Iterable, Iterator
from itertools import chain
from os import PathLike
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render.moving import writer
from zatlas.render.panel import Panel as Panel
from zatlas.render.panel import cloud_panel as cloud_panel
from zatlas.render.panel import density_panel as density_panel
from zatlas.render.pixels import Frame, to_bytes, whole_factor
from zatlas.render.scene import Layout, Scene
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic

MAX_FPS = 100


def film(
    frames: Iterable[Images],
    path: str | PathLike[str],
    *,
    fps: float = 30,
    least: int = 256,
    panel: Panel | None = None,
    far: np.ndarray | None = None,
    title: str = "",
    marks: tuple[tuple[float, str], ...] = (),
    theme: Theme = LIGHT,
) -> Path:
    """Write batches of images as a film in the format of the file name, and return its path.

    Small images are enlarged by an integer factor to at least `least` pixels. A panel shows the position
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
