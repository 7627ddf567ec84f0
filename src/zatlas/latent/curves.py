"""Curves through latent space. Whatever moves is a `Curve`; whatever shows samples one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Column, Images, Latents, Plane, Values
from zatlas.core.errors import NotSupported, ShapeError
from zatlas.core.space import Space

Blend = Callable[[Latents, Latents, Column], Latents]  # from, to, (n, 1) in [0, 1] -> between
DENSE_SAMPLES = 48  # straight pieces that stand for one smooth leg
SHELL_DIM = 8  # axes from which on a normal prior is a shell rather than a heap


def lerp(a: Latents, b: Latents, t: Column) -> Latents:
    """The straight line. Right for auto-encoders; under a normal prior it cuts inside the shell."""
    between: Latents = (a + t * (b - a)).astype(np.float32)
    return between


def slerp(a: Latents, b: Latents, t: Column) -> Latents:
    """The great arc, with norms blended in between. Right for a normal or spherical prior.

    Shoemake 1985, https://doi.org/10.1145/325165.325242 ; White 2016, https://arxiv.org/abs/1609.04468
    """
    norm_a, norm_b = (np.linalg.norm(end, axis=1, keepdims=True) for end in (a, b))
    unit_a, unit_b = a / np.maximum(norm_a, 1e-12), b / np.maximum(norm_b, 1e-12)
    angle = np.arccos(np.clip((unit_a * unit_b).sum(1, keepdims=True), -1, 1))
    # Neighbors 0 the arc is the chord; near pi every arc is as good, and the line is defined.
    flat = np.sin(angle) < 1e-4
    sine = np.where(flat, 1, np.sin(angle))
    weight_a = np.where(flat, 1 - t, np.sin((1 - t) * angle) / sine)
    weight_b = np.where(flat, t, np.sin(t * angle) / sine)
    arc = (weight_a * unit_a + weight_b * unit_b) * lerp(norm_a, norm_b, t)
    # An end at the centre has no direction to turn from.
    centre = (norm_a < 1e-12) | (norm_b < 1e-12)
    between: Latents = np.where(centre, lerp(a, b, t), arc).astype(np.float32)
    return between


BLENDS: dict[str, Blend] = {"lerp": lerp, "slerp": slerp}


def default_blend(space: Space) -> Blend:
    """The arc where the prior is a shell; the line in few axes, and where there is no prior."""
    return slerp if space.prior == "sphere" or _is_shell(space) else lerp


def _is_shell(space: Space) -> bool:
    return space.prior == "normal" and space.dim >= SHELL_DIM


@dataclass(frozen=True)
class Curve:
    """A curve through its stops for t in [0, 1]: by equal time between each two, unless a clock is given.

    A smooth curve is one of many stops near to each other; `marks` are then the times of those
    that somebody asked for.
    """

    anchors: Latents
    blend: Blend = slerp
    clock: Values | None = None  # when each stop is reached, from 0 to 1
    anchor_times: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.anchors.ndim != 2 or len(self.anchors) < 2:
            raise ShapeError(f"A curve needs at least 2 stops; it was given {len(self.anchors)}.")

    @property
    def times(self) -> Values:
        """When each stop is reached."""
        even = np.linspace(0, 1, len(self.anchors), dtype=np.float32)
        return even if self.clock is None else self.clock

    @property
    def named_times(self) -> tuple[float, ...]:
        """When each stop that somebody asked for is reached."""
        return tuple(float(time) for time in self.times) if self.anchor_times is None else self.anchor_times

    def __call__(self, t: Values) -> Latents:
        times = np.asarray(self.times, np.float64)
        leg = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
        length = np.maximum(times[leg + 1] - times[leg], 1e-12)
        local = np.clip((t - times[leg]) / length, 0, 1).astype(np.float32)[:, None]
        return self.blend(self.anchors[leg], self.anchors[leg + 1], local)

    def sample(self, frames: int) -> Latents:
        """Points at equal times, both ends included."""
        if frames < 1:
            raise ShapeError(f"A curve is shown in 1 frame or more, not in {frames}.")
        return self(np.linspace(0, 1, frames, dtype=np.float32))


def loop(anchors: Latents, blend: Blend = slerp) -> Curve:
    """The curve that comes back to its first stop."""
    return Curve(np.concatenate([anchors, anchors[:1]]), blend)


def spline(anchors: Latents, *, closed: bool = False, norms: bool = False) -> Curve:
    """A curve without corners through its stops: cubic pieces that meet with equal curvature.

    With `norms`, directions and norms go each their own way, so that the curve keeps to the shell.
    """
    from scipy.interpolate import CubicSpline

    if closed:
        anchors = np.concatenate([anchors, anchors[:1]])
    legs = len(anchors) - 1
    if legs < 1:
        raise ShapeError(f"A curve needs at least 2 stops; it was given {len(anchors)}.")
    knots = np.arange(legs + 1)
    fine = np.linspace(0, legs, legs * DENSE_SAMPLES + 1)
    ends = "periodic" if closed else "natural"
    lengths = np.linalg.norm(anchors, axis=1, keepdims=True)
    shape = anchors / np.maximum(lengths, 1e-12) if norms else anchors
    path = CubicSpline(knots, shape, bc_type=ends)(fine)
    if norms:
        logs = CubicSpline(knots, np.log(np.maximum(lengths, 1e-12)), bc_type=ends)(fine)
        path = path / np.maximum(np.linalg.norm(path, axis=1, keepdims=True), 1e-12) * np.exp(logs)
    path[::DENSE_SAMPLES] = anchors
    return Curve(path.astype(np.float32), lerp, anchor_times=tuple(knots / legs))


def traverse(z: Latents, dimension: int, low: float = -3.0, high: float = 3.0) -> Curve:
    """One coordinate of one point swept from low to high, the others held."""
    if not 0 <= dimension < z.shape[1]:
        raise ShapeError(f"There is no axis {dimension}: this space has {z.shape[1]}, from 0 on.")
    ends = np.repeat(z[:1], 2, axis=0)
    ends[:, dimension] = (low, high)
    return Curve(ends, lerp)


def line_along(z: Latents, step: Values, low: float = -3.0, high: float = 3.0) -> Curve:
    """From one point along a direction: `step` is one unit of the amounts low and high."""
    return Curve(np.concatenate([z[:1] + low * step, z[:1] + high * step]), lerp)


def parametric_curve(formula: Callable[[Values], Plane], *, steps: int = 720) -> Curve:
    """Any parametric formula in the plane, for its parameter from 0 to 1."""
    places = np.asarray(formula(np.linspace(0, 1, steps + 1)), np.float32)
    if places.shape != (steps + 1, 2) or not np.isfinite(places).all():
        raise ShapeError(
            "A formula must give two finite numbers for every parameter from 0 to 1; "
            f"this one gave {places.shape} for {steps + 1} of them."
        )
    return Curve(places, lerp, anchor_times=())


def spiral(*, turns: float = 4.0, extent: float = 2.0) -> Curve:
    """From the centre of the plane outwards, to `extent` on either axis."""

    def formula(t: Values) -> Plane:
        angle = 2 * np.pi * turns * t
        return np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1) * np.float32(extent)

    return parametric_curve(formula)


def in_dimensions(plane: Curve, space: Space, dimensions: tuple[int, int] = (0, 1)) -> Curve:
    """A curve of the plane in two axes of a space, the others at 0."""
    if space.dim < 2 or max(dimensions) >= space.dim or min(dimensions) < 0 or dimensions[0] == dimensions[1]:
        raise NotSupported(f"Two different axes of {space.dim} are needed, not {dimensions}.")
    anchors = np.zeros((len(plane.anchors), space.dim), np.float32)
    anchors[:, list(dimensions)] = plane.anchors
    return Curve(anchors, lerp, plane.clock, plane.named_times)


def at_constant_speed(curve: Curve, decode: Callable[[Latents], Images], *, pieces: int = 240) -> Curve:
    """The same curve walked so that the picture changes by the same amount in the same time."""
    times = np.linspace(0, 1, pieces + 1, dtype=np.float32)
    latents = curve(times)
    images = decode(latents).reshape(len(latents), -1)
    changes = np.linalg.norm(np.diff(images, axis=0), axis=1).astype(np.float64)
    if not changes.sum():
        return curve
    # A little of the old clock remains, so that time goes on even where no pixel changes.
    changes += changes.sum() * 1e-3 / pieces
    clock = np.concatenate([[0], np.cumsum(changes) / changes.sum()]).astype(np.float32)
    clock[-1] = 1
    marks = tuple(float(np.interp(mark, times, clock)) for mark in curve.named_times)
    return Curve(latents, lerp, clock, marks)
