"""Synthetic portraits of any number and size, with known factors for each image.

An image is a stack of anti-aliased shapes. They are drawn for a block of images at once, which amortizes the
overhead of numpy, and threads draw the blocks.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData
from zatlas.data.faces.face import INK, WHITE, Face, face_from_factors
from zatlas.data.faces.face_factors import attributes, count_checked, factors
from zatlas.data.faces.face_parts import brows, eyes, moustache, mouth, nose, worn, wrinkles
from zatlas.data.faces.shapes import (
    Canvas,
    Down,
    PerImage,
    blank_canvas,
    distance,
    glow,
    inside,
    mix,
    oval,
    scallop,
    soft,
    stroke,
)

__all__ = ["attributes", "draw", "factors"]

MIN_SIDE = 8
BLOCK = 1 << 20  # pixels in a block


def draw(factors: dict[str, np.ndarray], size: int) -> Pixels:
    """Return the images (n, 3, size, size) of these factors; each depends only on its own row."""
    count = count_checked(factors)
    if size < MIN_SIDE:
        raise BadData(f"The size of faces must be at least {MIN_SIDE} pixels, not {size}.")
    pixels = np.empty((count, 3, size, size), np.uint8)
    rows = max(1, min(256, BLOCK // size**2))
    starts = range(0, count, rows)
    work = partial(draw_block, factors, pixels, rows)
    if len(starts) < 2:
        for start in starts:
            work(start)
        return pixels
    with ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1, 8)) as pool:
        list(pool.map(work, starts))
    return pixels


def draw_block(factors: dict[str, np.ndarray], pixels: Pixels, rows: int, start: int) -> None:
    """Draw the images from `start` on, layer by layer, into `pixels`."""
    part = slice(start, start + rows)
    face = face_from_factors({name: np.ascontiguousarray(column[part]) for name, column in factors.items()})
    canvas = blank_canvas(pixels.shape[-1], len(pixels[part]), (-0.89, 0.89), (-0.85, 0.93))
    for layer in LAYERS:
        layer(canvas, face)
    finished = (np.clip(canvas.planes, 0, 255) + 0.5).astype(np.uint8)
    pixels[part] = finished.transpose(3, 0, 1, 2)


# Layers, back to front --------------------------------------------------------------------------


def background(canvas: Canvas, s: Face) -> None:
    """Draw a plain background, and a lighter disc behind the head."""
    canvas.planes[:] = s.ground[:, None, None]
    oval(canvas, 0.0, -0.02, 0.79, 0.79, mix(s.ground, WHITE, 0.4))


def back_hair(canvas: Canvas, s: Face) -> None:
    """Draw the hair behind the head."""
    length, wave = s.row["hair_length"], s.row["hair_wave"]
    rx, ry = cap(s)
    top = np.where(s.bald > 0, s.y - 0.10, s.y)
    rise = np.where(s.bald > 0, 0.14, ry - 0.03)
    end = s.y + 0.13 + 0.92 * length
    round_end = 0.13 + 0.12 * length
    part = canvas.crop(s.x - rx * 1.3, s.x + rx * 1.3, top - rise, end)
    above, below = np.minimum(part.y - top, 0), np.maximum(part.y - (end - round_end), 0)
    flare = 1 + 0.20 * length * np.clip((part.y - s.y) * 1.6, 0, 1)
    far = distance(
        part.x - s.x,
        above + below,
        rx * flare * locks(part.y - s.y, wave),
        np.where(above < 0, rise, round_end),
        2.3,
        part.pixel,
    )
    part.paint(inside(far), s.dark_hair)


def cap(s: Face) -> tuple[PerImage, PerImage]:
    """Return the half width and half height of the head with its hair."""
    length = s.row["hair_length"]
    return s.width + 0.035 + 0.045 * length, s.height + 0.055 + 0.05 * length


def locks(v: Down, wave: PerImage) -> Down:
    """Return the relative width of the hair at each height, with arcs for curls."""
    return 1 + wave * (0.15 * scallop(v * 4.2 + 0.3) - 0.06)


def body(canvas: Canvas, s: Face) -> None:
    """Draw neck, shoulders and a collar; broader for men."""
    neck = 0.155 + 0.085 * s.male
    shoulders = 0.62 + 0.17 * s.male
    part = canvas.crop(-shoulders, shoulders, 0.65, 1)
    cloth = inside(distance(part.x, part.y - 1.12, shoulders, 0.47, 2, part.pixel))
    part.paint(cloth, s.cloth)
    lit = soft(part, -0.45 * shoulders, 0.86, 0.34, 0.22)
    part.paint(lit * cloth, mix(s.cloth, WHITE, 0.25))
    oval(canvas, 0.0, 0.69, neck + 0.10, 0.15, mix(s.cloth, WHITE, 0.45))
    oval(canvas, 0.0, 0.67, neck + 0.055, 0.12, s.skin)
    part = canvas.crop(-neck, neck, 0.2, 0.78)
    far = distance(part.x, part.y - 0.46, neck, 0.30, 5.0, part.pixel)
    skin = inside(far)
    part.paint(skin, s.skin)
    # The coverage of the neck masks the shadow of the chin.
    shadow = inside(distance(part.x - s.x, part.y - s.y - 0.10, s.width * 0.86, s.height, 2, part.pixel))
    part.paint(skin * shadow, s.shade, 0.8)


def ears(canvas: Canvas, s: Face) -> None:
    """Draw the ears."""
    for side in (-1.0, 1.0):
        x = s.x - 0.03 * s.turn + side * (s.width + 0.005)
        y = s.y + 0.06 - 0.03 * s.row["pose_y"]
        oval(canvas, x, y, 0.078, 0.115, s.skin)
        oval(canvas, x + 0.01 * side, y, 0.043, 0.069, s.shade, 0.8)


def rim(canvas: Canvas, s: Face) -> None:
    """Draw the hair of a bald head above its ears."""
    for side in (-1.0, 1.0):
        x = s.x + side * (s.width - 0.03)
        wide, tall = 0.105 + 0.02 * s.row["hair_wave"], 0.20 + 0.03 * s.row["hair_length"]
        oval(canvas, x, s.y - 0.07, wide, tall, s.hair, s.bald)


def head(canvas: Canvas, s: Face) -> None:
    """Draw the face, its shadow, the blush and the beard."""
    part = canvas.crop(s.x - s.width - 0.05, s.x + s.width + 0.05, s.y - s.height, s.y + s.height + 0.06)
    u, v = part.x - s.x, part.y - s.y
    down = np.clip(v / s.height, 0, 1)
    rx = s.width * (1 - s.taper * down * down)
    far = distance(u, v, rx, s.height, s.jaw, part.pixel)
    grown = far - 0.03 / part.pixel
    face = inside(far)
    part.paint(face, s.skin)
    lit = u / s.width * 0.75
    slant = lit[None] + (v / s.height * 0.55)[:, None]
    slant -= 0.22
    np.clip(slant, 0, 1, out=slant)
    slant *= face
    part.paint(slant, s.shade)
    glow(part, s.x - 0.35 * s.width, s.y - 0.25, s.width * 0.6, s.height * 0.5, mix(s.skin, WHITE, 0.5), 0.6)
    for _, x, near in s.eyes():
        cheek = x + (x - s.face_x) * 0.22
        glow(
            canvas,
            cheek,
            s.face_y + 0.185,
            0.17 * near,
            0.13,
            mix(s.skin, (238, 60, 70), 0.5),
            s.row["blush"],
        )
    # A beard covers the lower face up to a line from ear to lip, and a margin below the chin.
    t = (part.x - (s.face_x + s.x) / 2) / s.width
    edge = s.face_y + 0.235 - 0.27 * np.minimum(t**4, 1)
    below = inside((edge[None] - part.y[:, None]) / part.pixel)
    below *= inside(grown)
    part.paint(below, s.beard, s.row["beard"])


def front_hair(canvas: Canvas, s: Face) -> None:
    """Draw the hair down to the hairline or the bangs, unless the head is bald."""
    wave, bangs = s.row["hair_wave"], s.row["bangs"]
    rx, ry = cap(s)
    part = canvas.crop(s.x - rx * 1.15, s.x + rx * 1.15, s.y - ry * 1.05, s.y + 0.2)
    u, v = part.x - s.x, part.y - s.y
    cover = inside(distance(u, v, rx * locks(v, wave), ry, 2.25, part.pixel))
    t = (part.x - s.face_x * 0.7) / s.width
    parted = -0.46 + 0.28 * np.abs(t + 0.3) ** 1.5 + 0.14 * t**8
    fringe = -0.205 + 0.035 * scallop(t * 2.6 + 0.5) * (1 + wave) + 0.12 * t**6
    line = s.y + np.where(bangs > 0, fringe, parted) + 0.02 * s.row["pose_y"]
    # At the sides of the face, the hair ends in a point at the ear.
    line = np.minimum(line, s.y + 0.06) - 2.2 * np.maximum(np.abs(part.x - s.x) / s.width - 0.95, 0)
    hairy = 1 - s.bald
    shadow = cover * inside((part.y[:, None] - line[None] - 0.035) / part.pixel)
    shadow *= np.clip(9 - 9.5 * np.abs(u) / s.width, 0, 1)[None]  # only on the face
    part.paint(shadow, mix(s.shade, s.line, 0.5), hairy * 0.6)
    cover *= inside((part.y[:, None] - line[None]) / part.pixel)
    cover *= hairy
    part.paint(cover, s.hair)
    shine = soft(part, s.x - 0.12, s.y - 0.50, s.width * 0.75, 0.11)
    part.paint(shine * cover, s.light_hair, 0.9)


def bare_head(canvas: Canvas, s: Face) -> None:
    """Draw the highlight of a bald head, and a forelock if it has bangs."""
    glow(canvas, s.x - 0.13, s.y - 0.40, 0.16, 0.09, mix(s.skin, WHITE, 0.8), s.bald * 0.8)
    lock = s.bald * s.row["bangs"]
    under = mix(s.dark_hair, INK, 0.5)
    stroke(canvas, s.face_x * 0.7, s.y - 0.475, 0.17, 0.055, under, bend=0.11, alpha=lock)
    for offset, lift, tilt in ((-0.075, 0.03, -0.05), (0.085, 0.035, 0.06), (0.005, 0.0, 0.015)):
        stroke(
            canvas,
            s.face_x * 0.7 + offset,
            s.y - 0.50 + lift,
            0.10,
            0.045,
            s.hair,
            tilt=tilt,
            bend=0.07,
            alpha=lock,
        )


LAYERS = (
    background,
    back_hair,
    body,
    rim,
    ears,
    head,
    nose,
    wrinkles,
    moustache,
    mouth,
    eyes,
    front_hair,
    bare_head,
    brows,
    worn,
)
