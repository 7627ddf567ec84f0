"""What many dimensions do: balls lose their volume, and a normal cloud becomes a shell."""

from math import lgamma, log, pi

import numpy as np

from zatlas.core.arrays import Values


def ball_volume(dimensions: Values) -> Values:
    """Volume of the ball of radius 1 in so many dimensions."""
    return np.array([np.exp(n / 2 * log(pi) - lgamma(n / 2 + 1)) for n in dimensions])


def norm_density(radius: Values, dim: int) -> Values:
    """How likely a sample of a standard normal in `dim` axes has this norm: the chi distribution."""
    with np.errstate(divide="ignore"):
        logs = (dim - 1) * np.log(radius) - radius**2 / 2 - (dim / 2 - 1) * log(2) - lgamma(dim / 2)
    return np.exp(logs)


def shell(dim: int) -> tuple[float, float]:
    """Mean and standard deviation of the norm of a standard normal sample in `dim` axes."""
    mean = np.exp(0.5 * log(2) + lgamma((dim + 1) / 2) - lgamma(dim / 2))
    return float(mean), float(np.sqrt(max(dim - mean**2, 0.0)))
