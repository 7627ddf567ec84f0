"""New points: from the prior, around an image, and from a density fitted to the codes of the data."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Latents, Rows, Values
from zatlas.core.errors import BadRecipe, ShapeError
from zatlas.core.seeds import stream
from zatlas.core.space import Space

MAX_SAMPLES = 5000  # codes that a mixture is fitted to
MAX_FULL_DIM = 64  # axes up to which every component has a covariance of its own


def from_prior(
    space: Space, n: int, *, seed: int, temperature: float = 1.0, truncation: float | None = None
) -> Latents:
    """Points of the prior: nearer to its middle at a low temperature, or with the tails drawn again.

    Marchesi 2017 (truncation), https://arxiv.org/abs/1706.04987
    """
    check_sample(n, temperature)
    z = space.sample(n, seed=seed, temperature=temperature)
    if truncation is None:
        return z
    if truncation < 0.1:
        raise BadRecipe(f"A truncation is at least 0.1 standard deviations, not {truncation}.")
    if space.prior == "sphere":
        raise BadRecipe("Points of a sphere have no tails to truncate.")
    rng = stream(seed, "truncation")
    bound = truncation * temperature
    while (outside := np.abs(z) > bound).any():
        z[outside] = temperature * rng.standard_normal(int(outside.sum()), dtype=np.float32)
    return z


def from_posterior(mean: Latents, std: Latents, *, seed: int, draws: int = 1) -> Latents:
    """Draws around the codes of images: all images once, then all again."""
    check_sample(draws)
    rng = stream(seed, "posterior")
    noise = rng.standard_normal((draws, *mean.shape), dtype=np.float32)
    sampled: Latents = (mean + noise * std).reshape(-1, mean.shape[1])
    return sampled


@dataclass(frozen=True)
class Mixture:
    """A density of several normal components; better to sample than a prior that the codes do not fill.

    Ghosh et al. 2020, https://openreview.net/forum?id=S1g7tpEYDS
    """

    weights: Values
    means: Float32[np.ndarray, "k d"]
    factors: Float32[np.ndarray, "k d d"] | Float32[np.ndarray, "k d"]  # covariance = F F'

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Latents:
        """Draw n points; temperature scales the spread of every component."""
        check_sample(n, temperature)
        rng = stream(seed, "mixture")
        share = self.weights.astype(np.float64)
        which = rng.choice(len(share), n, p=share / share.sum())
        noise = rng.standard_normal((n, self.means.shape[1]), dtype=np.float32)
        return self.transform(which, noise * np.float32(temperature))

    def transform(self, which: Rows, noise: Latents) -> Latents:
        """The points that this noise stands for, each in its component."""
        result = np.empty_like(noise)
        for k, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            part = noise[which == k]
            result[which == k] = mean + (factor * part if factor.ndim == 1 else part @ factor.T)
        return result

    def log_density(self, z: Latents) -> Values:
        """Of each of these points, in nats."""
        from scipy.linalg import solve_triangular
        from scipy.special import logsumexp

        parts = []
        for mean, factor in zip(self.means, self.factors.astype(np.float64), strict=True):
            away = (z - mean).astype(np.float64)
            if factor.ndim == 1:
                noise, sides = away / factor, factor
            else:
                noise, sides = solve_triangular(factor, away.T, lower=True).T, factor.diagonal()
            parts.append(-0.5 * (noise**2).sum(axis=1) - np.log(sides).sum())
        flat = 0.5 * z.shape[1] * np.log(2 * np.pi)
        share = np.log(self.weights.astype(np.float64))[:, None]
        return (logsumexp(np.array(parts) + share, axis=0) - flat).astype(np.float32)


def fit_mixture(latents: Latents, *, components: int = 10, seed: int = 0) -> Mixture:
    """The mixture that the codes are most likely from; of many codes, a sample is taken."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if components < 1:
        raise BadRecipe(f"A mixture has 1 component or more, not {components}.")
    if len(latents) > MAX_SAMPLES:
        latents = latents[stream(seed, "mixture-rows").choice(len(latents), MAX_SAMPLES, replace=False)]
    # A component needs more points than axes to have a shape, and points that differ.
    enough = len(np.unique(latents, axis=0)) // (2 * (latents.shape[1] + 1))
    components = max(1, min(components, enough))
    full = latents.shape[1] <= MAX_FULL_DIM
    floor = 1e-4 * float(latents.var(axis=0).mean()) + 1e-9
    model = GaussianMixture(
        components,
        covariance_type="full" if full else "diag",
        reg_covar=floor,
        tol=1e-2,
        init_params="k-means++",
        random_state=seed & 0xFFFFFFFF,
    )
    x = latents.astype(np.float64) if len(latents) > 1 else np.repeat(latents, 2, axis=0)
    # Many small products: two threads would spend their time waiting for each other.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough is enough to sample from
        fitted = model.fit(x)
    spread = fitted.covariances_
    factors = np.linalg.cholesky(spread) if full else np.sqrt(spread)
    parts = (fitted.weights_, fitted.means_, factors)
    return Mixture(*(part.astype(np.float32) for part in parts))


def check_sample(n: int, temperature: float = 1.0) -> None:
    """Refuse to draw nothing, or at no temperature."""
    if n < 1:
        raise ShapeError(f"1 point or more can be drawn, not {n}.")
    if not temperature >= 0:
        raise BadRecipe(f"A temperature is 0 or more, not {temperature}.")
