"""Regular sets of points that show a plane of the latent space."""

from statistics import NormalDist

import numpy as np

from zatlas.core.arrays import Latents, Plane, Values
from zatlas.core.errors import ShapeError
from zatlas.latent.curves import Blend, lerp


def normal_quantiles(n: int, tail: float = 0.05) -> Values:
    """n values of an axis at equal steps of the normal prior's mass."""
    steps = np.linspace(tail, 1 - tail, n) if n > 1 else np.array([0.5])
    return np.array([NormalDist().inv_cdf(step) for step in steps], np.float32)


def even_steps(n: int, low: float, high: float) -> Values:
    """n values at equal distances; one alone lies in the middle."""
    ends = (low, high) if n > 1 else ((low + high) / 2,) * 2
    return np.linspace(*ends, n, dtype=np.float32)


def lattice(right: Values, up: Values) -> Plane:
    """All pairs, row by row from the top left: the first grows to the right, the second upwards."""
    if not len(right) or not len(up):
        raise ShapeError("A grid has 1 place or more along each axis.")
    x, y = np.meshgrid(right, up[::-1])
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def embed_plane(plane: Plane, dim: int, axes: tuple[int, int] = (0, 1)) -> Latents:
    """Places of a plane as points of a space, in two of its axes and 0 in the others."""
    if dim < 2 or len(set(axes)) < 2 or not 0 <= min(axes) <= max(axes) < dim:
        raise ShapeError(f"A grid lies in two different axes of {dim}, not in {axes[0]} and {axes[1]}.")
    z = np.zeros((len(plane), dim), np.float32)
    z[:, list(axes)] = plane
    return z


def corners(z: Latents, n: int, blend: Blend = lerp) -> Latents:
    """n x n points between four, given as top left, top right, bottom left, bottom right."""
    if len(z) != 4:
        raise ShapeError(f"Four corners are needed, not {len(z)}.")
    steps = np.linspace(0, 1, n, dtype=np.float32)
    down, right = (share.reshape(-1, 1) for share in np.meshgrid(steps, steps, indexing="ij"))
    left_top, right_top, left_below, right_below = (np.repeat(one[None], n * n, 0) for one in z)
    return blend(blend(left_top, right_top, right), blend(left_below, right_below, right), down)
