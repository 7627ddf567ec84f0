"""Ways from stop to stop: straight, along the shell, smoothly through all, or as the pictures see it."""

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
    """The way through these points; what suits the space, if none is said.

    `even` walks it so that the picture changes at a steady pace.
    """
    if method is not None and method not in METHODS:
        raise UnknownName("interpolation method", method, METHODS)
    usual = default_blend(generator.space)
    if method == "spline":
        result = spline(z, closed=closed, norms=usual is BLENDS["slerp"])
    elif method == "geodesic":
        result = _geodesics(generator, np.concatenate([z, z[:1]]) if closed else z)
    else:
        blend = BLENDS[method] if method else usual
        result = loop(z, blend) if closed else Curve(z, blend)

    return at_constant_speed(result, generator.decode) if constant_speed else result


def _geodesics(generator: Generator, z: Latents) -> Curve:
    ends = zip(z[:-1, None], z[1:, None], strict=True)
    legs = [geodesic(generator, a, b) for a, b in ends]
    if len(legs) == 1:
        return legs[0]
    pieces = [leg.sample(49)[:-1] for leg in legs]
    marks = tuple(np.linspace(0, 1, len(z)).tolist())
    return Curve(np.concatenate([*pieces, z[-1:]]), BLENDS["lerp"], anchor_times=marks)
