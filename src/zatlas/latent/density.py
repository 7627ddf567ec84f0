"""Distance of latents to the data, and the share of the prior where there is no data."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Latents, Rows, Values
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.latent.neighbors import FEW, high_quantile, nearest

NEIGHBORS = 5
MIN_VARIANCE = 1e-6  # of a dimension, relative to the mean of all
MIN_INFORMATION = 0.1  # share of a dimension's variance between images, below which it holds only noise
SLACK = 2.0  # for distances to neighbors in more than `MAX_GAP_DIM` dimensions, where all are nearly equal
MAX_GAP_DIM = 10  # dimensions up to which distances estimate densities well enough to find gaps
MIN_DENSITY_RATIO = 10.0  # of the prior to the latents, from which an area is a gap
SAMPLED = 1000  # latents by which typical distances are measured
MAX_MOMENTS = 20_000  # latents by which mean and variance are measured
GAP_SAMPLES = 10_000  # latents that the prior is compared with


@dataclass(frozen=True)
class Scale:
    """The values of a quantity that count as 1 and as 2."""

    typical: float
    outside: float

    @classmethod
    def of(cls, values: Values, slack: float = 1.0) -> "Scale":
        """Return 1 for the median, and 2 for `slack` times the way from there to the 99th percentile.

        Of few values, even the largest is below 2, and so is anything up to twice the median.
        """
        median, high = float(np.median(values)), high_quantile(values)
        width = high - median
        if len(values) < FEW:
            width = max(2 * width, abs(median))
        return cls(median, median + slack * (width or abs(median) or 1.0))

    def __call__(self, values: Values) -> Values:
        """Return the values on this scale, which is linear."""
        return 1 + (values - self.typical) / (self.outside - self.typical)


@dataclass(frozen=True)
class Coordinates:
    """The center of the data, and the weight of each dimension in norms.

    A dimension in which encoded images are equal and their posteriors are wide has no weight: it holds only
    noise, which the decoder ignores. A single image tells nothing about that.
    """

    center: Values  # (d,)
    weights: Values  # (d,) the inverse of the variance of posterior samples; 0 for noise

    @classmethod
    def of(cls, latents: Latents, std: Latents | None) -> "Coordinates":
        """Return the coordinates of latents (n, d) with these posterior std, if they have any."""
        between = latents.var(axis=0, dtype=np.float64)
        total = between if std is None else between + np.mean(std**2, axis=0, dtype=np.float64)
        smallest = MIN_VARIANCE * float(total.mean()) or 1.0
        noise = (between < MIN_INFORMATION * total) & (len(latents) > 1)
        weights = np.where(noise, 0, 1 / np.maximum(total, smallest))
        return cls(latents.mean(axis=0, dtype=np.float64), weights)

    @property
    def dim(self) -> int:
        """The number of dimensions that differ between images."""
        return int((self.weights > 0).sum())

    def norm(self, z: Latents) -> Values:
        """Return the distance of latents (n, d) to the center, in standard deviations."""
        return np.sqrt((z - self.center) ** 2 @ self.weights)

    def mean_distance(self, z: Latents, distances: Float32[np.ndarray, "n k"]) -> Values:
        """Return the mean of the distances of latents (n, d) to encoded images, without noise."""
        noise = (z - self.center) ** 2 @ (self.weights == 0)
        return np.sqrt(np.maximum(distances.astype(np.float64) ** 2 - noise[:, None], 0)).mean(axis=1)


@dataclass(frozen=True)
class Density:
    """Latents of the data, and what is typical of them: distances to neighbors, and norms.

    Distances to neighbors show gaps in the data. In many dimensions they are small at the center, which is
    near to all latents though none is there; norms show that. The distance from the data is the larger one.
    """

    latents: Latents
    coordinates: Coordinates
    distance_scale: Scale  # of the mean distance to neighbors
    typical_norm: float
    norm_scale: Scale  # of the absolute difference from the typical norm
    scale: Scale  # of the larger of the two

    def relative_distance(self, z: Latents) -> Values:
        """Return the distance to the data: 1 is the median of the data, and above 2 is outside it."""
        distances = nearest(z, self.latents, NEIGHBORS)[1]
        larger = self.larger(self.coordinates.norm(z), self.coordinates.mean_distance(z, distances))
        return np.maximum(self.scale(larger), 0).astype(np.float32)

    def larger(self, norm: Values, distance: Values) -> Values:
        """Return the larger of the relative distance to the neighbors and the relative difference of norm."""
        return np.maximum(self.distance_scale(distance), self.norm_scale(np.abs(norm - self.typical_norm)))


def density(latents: Latents, std: Latents | None = None, *, seed: int = 0) -> Density:
    """Measure what is typical of latents (n, d), half of them as encoded and half from their posteriors.

    `std` (n, d) are the standard deviations of the posteriors, if there are any.
    """
    rng = stream(seed, "density")
    rows = rng.choice(len(latents), min(SAMPLED, len(latents)), replace=False)
    z = latents[rows].copy()
    if std is not None:
        noisy = np.arange(len(rows)) % 2 == 1
        z[noisy] += std[rows[noisy]] * rng.standard_normal(z[noisy].shape, dtype=np.float32)
    sample = rng.choice(len(latents), min(MAX_MOMENTS, len(latents)), replace=False)
    coordinates = Coordinates.of(latents[sample], None if std is None else std[sample])
    norm = coordinates.norm(z)
    distance = coordinates.mean_distance(z, _distances_to_others(z, latents, rows))
    typical_norm = float(np.median(norm))
    distance_scale = Scale.of(distance, SLACK if coordinates.dim > MAX_GAP_DIM else 1)
    norm_scale = Scale.of(np.abs(norm - typical_norm))
    result = Density(latents, coordinates, distance_scale, typical_norm, norm_scale, Scale(1, 2))
    return replace(result, scale=Scale.of(result.larger(norm, distance)))


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


def _distances_to_others(z: Latents, latents: Latents, rows: Rows) -> Float32[np.ndarray, "n k"]:
    """The distances of z (n, d) to the nearest latents without those of the same rows; of a single one, 1."""
    index, distance = nearest(z, latents, NEIGHBORS + 1)
    own = index == rows[:, None]
    own[~own.any(axis=1), -1] = True  # a sample of a wide posterior may be far from its own mean
    result: Float32[np.ndarray, "n k"] = distance[~own].reshape(len(z), -1)
    return result if result.size else np.ones((len(z), 1), np.float32)


def _distance(z: Latents, latents: Latents) -> Values:
    return nearest(z, latents, NEIGHBORS)[1].mean(axis=1)
