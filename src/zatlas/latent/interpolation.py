"""Interpolation between latents by name: lerp, slerp, spline or geodesic."""

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.errors import UnknownName
from zatlas.latent.curves import BLENDS, Curve, at_constant_speed, default_blend, loop, spline
from zatlas.latent.geodesic import geodesic
from zatlas.models.generator import Generator

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


def _geodesics(generator: Generator, z: Latents) -> Curve:
    ends = zip(z[:-1, None], z[1:, None], strict=True)
    segments = [geodesic(generator, a, b) for a, b in ends]
    if len(segments) == 1:
        return segments[0]
    pieces = [segment.sample(49)[:-1] for segment in segments]
    marks = tuple(np.linspace(0, 1, len(z)).tolist())
    return Curve(np.concatenate([*pieces, z[-1:]]), BLENDS["lerp"], anchor_times=marks)
