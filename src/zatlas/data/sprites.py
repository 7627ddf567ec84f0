"""Synthetic sprites: one white shape on black, of known shape, scale, rotation and position.

After dSprites (https://github.com/google-deepmind/dsprites-dataset), but with smooth edges, of any size
and with continuous factors. A square looks the same after a rotation of pi/2, an ellipse after pi, a heart
after 2 pi.
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
CHUNK = 1024  # rows of one random stream, so that a larger dataset begins with the smaller one
MIN_SIZE = 8
BLOCK = 1 << 18  # pixels in a block

# In units of the image size, at scale 1. Every shape has about the same area and stays inside REACH.
REACH = 0.235
SQUARE = 0.148  # half a side
ELLIPSE = (0.205, 0.132)
HEART = 0.156  # half the diagonal of the square in it


def factors(count: int, *, seed: int) -> dict[str, np.ndarray]:
    """Return uniform, independent factors; the first k rows do not depend on `count`."""
    if count < 0:
        raise BadData(f"The number of sprites must be 0 or more, not {count}.")
    chunks = range(max(1, -(-count // CHUNK)))
    rows = [stream(seed, "sprites", i).random((CHUNK, len(NAMES)), np.float32) for i in chunks]
    table = np.concatenate(rows)[:count]
    columns: dict[str, np.ndarray] = {}
    for column, (name, (low, high)) in enumerate(RANGES.items()):
        columns[name] = np.float32(low) + np.float32(high - low) * table[:, column]
    return columns | {"shape": np.array(SHAPES)[(table[:, -1] * len(SHAPES)).astype(np.int64)]}


def draw(factors: dict[str, np.ndarray], size: int) -> Pixels:
    """Return the images (n, 1, size, size) of these factors; each depends only on its own row."""
    count = count_checked(factors)
    if size < MIN_SIZE:
        raise BadData(f"The size of sprites must be at least {MIN_SIZE} pixels, not {size}.")
    pixels = np.empty((count, 1, size, size), np.uint8)
    # Each block has one shape, so that only its distance is computed.
    order = np.argsort(factors["shape"], kind="stable")
    rows = max(1, min(4096, BLOCK // size**2))
    edges = np.searchsorted(factors["shape"][order], (*sorted(SHAPES), "~"))
    ends = pairwise(edges.tolist())
    blocks = [order[i : min(i + rows, b)] for a, b in ends for i in range(a, b, rows)]
    with ThreadPoolExecutor(max(1, min(len(blocks), os.cpu_count() or 1, 8))) as pool:
        list(pool.map(partial(draw_block, factors, pixels), blocks))
    return pixels


def attributes(factors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the attributes of these sprites, which are their factors."""
    count_checked(factors)
    return {name: factors[name].copy() for name in NAMES}


def count_checked(factors: dict[str, np.ndarray]) -> int:
    """Return the number of rows; `BadData` if a factor is missing or invalid."""
    missing = [name for name in NAMES if name not in factors]
    if missing:
        raise BadData(
            f"Sprites need the factors {', '.join(missing)}, too. Start from factors(count, seed=0) and "
            "replace columns."
        )
    count = len(factors["shape"])
    wrong = [name for name in NAMES if np.shape(factors[name]) != (count,)]
    if wrong:
        raise BadData(f"Each factor must have the shape ({count},); not so {', '.join(wrong)}.")
    invalid = [name for name in RANGES if not np.isfinite(factors[name]).all()]
    if invalid:
        raise BadData(f"Factors with NaN or infinity: {', '.join(invalid)}.")
    unknown = sorted(set(np.unique(factors["shape"]).tolist()) - set(SHAPES))
    if unknown:
        raise BadData(f"The shape must be one of {', '.join(SHAPES)}, not {unknown[0]!r}.")
    return count


def draw_block(factors: dict[str, np.ndarray], pixels: Pixels, rows: np.ndarray) -> None:
    """Draw these rows, all of one shape, into `pixels`."""
    size = pixels.shape[-1]
    scale, angle, x, y = (factors[name][rows].astype(np.float32) for name in RANGES)
    # The shape stays inside the image for every position and rotation.
    left, top = (np.float32(REACH) + np.float32(1 - 2 * REACH) * position for position in (x, y))
    at = ((np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size))[:, None]
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    across, down = at - left, at - top
    u = (across * cosine)[None] + (down * sine)[:, None]
    v = (down * cosine)[:, None] - (across * sine)[None]
    far = {"square": square_distance, "ellipse": ellipse_distance, "heart": heart_distance}[
        str(factors["shape"][rows[0]])
    ](u, v)
    far *= scale * np.float32(255 * size)
    np.subtract(np.float32(128), far, out=far)  # pixels on the edge are half covered; rounded
    np.clip(far, 0, 255, out=far)
    pixels[rows, 0] = far.astype(np.uint8).transpose(2, 0, 1)


def square_distance(u: Grid, v: Grid) -> Grid:
    """Return the signed distance to a square; slightly too small outside its corners."""
    np.abs(u, out=u)
    np.abs(v, out=v)
    np.maximum(u, v, out=u)
    u -= np.float32(SQUARE)
    return u


def ellipse_distance(u: Grid, v: Grid) -> Grid:
    """Return the signed distance to an ellipse to first order: its equation divided by the gradient."""
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
    """Return the signed distance to a heart: a square on its corner, and a disc on each upper side.

    With half the diagonal of the square as 1 and its lower corner at (0, -1), the centres of the discs are
    (1/2, 1/2) and (-1/2, 1/2), the centres of the upper sides; their radius is half a side, 1/sqrt 2.
    """
    unit = np.float32(HEART)
    np.abs(u, out=u)
    v *= -1  # rows count downwards
    v += np.float32(0.3132) * unit  # rotate about the centre of mass
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
