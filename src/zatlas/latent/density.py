"""Distance of latents to the data, and the share of the prior where there is no data."""

from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Latents, Values
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.latent.neighbors import nearest

NEIGHBORS = 5
OUTSIDE_QUANTILE = 0.99  # of the latents' distances to their neighbors; above it is outside the data
MAX_GAP_DIM = 10  # dimensions up to which distances estimate densities well enough to find gaps
MIN_DENSITY_RATIO = 10.0  # of the prior to the latents, from which an area is a gap
SAMPLED = 1000  # latents by which typical distances are measured
GAP_SAMPLES = 10_000  # latents that the prior is compared with


@dataclass(frozen=True)
class Density:
    """Latents of the data, with the mean distance to the nearest neighbors that is typical of them."""

    latents: Latents
    typical_distance: float  # the median
    outside_distance: float  # the 99th percentile

    def relative_distance(self, z: Latents) -> Values:
        """Return the distance to the data: 1 is the median of the data, and above 2 is outside it."""
        result = 1 + (_distance(z, self.latents) - self.typical_distance) / self.step
        return np.maximum(result, 0).astype(np.float32)

    @property
    def step(self) -> float:
        """The distance that counts as 1; positive even if all latents are equal."""
        return (self.outside_distance - self.typical_distance) or self.typical_distance or 1.0


def density(latents: Latents, *, seed: int = 0) -> Density:
    """Measure the typical distances among these latents."""
    count = min(SAMPLED, len(latents))
    chosen = stream(seed, "density").choice(len(latents), count, replace=False)
    distance = nearest(latents[chosen], latents, NEIGHBORS + 1)[1][:, 1:]  # the nearest is itself
    if not distance.size:
        return Density(latents, 1.0, 2.0)
    typical, outside = np.quantile(distance.mean(axis=1), [0.5, OUTSIDE_QUANTILE])
    return Density(latents, float(typical), float(outside))


def prior_gap(latents: Latents, space: Space, *, seed: int = 0, samples: int = 2000) -> tuple[float, float]:
    """Return the share of the prior's mass where latents are ten times rarer than its samples, and its error.

    Densities are estimated from distances to the nearest neighbors: among the latents, and among as many
    samples of the prior. So the number of latents has no influence. Without a prior, samples come from
    `reference_samples`. Use it up to `MAX_GAP_DIM` dimensions.
    """
    if len(latents) > GAP_SAMPLES:
        latents = latents[stream(seed, "gap").choice(len(latents), GAP_SAMPLES, replace=False)]
    z = reference_samples(latents, space, samples, seed=seed)
    reference = reference_samples(latents, space, len(latents), seed=seed + 1)
    ratio = np.log(np.maximum(_distance(z, latents), 1e-12))
    ratio -= np.log(np.maximum(_distance(z, reference), 1e-12))
    share = float((space.dim * ratio > np.log(MIN_DENSITY_RATIO)).mean())
    return share, float(np.sqrt(share * (1 - share) / samples))


def reference_samples(latents: Latents, space: Space, n: int, *, seed: int) -> Latents:
    """Sample the prior; without one, a normal distribution with the latents' mean and covariance."""
    if space.prior != "none":
        return space.sample(n, seed=seed)
    rng = stream(seed, "stand-in")
    mean = latents.mean(axis=0)
    # Random weighted sums of the latents have their covariance: no d x d matrix is needed.
    weights = rng.standard_normal((n, len(latents)), dtype=np.float32) / np.sqrt(len(latents))
    return (mean + weights @ (latents - mean)).astype(np.float32)


def _distance(z: Latents, latents: Latents) -> Values:
    return nearest(z, latents, NEIGHBORS)[1].mean(axis=1)
