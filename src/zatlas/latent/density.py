"""Where the data is: how far a point lies from the codes, and how much of the prior they leave empty."""

from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Latents, Values
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.latent.neighbors import nearest

NEIGHBORS = 5
OUTSIDE_QUANTILE = 0.99  # of the codes are nearer to their neighbours than that
MAX_GAP_DIM = 10  # axes in which gaps can be told
MIN_DENSITY_RATIO = 10.0  # times less dense than the prior: a gap
SAMPLED = 1000
GAP_SAMPLES = 10_000  # codes that the prior is compared with


@dataclass(frozen=True)
class Density:
    """The codes of the data, and how far from their neighbours they are among themselves."""

    latents: Latents
    typical_distance: float  # half of the codes are nearer to their neighbours than that
    outside_distance: float  # and all but one in a hundred are nearer than that

    def relative_distance(self, z: Latents) -> Values:
        """How far from the data: 1 is usual for codes, and above 2 is one code in a hundred."""
        result = 1 + (_distance(z, self.latents) - self.typical_distance) / self.step
        return np.maximum(result, 0).astype(np.float32)

    @property
    def step(self) -> float:
        """From the usual to the lonely; never 0, though all codes be the same."""
        return (self.outside_distance - self.typical_distance) or self.typical_distance or 1.0


def density(latents: Latents, *, seed: int = 0) -> Density:
    """Measure what distances are usual among these codes."""
    count = min(SAMPLED, len(latents))
    chosen = stream(seed, "density").choice(len(latents), count, replace=False)
    distance = nearest(latents[chosen], latents, NEIGHBORS + 1)[1][:, 1:]  # the nearest is itself
    if not distance.size:
        return Density(latents, 1.0, 2.0)
    usual, lonely = np.quantile(distance.mean(axis=1), [0.5, OUTSIDE_QUANTILE])
    return Density(latents, float(usual), float(lonely))


def prior_gap(latents: Latents, space: Space, *, seed: int = 0, samples: int = 2000) -> tuple[float, float]:
    """Share of the prior's mass where codes are ten times rarer than the prior's own samples; its error.

    Densities are compared by the distances to the nearest neighbours among the codes and among as
    many samples, so that codes which fill the prior have no gaps however many or few they are.
    Where there is no prior, the normal distribution with the codes' mean and covariance stands in:
    what one would sample for want of a prior. In more axes than `FEW`, distances tell little of densities.
    """
    if len(latents) > GAP_SAMPLES:
        latents = latents[stream(seed, "gap").choice(len(latents), GAP_SAMPLES, replace=False)]
    z = reference_samples(latents, space, samples, seed=seed)
    others = reference_samples(latents, space, len(latents), seed=seed + 1)
    ratio = np.log(np.maximum(_distance(z, latents), 1e-12))
    ratio -= np.log(np.maximum(_distance(z, others), 1e-12))
    share = float((space.dim * ratio > np.log(MIN_DENSITY_RATIO)).mean())
    return share, float(np.sqrt(share * (1 - share) / samples))


def reference_samples(latents: Latents, space: Space, n: int, *, seed: int) -> Latents:
    """Samples of the prior; without one, of the normal distribution that the codes suggest."""
    if space.prior != "none":
        return space.sample(n, seed=seed)
    rng = stream(seed, "stand-in")
    middle = latents.mean(axis=0)
    # Of n codes, their weighted sums have the codes' covariance: no d x d matrix is needed.
    weights = rng.standard_normal((n, len(latents)), dtype=np.float32) / np.sqrt(len(latents))
    return (middle + weights @ (latents - middle)).astype(np.float32)


def _distance(z: Latents, latents: Latents) -> Values:
    return nearest(z, latents, NEIGHBORS)[1].mean(axis=1)
