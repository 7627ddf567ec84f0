"""Regular grids in a plane of the latent space."""

from statistics import NormalDist

import numpy as np

from zatlas.core.arrays import Latents, Plane, Values
from zatlas.core.errors import ShapeError
from zatlas.latent.curves import Blend, lerp


def normal_quantiles(n: int, tail: float = 0.05) -> Values:
    """Return n quantiles of the standard normal distribution at equal steps of probability."""
    steps = np.linspace(tail, 1 - tail, n) if n > 1 else np.array([0.5])
    return np.array([NormalDist().inv_cdf(step) for step in steps], np.float32)


def even_steps(n: int, low: float, high: float) -> Values:
    """Return n values from low to high at equal distances; for n = 1, their mean."""
    ends = (low, high) if n > 1 else ((low + high) / 2,) * 2
    return np.linspace(*ends, n, dtype=np.float32)


def lattice(right: Values, up: Values) -> Plane:
    """Return all pairs (x, y), row by row from the top left; y grows upwards."""
    if not len(right) or not len(up):
        raise ShapeError("A grid needs at least 1 value along each axis.")
    x, y = np.meshgrid(right, up[::-1])
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def embed_plane(plane: Plane, dim: int, dimensions: tuple[int, int] = (0, 1)) -> Latents:
    """Return latents with these coordinates in two dimensions, and 0 in the others."""
    if dim < 2 or len(set(dimensions)) < 2 or not 0 <= min(dimensions) <= max(dimensions) < dim:
        raise ShapeError(
            f"A grid needs two different dimensions below {dim}, not {dimensions[0]} and {dimensions[1]}."
        )
    z = np.zeros((len(plane), dim), np.float32)
    z[:, list(dimensions)] = plane
    return z


def corners(z: Latents, n: int, blend: Blend = lerp) -> Latents:
    """Interpolate n x n latents between four: top left, top right, bottom left, bottom right."""
    if len(z) != 4:
        raise ShapeError(f"A grid between corners needs 4 latents, not {len(z)}.")
    steps = np.linspace(0, 1, n, dtype=np.float32)
    down, right = (share.reshape(-1, 1) for share in np.meshgrid(steps, steps, indexing="ij"))
    left_top, right_top, left_below, right_below = (np.repeat(corner[None], n * n, 0) for corner in z)
    return blend(blend(left_top, right_top, right), blend(left_below, right_below, right), down)
