"""Anti-aliased shapes, painted on a block of images at once.

The signed distance to a shape gives the coverage of each pixel. Only the rows and columns that a shape can
touch are painted. x and y run from -1 to 1, y downwards.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

Grid = Float32[np.ndarray, "h w n"]  # images last: arithmetic runs along them, however small h, w
Across = Float32[np.ndarray, "w n"]
Down = Float32[np.ndarray, "h n"]
PerImage = Float32[np.ndarray, "n"]
Colour = Float32[np.ndarray, "3 n"]
Planes = Float32[np.ndarray, "3 h w n"]
Columns = Float32[np.ndarray, "w 1"]
Lines = Float32[np.ndarray, "h 1"]
Size = PerImage | float  # a float is the same for every image
Paint = Colour | tuple[int, int, int]

EPSILON = np.float32(1e-3)  # avoids zero gradients at the centre of a shape


@dataclass(frozen=True)
class Canvas:
    """A rectangle of each image of a block: colours, and the coordinates of pixel centres."""

    planes: Planes
    x: Columns
    y: Lines
    pixel: np.float32  # the side of one pixel

    def crop(self, left: Size, right: Size, top: Size, bottom: Size) -> "Canvas":
        """Return a view of the smallest rectangle that contains these bounds in each image."""
        columns = bounds(self.x, left, right, self.pixel)
        rows = bounds(self.y, top, bottom, self.pixel)
        return Canvas(self.planes[:, rows, columns], self.x[columns], self.y[rows], self.pixel)

    def paint(self, cover: Grid, colour: Paint, alpha: Size = 1.0) -> None:
        """Blend a colour into the image by its coverage of each pixel."""
        if isinstance(alpha, np.ndarray) or alpha != 1:
            cover = cover * alpha
        for plane, value in zip(self.planes, colour, strict=True):
            change = value - plane
            change *= cover
            plane += change


def bounds(centres: Columns, low: Size, high: Size, margin: np.float32) -> slice:
    """Return the rows or columns that a shape can touch in any of these images."""
    ends = (np.min(low) - margin, np.max(high) + margin)
    return slice(*np.searchsorted(centres[:, 0], ends).tolist())


def blank_canvas(size: int, count: int, x: tuple[float, float], y: tuple[float, float]) -> Canvas:
    """Return an unpainted canvas for these ranges of x and y."""
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5))[:, None] / np.float32(size)
    across = np.float32(x[0]) + np.float32(x[1] - x[0]) * at
    down = np.float32(y[0]) + np.float32(y[1] - y[0]) * at
    planes = np.empty((3, size, size, count), np.float32)
    return Canvas(planes, across, down, np.float32((x[1] - x[0]) / size))


def distance(u: Across, v: Down, rx: Size | Down, ry: Size | Down, power: Size, pixel: np.float32) -> Grid:
    """Return the distance in pixels to |u/rx|^p + |v/ry|^p = 1, to first order (exact near the edge)."""
    bu, bv = np.abs(u) + EPSILON, np.abs(v) / ry + EPSILON
    narrow = None
    if np.ndim(rx) < 2:  # one width per image: powers are computed by rows and columns
        bu = bu / rx
        pixels_x = pixel / rx
    else:
        narrow, pixels_x = rx**-power, pixel
    a, b = bu**power, bv**power
    slope_u, slope_v = power * a / bu * pixels_x, power * b / bv / ry * pixel
    value, steep = a[None], (slope_u**2)[None]
    if narrow is not None:
        value, steep = value * narrow[:, None], steep * (narrow**2)[:, None]
    value = value + (b - 1)[:, None]
    steep = steep + (slope_v**2)[:, None]
    far: Grid = value / np.sqrt(steep)
    return far


def inside(far: Grid) -> Grid:
    """Return the coverage of each pixel from the distance in pixels."""
    cover: Grid = np.float32(0.5) - far
    return np.clip(cover, 0, 1, out=cover)


def oval(canvas: Canvas, x: Size, y: Size, rx: Size, ry: Size, colour: Paint, alpha: Size = 1.0) -> None:
    """Paint a filled ellipse."""
    part = canvas.crop(x - rx, x + rx, y - ry, y + ry)
    cover = inside(distance(part.x - x, part.y - y, rx, ry, 2, part.pixel))
    part.paint(cover, colour, alpha)


def glow(canvas: Canvas, x: Size, y: Size, rx: Size, ry: Size, colour: Paint, alpha: Size = 1.0) -> None:
    """Paint a soft spot that fades from its centre to its edge."""
    part = canvas.crop(x - rx, x + rx, y - ry, y + ry)
    part.paint(soft(part, x, y, rx, ry), colour, alpha)


def soft(part: Canvas, x: Size, y: Size, rx: Size, ry: Size) -> Grid:
    """Return the coverage of a soft spot."""
    across, down = ((part.x - x) / rx) ** 2, 1 - ((part.y - y) / ry) ** 2
    cover: Grid = np.maximum(down[:, None] - across[None], 0)
    cover *= cover
    return cover


def stroke(
    canvas: Canvas,
    x: Size,
    y: Size,
    reach: Size,
    half: Size,
    colour: Paint,
    *,
    bend: Size = 0.0,
    tilt: Size = 0.0,
    blunt: bool = False,
    alpha: Size = 1.0,
) -> None:
    """Paint a stroke along y + tilt t + bend t^2, t from -1 to 1, that tapers to both ends."""
    rise = np.abs(bend) + np.abs(tilt) + half
    part = canvas.crop(x - reach, x + reach, y - rise, y + rise)
    t = (part.x - x) / reach
    square = t * t
    middle = y + tilt * t + bend * square
    # On a slope, the vertical distance is longer than the distance by this factor.
    lean = part.pixel * np.sqrt(1 + ((tilt + 2 * bend * t) / reach) ** 2)
    width = half * np.maximum(1 - (square * square if blunt else square), 0) / lean
    far = np.abs(part.y[:, None] - middle[None]) / lean
    # A stroke thinner than a pixel covers only its own width.
    cover = np.clip(width + np.float32(0.5) - far, 0, np.minimum(2 * width, 1))
    part.paint(cover, colour, alpha)


def scallop(t: np.ndarray) -> np.ndarray:
    """Return arcs of height 1 between integers: the outline of locks of hair."""
    part: np.ndarray = t - np.floor(t)
    arcs: np.ndarray = 4 * part * (1 - part)
    return arcs


# Colours ---------------------------------------------------------------------------------------


def mix(a: Colour, b: Paint, share: Size) -> Colour:
    """Mix two colours; `share` is that of the second."""
    other = b if isinstance(b, np.ndarray) else np.array(b, np.float32)[:, None]
    mixed: Colour = a + (other - a) * share
    return mixed


def ramp(colours: tuple[tuple[int, int, int], ...], t: PerImage) -> Colour:
    """Return the colour at t in [0, 1] between evenly spaced colours."""
    table = np.array(colours, np.float32).T
    position = np.clip(t, 0, 1) * (len(colours) - 1)
    first = np.minimum(position.astype(np.int64), len(colours) - 2)
    share = (position - first).astype(np.float32)
    return mix(table[:, first], table[:, first + 1], share)


def hue(turn: PerImage, saturation: float, value: float) -> Colour:
    """Return a colour of the wheel; 0 and 1 are red, 1/3 green, 2/3 blue."""
    offset = np.array([[0], [2], [1]], np.float32) * np.float32(1 / 3)
    wheel = np.clip(np.abs((turn + offset) % 1 * 6 - 3) - 1, 0, 1)
    colour: Colour = np.float32(255 * value) * (1 - np.float32(saturation) * (1 - wheel))
    return colour
