"""The layout of a film: its images with a title, a panel, and a band of distances to the data."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from PIL import Image

from zatlas.core.errors import ShapeError
from zatlas.render import text as type_
from zatlas.render.axes import ticks
from zatlas.render.canvas import Bar, Canvas, Item, Text, Tiles, page
from zatlas.render.panel import Panel, pixel_of, stroke
from zatlas.render.pixels import Frame, repeat
from zatlas.render.strip import MAX_COLUMNS, OUTSIDE, tint
from zatlas.render.theme import Theme, rgb
from zatlas.render.tiles import framed, text_size

PANEL_LEAST = 256  # pixels a side


@dataclass(frozen=True)
class Layout:
    """What a film shows in addition to its images."""

    title: str
    panel: Panel | None
    distances: np.ndarray | None
    theme: Theme
    marks: tuple[tuple[float, str], ...] = ()  # (position from 0 to 1, name) below the band

    @property
    def frames(self) -> int | None:
        """The number of frames of the panel or the distances; None without them."""
        positions = None if self.panel is None else len(self.panel.positions)
        distances = None if self.distances is None else len(self.distances)
        if positions is not None and distances is not None and positions != distances:
            raise ShapeError(
                f"There are {positions} positions and {distances} distances. Pass one for each frame."
            )
        return distances if positions is None else positions


class Scene:
    """Draw one frame after the other, with the trail of the panel's point."""

    def __init__(self, first: Frame, factor: int, layout: Layout) -> None:
        self.layout, self.index = layout, 0
        image = Tiles(0, 0, first[None], 1, factor)
        inset = _inset(image, layout)
        if inset is not None:
            size = text_size(image.wide + inset.wide)
            image = image.moved(inset.wide + round(1.5 * size), (inset.high - image.high) // 2)
        size = text_size(image.box()[2])
        band = None if layout.distances is None else _band(image, layout, size)
        canvas = _canvas(image, inset, band, layout, size)
        self.image = image.moved(*canvas.origin)
        self.inset = None if inset is None else inset.moved(*canvas.origin)
        self.band = None if band is None else band.moved(*canvas.origin)
        self.paper = _even(canvas)
        # Without a layout, the writer of the film enlarges the frames, which is faster.
        self.bare = self.paper.shape[:2] == (self.image.high, self.image.wide)
        self.outside = self.paper
        if self.band is not None:
            word = _alarm(self.band, layout, size)
            self.outside = _even(replace(canvas, items=(*canvas.items, word)))
        if self.inset is not None and layout.panel is not None:
            corner = np.array([self.inset.x, self.inset.y])
            self.track = pixel_of(layout.panel, self.inset.wide) + corner
            self.trail = pixel_of(layout.panel, self.inset.wide, layout.panel.line) + corner

    def frame(self, image: Frame) -> Frame:
        """Return the next frame: the image with the layout at its time."""
        _check_size(image, self.image)
        if self.bare:
            return image
        index, self.index = self.index, self.index + 1
        theme = self.layout.theme
        if self.inset is not None:
            self._leave_trail(index)
        far = self.layout.distances
        outside = far is not None and far[index] > OUTSIDE
        frame = (self.outside if outside else self.paper).copy()
        _paste(frame, image, self.image)
        if self.inset is not None:
            position, thick = tuple(self.track[index].tolist()), self.inset.wide / 26
            stroke(frame, position, position, thick + 3, theme.paper)
            stroke(frame, position, position, thick, theme.generated)
        if self.band is not None and far is not None:
            left, top, right, bottom = map(int, self.band.box())
            x = left + round((right - left - 2) * index / max(len(far) - 1, 1))
            frame[top - 3 : bottom + 3, x : x + 2] = rgb(theme.ink)
        return frame

    def _leave_trail(self, index: int) -> None:
        assert self.inset is not None
        steps = (len(self.trail) - 1) // max(len(self.track) - 1, 1)
        for a, b in pairwise(self.trail[max(index - 1, 0) * steps : index * steps + 1].tolist()):
            for paper in {id(p): p for p in (self.paper, self.outside)}.values():
                stroke(paper, (a[0], a[1]), (b[0], b[1]), self.inset.wide / 90, self.layout.theme.generated)


def _check_size(image: Frame, tile: Tiles) -> None:
    if image.shape != tile.pixels.shape[1:]:
        raise ShapeError(
            f"All images of a film need one size, but {image.shape[:2]} follows {tile.pixels.shape[1:3]}."
        )


def _paste(frame: Frame, image: Frame, tile: Tiles) -> None:
    x, y = tile.x, tile.y
    frame[y : y + tile.high, x : x + tile.wide] = repeat(image[None], tile.factor)[0]


def _inset(image: Tiles, layout: Layout) -> Tiles | None:
    if layout.panel is None:
        return None
    side = max(image.high, PANEL_LEAST)
    resized = Image.fromarray(layout.panel.image).resize((side, side), Image.Resampling.LANCZOS)
    return Tiles(0, 0, np.asarray(resized)[None], 1)


def _canvas(image: Tiles, inset: Tiles | None, band: Tiles | None, layout: Layout, size: int) -> Canvas:
    theme = layout.theme
    items: list[Item] = [image]
    if inset is not None and layout.panel is not None:
        items += [inset, *framed(inset, theme.line, 1)]
        items += ticks(inset, layout.panel.box, size, theme, layout.panel.axes)
    if band is not None:
        word = _alarm(band, layout, size)
        left, top, right, bottom = word.box()
        items += [band, *_names(band, layout, size), Bar(left, top, right, bottom, theme.paper)]
    if len(items) == 1 and not layout.title:
        return Canvas(image.wide, image.high, (image,), theme)
    return page(items, size=size, title=layout.title, theme=theme)


def _band(image: Tiles, layout: Layout, size: int) -> Tiles:
    """Draw the distance over the film from left to right: the larger, the higher and the more red."""
    far = np.nan_to_num(np.asarray(layout.distances, float), nan=0, posinf=2 * OUTSIDE)
    left, _, right, bottom = map(int, image.box())
    tall = round(0.6 * size)
    surface = np.full((tall, right - left, 3), rgb(layout.theme.paper), np.uint8)
    for x, distance in enumerate(
        np.interp(np.linspace(0, 1, right - left), np.linspace(0, 1, len(far)), far)
    ):
        high = max(round(tall * min(distance / OUTSIDE, 1.5) / 1.5), 2)
        surface[tall - high :, x] = rgb(tint(float(distance), layout.theme))
    return Tiles(left, bottom + round(0.5 * size), surface[None], 1)


def _alarm(band: Tiles, layout: Layout, size: int) -> Text:
    left, _, right, bottom = band.box()
    small = _small(size)
    y = bottom + 0.3 * size + type_.ASCENT * small + (1.3 * small if layout.marks else 0)
    return Text((left + right) / 2, y, MAX_COLUMNS, small, layout.theme.outside, "m")


def _names(band: Tiles, layout: Layout, size: int) -> list[Text]:
    """Draw the names of the anchors below the band, at their times: both ends, and others that fit."""
    left, _, right, bottom = band.box()
    small = _small(size)
    marks = [mark for mark in layout.marks if mark[1]]
    items: list[Text] = []
    # The ends first; a name in between is left out where it would overlap another.
    for position, name in sorted(marks, key=lambda mark: 0 < mark[0] < 1):
        text = type_.shortened(name, small, (right - left) * 0.45)
        anchor = {0.0: "l", 1.0: "r"}.get(position, "m")
        x = left + (right - left) * position
        item = Text(x, bottom + 0.3 * size + type_.ASCENT * small, text, small, layout.theme.pale, anchor)
        start, _, end, _ = item.box()
        if all(end + small < other.box()[0] or other.box()[2] + small < start for other in items):
            items.append(item)
    return items


def _small(size: int) -> int:
    return max(round(0.85 * size), 10)


def _even(canvas: Canvas) -> Frame:
    """Return the canvas in pixels, with even sides, as film formats need."""
    frame = np.array(canvas.image())
    high, wide = frame.shape[:2]
    paper = np.full((high + high % 2, wide + wide % 2, 3), rgb(canvas.theme.paper), np.uint8)
    paper[:high, :wide] = frame
    return paper
