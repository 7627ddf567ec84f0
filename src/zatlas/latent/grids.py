"""Regular sets of points that show a plane of the latent space."""

from statistics import NormalDist

import numpy as np

from zatlas.core.arrays import Points


def quantile_grid(n: int, tail: float = 0.05) -> Points:
    """n x n points at equal steps of the normal prior's mass, row by row from the top left.

    The first axis grows to the right, the second upwards.
    """
    steps = np.linspace(tail, 1 - tail, n)
    marks = np.array([NormalDist().inv_cdf(step) for step in steps], np.float32)
    right, up = np.meshgrid(marks, marks[::-1])
    return np.stack([right.ravel(), up.ravel()], axis=1)
