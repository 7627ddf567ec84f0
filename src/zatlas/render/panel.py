"""Panels of a film: an image of a plane with a point that moves to the position of each frame."""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Labels, Plane
from zatlas.core.errors import ShapeError
from zatlas.render.pixels import Frame
from zatlas.render.theme import LIGHT, Theme, rgb

SIDE = 768  # pixels of a panel's image, before the film resizes it
Bounds = tuple[float, float, float, float]
Surface = Float32[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Panel:
    """An image of a plane, and the position of each frame in it."""

    image: Frame  # of the box, with the top row first
    positions: Plane  # one for each frame
    box: Bounds  # left, bottom, right, top in units of the plane
    trail: Plane | None = None  # positions with the same number of steps between all frames
    axes: tuple[str, str] = ("", "")  # names of the two dimensions

    @property
    def line(self) -> Plane:
        """The positions that the trail of the point connects."""
        return self.positions if self.trail is None else self.trail


def density_panel(
    trail: Plane,
    *,
    every: int = 1,
    axes: tuple[str, str] = ("", ""),
    extent: float = 3.0,
    theme: Theme = LIGHT,
) -> Panel:
    """Draw the curve over the density of the standard normal prior, with rings at 1, 2, 3 std.

    Every `every`-th position of the trail is that of a frame; those between make the drawn curve smooth.
    `axes` are the names of the two dimensions.
    """
    _check(trail)
    extent = max(extent, 1.08 * float(np.abs(trail).max()))
    box = (-extent, -extent, extent, extent)
    steps = (np.arange(SIDE) + 0.5) / SIDE * 2 * extent - extent
    norm = np.hypot(steps[None], steps[:, None]).astype(np.float32)
    surface = _mix(_paper(theme), theme.real, 0.75 * np.exp(-(norm**2) / 2))
    pixel = 2 * extent / SIDE
    for ring in range(1, ceil(extent)):
        surface = _mix(surface, theme.line, np.clip(1.25 - np.abs(norm - ring) / pixel, 0, 1))
    return _with_curve(surface, trail, box, theme, every, axes)


def cloud_panel(
    cloud: Plane, labels: Labels | None, trail: Plane, *, every: int = 1, theme: Theme = LIGHT
) -> Panel:
    """Draw the curve over the points of a chart, coloured by class; `trail` is as for `density_panel`."""
    _check(trail)
    low, high = np.percentile(cloud, (0.5, 99.5), axis=0)
    low, high = np.minimum(low, trail.min(axis=0)), np.maximum(high, trail.max(axis=0))
    center, half = (low + high) / 2, max(float((high - low).max()) / 2 * 1.1, 1e-6)
    (left, bottom), (right, top) = (center - half).tolist(), (center + half).tolist()
    kinds = np.zeros(len(cloud), int) if labels is None else np.asarray(labels)
    count, tinted = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE, 3), np.float32)
    for kind in np.unique(kinds):
        mine, span = cloud[kinds == kind], ((bottom, top), (left, right))
        here = np.histogram2d(mine[:, 1], mine[:, 0], SIDE, span)[0][::-1].astype(np.float32)
        count += here
        tinted += here[..., None] * as_float(theme.palette[int(kind) % len(theme.palette)])
    ink, weighted = _dots(count[..., None]), _dots(tinted)
    mean = weighted / np.maximum(ink, 1e-6)
    surface = _paper(theme)
    surface += (mean - surface) * (1 - np.exp(-0.6 * ink))
    return _with_curve(surface, trail, (left, bottom, right, top), theme, every)


def stroke(
    surface: np.ndarray,
    a: tuple[float, float],
    b: tuple[float, float],
    thick: float,
    colour: str,
    opacity: float = 1.0,
) -> None:
    """Draw a smooth line with round ends into `surface`; a disc if a equals b."""
    reach = thick / 2 + 1
    (ax, ay), (bx, by) = a, b
    left, right = max(int(min(ax, bx) - reach), 0), int(max(ax, bx) + reach) + 1
    top, bottom = max(int(min(ay, by) - reach), 0), int(max(ay, by) + reach) + 1
    part = surface[top:bottom, left:right]
    if not part.size:
        return
    x = np.arange(left, left + part.shape[1], dtype=np.float32) - ax
    y = np.arange(top, top + part.shape[0], dtype=np.float32)[:, None] - ay
    dx, dy = bx - ax, by - ay
    if dx or dy:
        along = (x * dx + y * dy) / (dx * dx + dy * dy)
        along = np.minimum(np.maximum(along, 0), 1)
        x, y = x - along * dx, y - along * dy
    away = np.hypot(x, y)
    covered = opacity * np.minimum(np.maximum(thick / 2 + 0.5 - away, 0), 1)[..., None]
    part[:] = np.rint(part + (as_float(colour) - part) * covered)


def pixel_of(panel: Panel, side: int, positions: Plane | None = None) -> Plane:
    """Return positions (default: those of the frames) in pixels of an image with this side."""
    left, bottom, right, top = panel.box
    positions = panel.positions if positions is None else positions
    x = (positions[:, 0] - left) / (right - left) * side - 0.5
    y = (top - positions[:, 1]) / (top - bottom) * side - 0.5
    return np.stack([x, y], axis=1).astype(np.float32)


def as_float(colour: str) -> np.ndarray:
    """Return a colour as three floats."""
    return np.array(rgb(colour), np.float32)


def _check(positions: Plane) -> None:
    if positions.ndim != 2 or positions.shape[1] != 2 or not len(positions):
        raise ShapeError(
            f"A panel needs positions in a plane, an array (n, 2) with n of 1 or more, not {positions.shape}."
        )


def _with_curve(
    surface: Surface, trail: Plane, box: Bounds, theme: Theme, every: int, axes: tuple[str, str] = ("", "")
) -> Panel:
    """Draw the complete curve as a thin line, so that the viewer sees where the point will go."""
    trail = trail.astype(np.float32)
    plain = Panel(np.rint(surface).astype(np.uint8), trail[::every], box, trail, axes)
    for a, b in pairwise(pixel_of(plain, SIDE, trail).tolist()):
        stroke(surface, (a[0], a[1]), (b[0], b[1]), SIDE / 220, theme.pale)
    return replace(plain, image=np.rint(surface).astype(np.uint8))


def _paper(theme: Theme) -> Surface:
    return np.full((SIDE, SIDE, 3), rgb(theme.paper), np.float32)


def _mix(surface: Surface, colour: str, amount: np.ndarray) -> Surface:
    return surface + (as_float(colour) - surface) * amount.astype(np.float32)[..., None]


def _dots(count: np.ndarray) -> np.ndarray:
    """Draw each point as a small disc."""
    reach = SIDE // 200
    dots = np.zeros(count.shape, np.float32)
    padded = np.pad(count, ((reach, reach), (reach, reach), (0, 0)))
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            weight = np.float32(np.clip(reach + 0.5 - np.hypot(dx, dy), 0, 1))
            if weight:
                y, x = reach + dy, reach + dx
                dots += weight * padded[y : y + SIDE, x : x + SIDE]
    return dots
