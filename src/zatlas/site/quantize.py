"""Numbers as the page reads them: short in JSON, little-endian in files."""

import numpy as np

MAX_HALF = 65504.0  # of 16 bits


def plain(values: np.ndarray | float) -> list[float]:
    """As many digits as float32 has."""
    return [float(f"{value:.7g}") for value in np.ravel(values)]


def half(values: np.ndarray) -> bytes:
    """As 16-bit floats."""
    return np.clip(values, -MAX_HALF, MAX_HALF).astype("<f2").tobytes()


def single(values: np.ndarray) -> bytes:
    """As 32-bit floats."""
    return values.astype("<f4").tobytes()
