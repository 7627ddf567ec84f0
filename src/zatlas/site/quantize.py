"""Number formats of a page: few digits in JSON, little-endian floats in files."""

import numpy as np

MAX_HALF = 65504.0  # the largest float16


def plain(values: np.ndarray | float) -> list[float]:
    """A flat list of numbers with the digits of float32."""
    return [float(f"{value:.7g}") for value in np.ravel(values)]


def half(values: np.ndarray) -> bytes:
    """Little-endian float16."""
    return np.clip(values, -MAX_HALF, MAX_HALF).astype("<f2").tobytes()


def single(values: np.ndarray) -> bytes:
    """Little-endian float32."""
    return values.astype("<f4").tobytes()
