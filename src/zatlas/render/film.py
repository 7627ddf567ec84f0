"""Films: the frames of a curve as MP4, GIF, APNG or WebP, written as they come."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render.moving import writer
from zatlas.render.panel import Panel as Panel
from zatlas.render.panel import cloud_panel as cloud_panel
from zatlas.render.panel import density_panel as density_panel
from zatlas.render.pixels import Frame, to_bytes, whole_factor
from zatlas.render.scene import Around, Scene
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic

FASTEST = 100  # frames a second


def film(
    frames: Iterable[Images],
    path: Path,
    *,
    fps: float = 30,
    least: int = 256,
    panel: Panel | None = None,
    far: np.ndarray | None = None,
    title: str = "",
    theme: Theme = LIGHT,
) -> Path:
    """Write batches of images, as they come, as a film; its format is what the name ends in.

    Small images are enlarged by whole pixels to at least `least`. A panel shows where each frame
    is; `far`, one a frame, how far from the data, in parts of what is usual for them.
    """
    write = writer(path)
    if not 0 < fps <= FASTEST:
        raise ShapeError(f"A film shows up to {FASTEST} frames a second; it was given {fps}.")
    around = Around(title, panel, far, theme)
    wanted = around.frames
    pictures = _one_by_one(frames, wanted)
    first = next(pictures, None)
    if first is None:
        raise ShapeError("There are no frames to film. Give at least one image.")
    factor = whole_factor(max(first.shape[:2]), least)
    scene = Scene(first, factor, around)
    with atomic.file(path) as side:
        times = factor if scene.bare else 1
        write(side, map(scene.frame, chain([first], pictures)), fps, times, factor > 1)
    return path


def _one_by_one(batches: Iterable[Images], wanted: int | None) -> Iterator[Frame]:
    """The frames of batches; as many as the panel or the distances are for."""
    count = 0
    for batch in batches:
        for index in range(len(batch)):
            count += 1
            if wanted is not None and count > wanted:
                raise ShapeError(f"More frames came than the {wanted} places or distances given.")
            yield to_bytes(batch[index : index + 1])[0]
    if wanted is not None and 0 < count < wanted:
        raise ShapeError(f"{count} frames came with {wanted} places or distances; give one a frame.")
