"""A direction method: the direction along which decoded images become brighter, by regression."""

import numpy as np

from zatlas.directions.types import LinearDirection
from zatlas.models.generator import Generator


def fit(
    generator: Generator, latents: np.ndarray, *, samples: int = 256, seed: int = 0
) -> list[LinearDirection]:
    """Return one direction. Keyword arguments are settings: `--set samples=100`."""
    rows = np.random.default_rng(seed).permutation(len(latents))[:samples]
    z = latents[rows].astype(np.float64)
    brightness = generator.decode(latents[rows]).mean(axis=(1, 2, 3))
    vector = np.linalg.lstsq(z - z.mean(axis=0), brightness - brightness.mean(), rcond=None)[0]
    vector /= np.linalg.norm(vector)
    std = float((z @ vector).std())  # amounts are in standard deviations of the data
    return [LinearDirection("brightness", vector.astype(np.float32), std)]
