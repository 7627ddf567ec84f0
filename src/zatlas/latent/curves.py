"""Curves in latent space: interpolations, traversals and parametric paths are all a `Curve`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Column, Images, Latents, Plane, Values
from zatlas.core.errors import NotSupported, ShapeError
from zatlas.core.space import Space

Blend = Callable[[Latents, Latents, Column], Latents]  # (start, end, t in [0, 1]) -> latents between them
DENSE_SAMPLES = 48  # straight pieces that approximate one smooth segment
SPEED_PIECES = 240  # pieces on which the speed of the image is measured
SHELL_DIM = 8  # dimensions from which samples of a normal prior lie close to a sphere


def lerp(a: Latents, b: Latents, t: Column) -> Latents:
    """Interpolate linearly. Suits auto-encoders; with a normal prior, its middle has too small a norm."""
    between: Latents = (a + t * (b - a)).astype(np.float32)
    return between


def slerp(a: Latents, b: Latents, t: Column) -> Latents:
    """Interpolate directions along the great circle, and norms linearly. Suits normal and spherical priors.

    Shoemake 1985, https://doi.org/10.1145/325165.325242 ; White 2016, https://arxiv.org/abs/1609.04468
    """
    norm_a, norm_b = (np.linalg.norm(end, axis=1, keepdims=True) for end in (a, b))
    unit_a, unit_b = a / np.maximum(norm_a, 1e-12), b / np.maximum(norm_b, 1e-12)
    angle = np.arccos(np.clip((unit_a * unit_b).sum(1, keepdims=True), -1, 1))
    # At angle 0 the arc equals the line; at pi it is not unique, so the line is used.
    flat = np.sin(angle) < 1e-4
    sine = np.where(flat, 1, np.sin(angle))
    weight_a = np.where(flat, 1 - t, np.sin((1 - t) * angle) / sine)
    weight_b = np.where(flat, t, np.sin(t * angle) / sine)
    arc = (weight_a * unit_a + weight_b * unit_b) * lerp(norm_a, norm_b, t)
    # A latent at the origin has no direction.
    at_origin = (norm_a < 1e-12) | (norm_b < 1e-12)
    between: Latents = np.where(at_origin, lerp(a, b, t), arc).astype(np.float32)
    return between


BLENDS: dict[str, Blend] = {"lerp": lerp, "slerp": slerp}


def default_blend(space: Space) -> Blend:
    """Return `slerp` for a prior whose samples lie close to a sphere, else `lerp`."""
    return slerp if has_shell(space) else lerp


def has_shell(space: Space) -> bool:
    """Whether samples of the prior lie close to a sphere: a sphere, or a normal prior in many dimensions."""
    return space.prior == "sphere" or (space.prior == "normal" and space.dim >= SHELL_DIM)


@dataclass(frozen=True)
class Curve:
    """A curve through anchors, as a function of t in [0, 1].

    A smooth curve has many anchors close to each other; `anchor_times` are then the times of those that
    the user named.
    """

    anchors: Latents
    blend: Blend = slerp
    clock: Values | None = None  # time of each anchor, from 0 to 1; None for equal steps
    anchor_times: tuple[float, ...] | None = None  # None: all anchors are named

    def __post_init__(self) -> None:
        if self.anchors.ndim != 2 or len(self.anchors) < 2:
            raise ShapeError(f"A curve needs at least 2 anchors; it was given {len(self.anchors)}.")

    def __repr__(self) -> str:
        count, dim = self.anchors.shape
        return f"<Curve through {count} anchors in {dim} dimensions>"

    @property
    def times(self) -> Values:
        """The time of each anchor."""
        even = np.linspace(0, 1, len(self.anchors), dtype=np.float32)
        return even if self.clock is None else self.clock

    @property
    def named_times(self) -> tuple[float, ...]:
        """The times of the anchors that the user named."""
        return tuple(float(time) for time in self.times) if self.anchor_times is None else self.anchor_times

    def __call__(self, t: Values) -> Latents:
        times = np.asarray(self.times, np.float64)
        segment = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
        length = np.maximum(times[segment + 1] - times[segment], 1e-12)
        local = np.clip((t - times[segment]) / length, 0, 1).astype(np.float32)[:, None]
        return self.blend(self.anchors[segment], self.anchors[segment + 1], local)

    def sample(self, frames: int) -> Latents:
        """Return latents at equal steps of time, both ends included."""
        if frames < 1:
            raise ShapeError(f"A curve needs at least 1 frame, not {frames}.")
        return self(np.linspace(0, 1, frames, dtype=np.float32))


def times_through(marks: Sequence[float], count: int) -> Values:
    """Return times from 0 to 1 that contain 0, 1 and these times; the others divide the pieces between them.

    There are `count` times, or more if `count` is too small for the marks. Each further time goes where the
    step is largest, so that steps are as even as the marks allow.
    """
    if count < 1:
        raise ShapeError(f"A strip needs at least 1 image, not {count}.")
    if count == 1 and not len(marks):
        return np.zeros(1, np.float32)
    fixed = np.unique(np.asarray([0.0, *marks, 1.0], np.float32))
    lengths = np.diff(fixed.astype(np.float64))
    steps = np.ones(len(lengths), int)
    for _ in range(count - len(fixed)):
        # Rounding makes equal pieces equal, so that the first of them gets the time.
        steps[np.round(lengths / steps, 6).argmax()] += 1
    pieces = zip(fixed[:-1], fixed[1:], steps, strict=True)
    between = [np.linspace(a, b, n, endpoint=False, dtype=np.float32) for a, b, n in pieces]
    return np.concatenate([*between, fixed[-1:]]).astype(np.float32)


def loop(anchors: Latents, blend: Blend = slerp) -> Curve:
    """Return the curve that ends at its first anchor."""
    return Curve(np.concatenate([anchors, anchors[:1]]), blend)


def spline(anchors: Latents, *, closed: bool = False, norms: bool = False) -> Curve:
    """Return a cubic spline through the anchors.

    With `norms`, directions and norms are interpolated separately, so that the curve stays close to the
    sphere of a normal prior.
    """
    from scipy.interpolate import CubicSpline

    if closed:
        anchors = np.concatenate([anchors, anchors[:1]])
    segments = len(anchors) - 1
    if segments < 1:
        raise ShapeError(f"A curve needs at least 2 anchors; it was given {len(anchors)}.")
    knots = np.arange(segments + 1)
    fine = np.linspace(0, segments, segments * DENSE_SAMPLES + 1)
    ends = "periodic" if closed else "natural"
    lengths = np.linalg.norm(anchors, axis=1, keepdims=True)
    shape = anchors / np.maximum(lengths, 1e-12) if norms else anchors
    path = CubicSpline(knots, shape, bc_type=ends)(fine)
    if norms:
        logs = CubicSpline(knots, np.log(np.maximum(lengths, 1e-12)), bc_type=ends)(fine)
        path = path / np.maximum(np.linalg.norm(path, axis=1, keepdims=True), 1e-12) * np.exp(logs)
    path[::DENSE_SAMPLES] = anchors
    return Curve(path.astype(np.float32), lerp, anchor_times=tuple(knots / segments))


def traverse(z: Latents, dimension: int, low: float = -3.0, high: float = 3.0) -> Curve:
    """Vary one dimension of a latent from low to high; the others stay constant."""
    if not 0 <= dimension < z.shape[1]:
        raise ShapeError(f"There is no dimension {dimension}: this space has {z.shape[1]}, from 0 on.")
    ends = np.repeat(z[:1], 2, axis=0)
    ends[:, dimension] = (low, high)
    return Curve(ends, lerp)


def line_along(z: Latents, step: Values, low: float = -3.0, high: float = 3.0) -> Curve:
    """Return the line z + amount * step, for amounts from low to high."""
    return Curve(np.concatenate([z[:1] + low * step, z[:1] + high * step]), lerp)


def parametric_curve(formula: Callable[[Values], Latents], *, dim: int = 2, steps: int = 720) -> Curve:
    """Return the curve of a parametric formula in `dim` dimensions, for t from 0 to 1."""
    positions = np.asarray(formula(np.linspace(0, 1, steps + 1)), np.float32)
    if positions.shape != (steps + 1, dim) or not np.isfinite(positions).all():
        raise ShapeError(
            f"A formula must return finite positions of shape {(steps + 1, dim)} for {steps + 1} values of "
            f"t; this one returned shape {positions.shape}, with {int((~np.isfinite(positions)).sum())} "
            "values that are NaN or infinite."
        )
    return Curve(positions, lerp, anchor_times=())


def spiral(*, turns: float = 4.0, extent: float = 2.0) -> Curve:
    """Return the spiral from the center of the plane to radius `extent`."""

    def formula(t: Values) -> Plane:
        angle = 2 * np.pi * turns * t
        return np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1) * np.float32(extent)

    return parametric_curve(formula)


def in_dimensions(plane: Curve, space: Space, dimensions: tuple[int, int] = (0, 1)) -> Curve:
    """Place a curve of the plane in two dimensions of a space; the other dimensions are 0."""
    if space.dim < 2 or max(dimensions) >= space.dim or min(dimensions) < 0 or dimensions[0] == dimensions[1]:
        raise NotSupported(f"Name two different dimensions below {space.dim}, not {dimensions}.")
    anchors = np.zeros((len(plane.anchors), space.dim), np.float32)
    anchors[:, list(dimensions)] = plane.anchors
    return Curve(anchors, lerp, plane.clock, plane.named_times)


def speed_times(curve: Curve, pieces: int = SPEED_PIECES) -> Values:
    """Return the times at which `at_constant_speed` decodes a curve: equal steps and the named anchors."""
    even = np.linspace(0, 1, pieces + 1, dtype=np.float32)
    return np.unique(np.concatenate([even, np.asarray(curve.named_times, np.float32)]))


def at_constant_speed(
    curve: Curve, decode: Callable[[Latents], Images], *, pieces: int = SPEED_PIECES
) -> Curve:
    """Return the same curve with times such that the image changes at constant speed.

    `decode` gets the latents at `speed_times(curve, pieces)`.
    """
    times = speed_times(curve, pieces)
    latents = curve(times)
    images = decode(latents).reshape(len(latents), -1)
    changes = np.linalg.norm(np.diff(images, axis=0), axis=1).astype(np.float64)
    if not changes.sum():
        return curve
    # A small constant lets time advance even where no pixel changes.
    changes += changes.sum() * 1e-3 / len(changes)
    clock = np.concatenate([[0], np.cumsum(changes) / changes.sum()]).astype(np.float32)
    clock[-1] = 1
    marks = clock[np.searchsorted(times, np.asarray(curve.named_times, np.float32))]
    return Curve(latents, lerp, clock, tuple(map(float, marks)))
