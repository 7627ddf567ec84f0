"""Interpolation between latents, and between classes: lerp, slerp, spline or geodesic."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import ClassWeights, Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.latent.curves import (
    BLENDS,
    Curve,
    at_constant_speed,
    default_blend,
    lerp,
    loop,
    speed_times,
    spline,
)
from zatlas.latent.geodesic import geodesic
from zatlas.models.generator import Generator, require_class_weights

METHODS = (*BLENDS, "spline", "geodesic")


def interpolate_latents(
    generator: Generator,
    z: Latents,
    method: str | None = None,
    *,
    closed: bool = False,
    constant_speed: bool = False,
) -> Curve:
    """Return the curve through these latents; the default method depends on the prior.

    With `constant_speed`, the image changes at constant speed.
    """
    if method is not None and method not in METHODS:
        raise UnknownName("interpolation method", method, METHODS)
    default = default_blend(generator.space)
    if method == "spline":
        result = spline(z, closed=closed, norms=default is BLENDS["slerp"])
    elif method == "geodesic":
        result = _geodesics(generator, np.concatenate([z, z[:1]]) if closed else z)
    else:
        blend = BLENDS[method] if method else default
        result = loop(z, blend) if closed else Curve(z, blend)
    return at_constant_speed(result, generator.decode) if constant_speed else result


def interpolate_with_classes(
    generator: Generator,
    z: Latents,
    labels: Sequence[int],
    method: str | None = None,
    *,
    closed: bool = False,
    constant_speed: bool = False,
) -> tuple[Curve, Curve]:
    """Return the curve through latents of different classes, and the curve of the class weights.

    The weights go from the one-hot weights of one class to those of the next, at equal speed.
    """
    require_class_weights(generator)
    if method == "geodesic":
        raise NotSupported(
            "A geodesic is computed in one class, and these anchors have several. Keep one class with "
            "--label CLASS (in Python: label=), or choose another method."
        )
    curve = interpolate_latents(generator.for_class(labels[0]), z, method, closed=closed)
    weights = Curve(one_hot_rows([*labels, *labels[: int(closed)]], len(generator.classes)), lerp)
    if not constant_speed:
        return curve, weights
    mixed = weights(speed_times(curve))
    even = at_constant_speed(curve, lambda latents: generator.decode(latents, mixed))
    return (curve, weights) if even is curve else (even, Curve(mixed, lerp, even.clock, even.anchor_times))


def one_hot_rows(labels: Sequence[int], classes: int) -> ClassWeights:
    """Return the class weights (n, classes) of these class numbers."""
    return np.eye(classes, dtype=np.float32)[list(labels)]


def _geodesics(generator: Generator, z: Latents) -> Curve:
    ends = zip(z[:-1, None], z[1:, None], strict=True)
    segments = [geodesic(generator, a, b) for a, b in ends]
    if len(segments) == 1:
        return segments[0]
    pieces = [segment.sample(49)[:-1] for segment in segments]
    marks = tuple(np.linspace(0, 1, len(z)).tolist())
    return Curve(np.concatenate([*pieces, z[-1:]]), BLENDS["lerp"], anchor_times=marks)
