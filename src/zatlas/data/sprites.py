"""Drawn sprites: one white shape on black, of known shape, scale, rotation and place.

After dSprites (https://github.com/google-deepmind/dsprites-dataset), but smooth-edged, of any size
and with continuous factors. Not every rotation shows: a square comes back after pi/2, an ellipse
after pi, a heart only after 2 pi.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream

Grid = Float32[np.ndarray, "h w n"]  # images last: arithmetic runs along them

SHAPES = ("square", "ellipse", "heart")
RANGES: dict[str, tuple[float, float]] = {
    "scale": (0.5, 1),
    "rotation": (0, 2 * math.pi),  # radians, clockwise on the screen
    "x": (0, 1),  # left to right
    "y": (0, 1),  # top to bottom
}
NAMES = (*RANGES, "shape")
CHUNK = 1024  # rows a stream of random numbers gives; growing a set never redraws a chunk
MIN_SIZE = 8
BLOCK = 1 << 18  # pixels in a block: with fewer, too few share the cost of a call

# In pictures, at scale 1. Every shape has about the same area and stays within its reach.
REACH = 0.235
SQUARE = 0.148  # half a side
ELLIPSE = (0.205, 0.132)
HEART = 0.156  # half the diagonal of the square in it


def factors(count: int, *, seed: int) -> dict[str, np.ndarray]:
    """Uniform and independent; the first k of n are the same whatever n is."""
    if count < 0:
        raise BadData(f"{count} sprites cannot be drawn; ask for 0 or more.")
    chunks = range(max(1, -(-count // CHUNK)))
    rows = [stream(seed, "sprites", i).random((CHUNK, len(NAMES)), np.float32) for i in chunks]
    table = np.concatenate(rows)[:count]
    made: dict[str, np.ndarray] = {}
    for column, (name, (low, high)) in enumerate(RANGES.items()):
        made[name] = np.float32(low) + np.float32(high - low) * table[:, column]
    return made | {"shape": np.array(SHAPES)[(table[:, -1] * len(SHAPES)).astype(np.int64)]}


def draw(factors: dict[str, np.ndarray], size: int) -> Pixels:
    """The pictures of these factors. A picture depends on its own row alone."""
    count = count_checked(factors)
    if size < MIN_SIZE:
        raise BadData(f"A sprite of {size} pixels shows nothing; ask for {MIN_SIZE} or more.")
    pixels = np.empty((count, 1, size, size), np.uint8)
    # Like shapes are drawn together: a block then computes one distance, not three.
    order = np.argsort(factors["shape"], kind="stable")
    rows = max(1, min(4096, BLOCK // size**2))
    edges = np.searchsorted(factors["shape"][order], (*sorted(SHAPES), "~"))
    ends = pairwise(edges.tolist())
    blocks = [order[i : min(i + rows, b)] for a, b in ends for i in range(a, b, rows)]
    with ThreadPoolExecutor(max(1, min(len(blocks), os.cpu_count() or 1, 8))) as pool:
        list(pool.map(partial(draw_block, factors, pixels), blocks))
    return pixels


def attributes(factors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The table: the factors themselves."""
    count_checked(factors)
    return {name: factors[name].copy() for name in NAMES}


def count_checked(factors: dict[str, np.ndarray]) -> int:
    """How many sprites these factors describe, when every factor is there for each of them."""
    missing = [name for name in NAMES if name not in factors]
    if missing:
        raise BadData(
            f"A sprite needs a column for each of its factors; there is none for "
            f"{', '.join(missing)}. Start from factors(count, seed=0) and replace some columns."
        )
    count = len(factors["shape"])
    odd = [name for name in NAMES if np.shape(factors[name]) != (count,)]
    if odd:
        raise BadData(f"Each factor is one value a sprite, here ({count},); not so {', '.join(odd)}.")
    holes = [name for name in RANGES if not np.isfinite(factors[name]).all()]
    if holes:
        raise BadData(f"A factor is a finite number; not all are in {', '.join(holes)}.")
    strange = sorted(set(np.unique(factors["shape"]).tolist()) - set(SHAPES))
    if strange:
        raise BadData(f"A shape is {', '.join(SHAPES)}; one was given as {strange[0]!r}.")
    return count


def draw_block(factors: dict[str, np.ndarray], pixels: Pixels, rows: np.ndarray) -> None:
    """Draw some images of one shape into their places among the pixels."""
    size = pixels.shape[-1]
    scale, angle, x, y = (factors[name][rows].astype(np.float32) for name in RANGES)
    # The whole shape stays within the picture wherever it is put and however it is turned.
    left, top = (np.float32(REACH) + np.float32(1 - 2 * REACH) * place for place in (x, y))
    at = ((np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size))[:, None]
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    across, down = at - left, at - top
    u = (across * cosine)[None] + (down * sine)[:, None]
    v = (down * cosine)[:, None] - (across * sine)[None]
    far = {"square": square_distance, "ellipse": ellipse_distance, "heart": heart_distance}[
        str(factors["shape"][rows[0]])
    ](u, v)
    far *= scale * np.float32(255 * size)
    np.subtract(np.float32(128), far, out=far)  # half covered on the edge, and rounded
    np.clip(far, 0, 255, out=far)
    pixels[rows, 0] = far.astype(np.uint8).transpose(2, 0, 1)


def square_distance(u: Grid, v: Grid) -> Grid:
    """Distance to a square within and beside it; beyond its corners a little less than true."""
    np.abs(u, out=u)
    np.abs(v, out=v)
    np.maximum(u, v, out=u)
    u -= np.float32(SQUARE)
    return u


def ellipse_distance(u: Grid, v: Grid) -> Grid:
    """Distance to an ellipse to first order: the excess of its equation over its slope."""
    a, b = (np.float32(1 / half**2) for half in ELLIPSE)
    u *= u
    v *= v
    value = u * a
    value += v * b
    u *= a * a
    v *= b * b
    u += v
    u += np.float32(1e-6)
    np.sqrt(u, out=u)
    u *= 2
    value -= 1
    value /= u
    return value


def heart_distance(u: Grid, v: Grid) -> Grid:
    """Distance to a heart: a square stood on its corner, and a half disc on each upper side.

    With the square's half diagonal as 1 and its lower corner at (0, -1), the discs are centred on
    the middles of its upper sides, at (1/2, 1/2), and have half a side, 1/sqrt 2, as radius.
    """
    unit = np.float32(HEART)
    np.abs(u, out=u)
    v *= -1  # pictures count downwards
    v += np.float32(0.3132) * unit  # turned about its centre of mass
    diamond = u + np.abs(v)
    diamond -= unit
    diamond *= np.float32(math.sqrt(0.5))
    u -= unit / 2
    v -= unit / 2
    u *= u
    v *= v
    u += v
    np.sqrt(u, out=u)
    u -= unit * np.float32(math.sqrt(0.5))
    np.minimum(u, diamond, out=u)
    return u
