"""A canvas of tiles, text and bars, written as PNG, SVG or PDF."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from PIL import Image, ImageDraw

from zatlas.render import text as type_
from zatlas.render.figure import Figure
from zatlas.render.pixels import Frame, Tiles8, encoded, plotted, repeat
from zatlas.render.theme import LIGHT, Theme, rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Tiles:
    """Images in rows and columns, every pixel drawn as a square of `factor` pixels."""

    x: int
    y: int
    pixels: Tiles8
    columns: int
    factor: int = 1
    gap: int = 0
    drop: int = 0  # free pixels below each row, in addition to the gap

    @property
    def wide(self) -> int:
        """The width of one tile, in pixels of the canvas."""
        return self.pixels.shape[2] * self.factor

    @property
    def high(self) -> int:
        """The height of one tile, in pixels of the canvas."""
        return self.pixels.shape[1] * self.factor

    @property
    def lines(self) -> int:
        """The number of rows."""
        return -(-len(self.pixels) // self.columns)

    def at(self, index: int) -> tuple[int, int]:
        """Return the upper left corner of a tile."""
        line, column = divmod(index, self.columns)
        down = self.high + self.gap + self.drop
        return self.x + column * (self.wide + self.gap), self.y + line * down

    def box(self) -> Rectangle:
        """Return the rectangle that the item covers."""
        across = min(self.columns, len(self.pixels))
        right = self.x + across * (self.wide + self.gap) - self.gap
        bottom = self.y + self.lines * (self.high + self.gap + self.drop) - self.gap - self.drop
        return self.x, self.y, right, bottom

    def moved(self, dx: int, dy: int) -> "Tiles":
        """Return a moved copy."""
        return replace(self, x=self.x + dx, y=self.y + dy)

    def blocks(self) -> Iterator[tuple[int, int, Frame]]:
        """Yield the images to draw with their corners, not enlarged; tiles without gaps are one image."""
        full = len(self.pixels) // self.columns * self.columns
        if self.gap or self.drop or full == 0:
            for index, tile in enumerate(self.pixels):
                yield *self.at(index), tile
            return
        high, wide = self.pixels.shape[1:3]
        grid = self.pixels[:full].reshape(-1, self.columns, high, wide, 3)
        yield self.x, self.y, grid.swapaxes(1, 2).reshape(-1, self.columns * wide, 3)
        for index in range(full, len(self.pixels)):
            yield *self.at(index), self.pixels[index]


@dataclass(frozen=True)
class Text:
    """One line of text; (x, y) is on its baseline, at the left, center or right."""

    x: float
    y: float
    text: str
    size: int
    colour: str
    anchor: str = "l"  # l, m or r
    turned: bool = False  # rotated by 90 degrees, to read from bottom to top

    def box(self) -> Rectangle:
        """Return the rectangle that the item covers."""
        wide = type_.width(self.text, self.size)
        before = {"l": 0.0, "m": wide / 2, "r": wide}[self.anchor]
        up, down = type_.ASCENT * self.size, type_.DESCENT * self.size
        if self.turned:
            return self.x - up, self.y - wide + before, self.x + down, self.y + before
        return self.x - before, self.y - up, self.x - before + wide, self.y + down

    def moved(self, dx: int, dy: int) -> "Text":
        """Return a moved copy."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Bar:
    """A filled rectangle; a thin one is a line."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str
    opacity: float = 1.0

    def box(self) -> Rectangle:
        """Return the rectangle that the item covers."""
        return self.left, self.top, self.right, self.bottom

    def moved(self, dx: int, dy: int) -> "Bar":
        """Return a moved copy."""
        return Bar(
            self.left + dx, self.top + dy, self.right + dx, self.bottom + dy, self.colour, self.opacity
        )


Item = Tiles | Text | Bar


@dataclass(frozen=True, repr=False)
class Canvas(Figure):
    """A figure as a list of items, in drawing order."""

    width: int
    height: int
    items: tuple[Item, ...]
    theme: Theme = LIGHT
    title: str = ""  # alternative text
    origin: tuple[int, int] = (0, 0)  # where the (0, 0) of the content is on the paper

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def image(self) -> Image.Image:
        """Return the canvas as an image."""
        image = Image.new("RGB", self.size, rgb(self.theme.paper))
        for item in self.items:
            _paint(image, item)
        return image

    def rendered(self, kind: str) -> bytes:
        """Return the bytes of a png, svg, pdf, webp or jpg file."""
        if kind == "svg":
            return self.svg().encode()
        return self.pdf() if kind == "pdf" else encoded(self.image(), kind)

    @property
    def array(self) -> Frame:
        """The pixels as an array (height, width, 3) of uint8."""
        return np.asarray(self.image())

    def svg(self) -> str:
        """Return the canvas as SVG, with text as text and sharp pixels."""
        wide, high = self.size
        body = "\n".join(line for item in self.items for line in _svg(item))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
            f'viewBox="0 0 {wide} {high}" font-family={quoteattr(type_.FAMILIES)} role="img">\n'
            f"<title>{escape(type_.clean(self.title))}</title>\n"
            f'<rect width="{wide}" height="{high}" fill="{self.theme.paper}"/>\n{body}\n</svg>\n'
        )

    def pdf(self) -> bytes:
        """Return the canvas as PDF, one point for each pixel, with text as text."""
        from matplotlib.figure import Figure as MatplotlibFigure

        figure = MatplotlibFigure(figsize=(self.width / 72, self.height / 72), dpi=72)
        figure.set_facecolor(self.theme.paper)
        for order, item in enumerate(self.items):
            _print(figure, item, self.height, order)
        return plotted(figure, "pdf", dpi=72)


def page(
    items: Sequence[Item], *, size: int, title: str = "", note: str = "", theme: Theme = LIGHT
) -> Canvas:
    """Return a canvas that fits these items, with a title above and a note below them."""
    left, top, right, bottom = bounds(items)
    large, small, margin = round(1.35 * size), max(round(0.85 * size), 10), round(1.5 * size)
    text_width = max(right - left, min(type_.width(title, large), 24.0 * size))
    all_items = list(items)
    above = type_.lines(title, large, text_width)
    y = top - 0.9 * size
    for line in reversed(above):
        all_items.append(Text(left, y - type_.DESCENT * large, line, large, theme.ink))
        y -= 1.3 * large
    y = bottom + 0.6 * size
    for line in type_.lines(note, small, text_width):
        all_items.append(Text(left, y + type_.ASCENT * small, line, small, theme.pale))
        y += 1.35 * small
    left, top, right, bottom = bounds(all_items)
    dx, dy = margin - int(np.floor(left)), margin - int(np.floor(top))
    width, height = int(np.ceil(right)) + dx + margin, int(np.ceil(bottom)) + dy + margin
    placed = tuple(item.moved(dx, dy) for item in all_items)
    return Canvas(width, height, placed, theme, title, (dx, dy))


def bounds(items: Sequence[Item]) -> Rectangle:
    """Return the smallest rectangle around these items."""
    boxes = np.array([item.box() for item in items])
    return (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))


def _paint(image: Image.Image, item: Item) -> None:
    if isinstance(item, Tiles):
        for x, y, tile in item.blocks():
            image.paste(Image.fromarray(repeat(tile[None], item.factor)[0]), (x, y))
    elif isinstance(item, Text):
        _write(image, item)
    else:
        # Pillow counts the last pixel in, and bars are at least one pixel thick.
        left, top = round(item.left), round(item.top)
        right, bottom = max(round(item.right), left + 1), max(round(item.bottom), top + 1)
        colour = Image.new("RGB", (right - left, bottom - top), rgb(item.colour))
        if item.opacity < 1:
            colour = Image.blend(image.crop((left, top, right, bottom)), colour, item.opacity)
        image.paste(colour, (left, top))


def _write(image: Image.Image, item: Text) -> None:
    words = type_.clean(item.text)
    font = type_.font(type_.face(words), item.size)
    if not item.turned:
        pen = ImageDraw.Draw(image)
        pen.text((item.x, item.y), words, rgb(item.colour), font, anchor=item.anchor + "s")
        return
    left, top, right, bottom = item.box()
    up = round(type_.ASCENT * item.size)
    mask = Image.new("L", (round(bottom - top) + 2, round(right - left) + 2))
    ImageDraw.Draw(mask).text((0, up), words, 255, font, anchor="ls")
    mask = mask.rotate(90, expand=True)
    image.paste(rgb(item.colour), (round(item.x) - up, round(bottom) - mask.height), mask)


def _svg(item: Item) -> Iterator[str]:
    if isinstance(item, Tiles):
        for x, y, tile in item.blocks():
            data = base64.b64encode(encoded(Image.fromarray(tile), "png")).decode()
            high, wide = tile.shape[0] * item.factor, tile.shape[1] * item.factor
            sharp = ' style="image-rendering:pixelated"' if item.factor > 1 else ""
            yield (
                f'<image x="{x}" y="{y}" width="{wide}" height="{high}"{sharp} '
                f'href="data:image/png;base64,{data}"/>'
            )
    elif isinstance(item, Text):
        anchor = {"l": "start", "m": "middle", "r": "end"}[item.anchor]
        at, on = f"{item.x:.1f}", f"{item.y:.1f}"
        turn = f' transform="rotate(-90 {at} {on})"' if item.turned else ""
        yield (
            f'<text x="{at}" y="{on}" font-size="{item.size}" fill="{item.colour}" '
            f'text-anchor="{anchor}"{turn}>{escape(type_.clean(item.text))}</text>'
        )
    else:
        clear = f' opacity="{item.opacity:g}"' if item.opacity < 1 else ""
        wide, high = item.right - item.left, item.bottom - item.top
        yield (
            f'<rect x="{item.left:g}" y="{item.top:g}" width="{wide:g}" height="{high:g}" '
            f'fill="{item.colour}"{clear}/>'
        )


def _print(figure: "MatplotlibFigure", item: Item, height: int, order: int) -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import Rectangle as Patch

    if isinstance(item, Tiles):
        for x, y, tile in item.blocks():
            # Enlarged here, because many PDF viewers blur images when they enlarge them.
            large = repeat(tile[None], item.factor)[0]
            figure.figimage(large, x, height - y - len(large), origin="upper", zorder=order)
    elif isinstance(item, Text):
        words = type_.clean(item.text)
        side = {"l": "left", "m": "center", "r": "right"}[item.anchor]
        figure.text(
            item.x,
            height - item.y,
            words,
            transform=None,
            color=item.colour,
            ha=side,
            va="baseline",
            rotation=90 * item.turned,
            rotation_mode="anchor",
            zorder=order,
            parse_math=False,
            font=FontProperties(fname=type_.face(words), size=item.size),
        )
    else:
        corner, wide = (item.left, height - item.bottom), item.right - item.left
        figure.add_artist(
            Patch(
                corner,
                wide,
                item.bottom - item.top,
                transform=None,
                facecolor=item.colour,
                alpha=item.opacity,
                linewidth=0,
                zorder=order,
            )
        )
