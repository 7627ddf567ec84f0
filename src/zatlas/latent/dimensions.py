"""Geometry of many dimensions: volumes of balls, and norms of normal samples."""

from math import lgamma, log, pi

import numpy as np

from zatlas.core.arrays import Values


def ball_volume(dimensions: Values) -> Values:
    """Return the volume of the unit ball for each number of dimensions."""
    return np.array([np.exp(n / 2 * log(pi) - lgamma(n / 2 + 1)) for n in dimensions])


def norm_density(radius: Values, dim: int) -> Values:
    """Return the density of the norm of a standard normal sample in `dim` dimensions (chi distribution)."""
    with np.errstate(divide="ignore"):
        logs = (dim - 1) * np.log(radius) - radius**2 / 2 - (dim / 2 - 1) * log(2) - lgamma(dim / 2)
    return np.exp(logs)


def shell(dim: int) -> tuple[float, float]:
    """Return mean and std of the norm of a standard normal sample in `dim` dimensions."""
    mean = np.exp(0.5 * log(2) + lgamma((dim + 1) / 2) - lgamma(dim / 2))
    return float(mean), float(np.sqrt(max(dim - mean**2, 0.0)))
