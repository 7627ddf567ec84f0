"""What a film shows around its images: paper, title, a panel, and how far from the data it is."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from zatlas.core.errors import ShapeError
from zatlas.render import words as type_
from zatlas.render.axes import ticks
from zatlas.render.canvas import Bar, Canvas, Item, Tiles, Words, page
from zatlas.render.panel import Panel, pixel_of, stroke
from zatlas.render.pixels import Frame, repeat
from zatlas.render.strip import LEAVES, OUTSIDE, tint
from zatlas.render.theme import Theme, rgb
from zatlas.render.tiles import framed, text_size

PANEL_LEAST = 256  # pixels a side


@dataclass(frozen=True)
class Around:
    """What is shown beside the images, as the caller gave it."""

    title: str
    panel: Panel | None
    far: np.ndarray | None
    theme: Theme

    @property
    def frames(self) -> int | None:
        """How many frames this is for; None if for any number."""
        places = None if self.panel is None else len(self.panel.places)
        distances = None if self.far is None else len(self.far)
        if places is not None and distances is not None and places != distances:
            raise ShapeError(
                f"The panel has {places} places and `far` {distances} distances; give one of each a frame."
            )
        return distances if places is None else places


class Scene:
    """Draws frame after frame; it remembers the trail that the panel's point has left."""

    def __init__(self, first: Frame, factor: int, around: Around) -> None:
        self.around, self.drawn = around, 0
        image = Tiles(0, 0, first[None], 1, factor)
        inset = _inset(image, around)
        if inset is not None:
            size = text_size(image.wide + inset.wide)
            image = image.moved(inset.wide + round(1.5 * size), (inset.high - image.high) // 2)
        size = text_size(image.box()[2])
        band = None if around.far is None else _band(image, around, size)
        canvas = _canvas(image, inset, band, around, size)
        self.image = image.moved(*canvas.origin)
        self.inset = None if inset is None else inset.moved(*canvas.origin)
        self.band = None if band is None else band.moved(*canvas.origin)
        self.paper = _even(canvas)
        # Nothing around it: whoever writes the frame enlarges it, which costs less after all else.
        self.bare = self.paper.shape[:2] == (self.image.high, self.image.wide)
        self.outside = self.paper
        if self.band is not None:
            word = _alarm(self.band, around, size)
            self.outside = _even(replace(canvas, items=(*canvas.items, word)))
        if self.inset is not None and around.panel is not None:
            self.way = pixel_of(around.panel, self.inset.wide) + np.array([self.inset.x, self.inset.y])

    def frame(self, picture: Frame) -> Frame:
        """The next frame: this picture, and around it, enlarged with it, what belongs to its number."""
        _check_size(picture, self.image)
        if self.bare:
            return picture
        index, self.drawn = self.drawn, self.drawn + 1
        theme = self.around.theme
        if self.inset is not None:
            self._leave_trail(index)
        far = self.around.far
        lost = far is not None and far[index] > OUTSIDE
        frame = (self.outside if lost else self.paper).copy()
        _lay(frame, picture, self.image)
        if self.inset is not None:
            spot, thick = tuple(self.way[index].tolist()), self.inset.wide / 26
            stroke(frame, spot, spot, thick + 3, theme.paper)
            stroke(frame, spot, spot, thick, theme.imagined)
        if self.band is not None and far is not None:
            left, top, right, bottom = map(int, self.band.box())
            x = left + round((right - left - 2) * index / max(len(far) - 1, 1))
            frame[top - 3 : bottom + 3, x : x + 2] = rgb(theme.ink)
        return frame

    def _leave_trail(self, index: int) -> None:
        assert self.inset is not None
        if index:
            a, b = self.way[index - 1].tolist(), self.way[index].tolist()
            for paper in {id(p): p for p in (self.paper, self.outside)}.values():
                stroke(paper, tuple(a), tuple(b), self.inset.wide / 90, self.around.theme.imagined)


def _check_size(picture: Frame, place: Tiles) -> None:
    if picture.shape != place.pixels.shape[1:]:
        raise ShapeError(
            f"A film's images have one size; after {place.pixels.shape[1:3]} came {picture.shape[:2]}."
        )


def _lay(frame: Frame, picture: Frame, place: Tiles) -> None:
    x, y = place.x, place.y
    frame[y : y + place.high, x : x + place.wide] = repeat(picture[None], place.factor)[0]


def _inset(image: Tiles, around: Around) -> Tiles | None:
    if around.panel is None:
        return None
    side = max(image.high, PANEL_LEAST)
    picture = Image.fromarray(around.panel.picture).resize((side, side), Image.Resampling.LANCZOS)
    return Tiles(0, 0, np.asarray(picture)[None], 1)


def _canvas(image: Tiles, inset: Tiles | None, band: Tiles | None, around: Around, size: int) -> Canvas:
    theme = around.theme
    items: list[Item] = [image]
    if inset is not None and around.panel is not None:
        items += [inset, *framed(inset, theme.line, 1)]
        items += ticks(inset, around.panel.box, size, theme)
    if band is not None:
        word = _alarm(band, around, size)
        left, top, right, bottom = word.box()
        items += [band, Bar(left, top, right, bottom, theme.paper)]
    if len(items) == 1 and not around.title:
        return Canvas(image.wide, image.high, (image,), theme)
    return page(items, size=size, title=around.title, theme=theme)


def _band(image: Tiles, around: Around, size: int) -> Tiles:
    """The distance over the whole film, from left to right, higher and warmer where it is larger."""
    far = np.nan_to_num(np.asarray(around.far, float), nan=0, posinf=2 * OUTSIDE)
    left, _, right, bottom = map(int, image.box())
    tall = round(0.6 * size)
    surface = np.full((tall, right - left, 3), rgb(around.theme.paper), np.uint8)
    for x, distance in enumerate(
        np.interp(np.linspace(0, 1, right - left), np.linspace(0, 1, len(far)), far)
    ):
        high = max(round(tall * min(distance / OUTSIDE, 1.5) / 1.5), 2)
        surface[tall - high :, x] = rgb(tint(float(distance), around.theme))
    return Tiles(left, bottom + round(0.5 * size), surface[None], 1)


def _alarm(band: Tiles, around: Around, size: int) -> Words:
    left, _, right, bottom = band.box()
    small = max(round(0.85 * size), 10)
    y = bottom + 0.3 * size + type_.ASCENT * small
    return Words((left + right) / 2, y, LEAVES, small, around.theme.alarm, "m")


def _even(canvas: Canvas) -> Frame:
    """The canvas in pixels, with even sides, as the formats of films want them."""
    frame = np.array(canvas.image())
    high, wide = frame.shape[:2]
    paper = np.full((high + high % 2, wide + wide % 2, 3), rgb(canvas.theme.paper), np.uint8)
    paper[:high, :wide] = frame
    return paper
