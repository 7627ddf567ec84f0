"""New latents: from the prior, from the posterior of an image, and from a mixture fitted to the data."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Latents, Rows, Values
from zatlas.core.errors import BadRecipe, ShapeError
from zatlas.core.seeds import stream
from zatlas.core.space import Space

MAX_SAMPLES = 5000  # latents that a mixture is fitted to
MAX_FULL_DIM = 64  # dimensions up to which components have full covariances


def from_prior(
    space: Space, n: int, *, seed: int, temperature: float = 1.0, truncation: float | None = None
) -> Latents:
    """Sample the prior; `temperature` scales the std, and values beyond `truncation` std are resampled.

    Marchesi 2017 (truncation), https://arxiv.org/abs/1706.04987
    """
    check_sample(n, temperature)
    z = space.sample(n, seed=seed, temperature=temperature)
    if truncation is None:
        return z
    if truncation < 0.1:
        raise BadRecipe(f"truncation must be at least 0.1 standard deviations, not {truncation}.")
    if space.prior == "sphere":
        raise BadRecipe("A spherical prior has no tails to truncate.")
    rng = stream(seed, "truncation")
    bound = truncation * temperature
    while (outside := np.abs(z) > bound).any():
        z[outside] = temperature * rng.standard_normal(int(outside.sum()), dtype=np.float32)
    return z


def from_posterior(mean: Latents, std: Latents, *, seed: int, draws: int = 1) -> Latents:
    """Sample each posterior `draws` times: all images once, then all again."""
    check_sample(draws)
    rng = stream(seed, "posterior")
    noise = rng.standard_normal((draws, *mean.shape), dtype=np.float32)
    sampled: Latents = (mean + noise * std).reshape(-1, mean.shape[1])
    return sampled


@dataclass(frozen=True)
class Mixture:
    """A Gaussian mixture. Its samples look better than those of a prior that the latents do not fill.

    Ghosh et al. 2020, https://openreview.net/forum?id=S1g7tpEYDS
    """

    weights: Values
    means: Float32[np.ndarray, "k d"]
    factors: Float32[np.ndarray, "k d d"] | Float32[np.ndarray, "k d"]  # covariance = F F'

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Latents:
        """Sample n latents; temperature scales the std of every component; a longer list begins alike."""
        check_sample(n, temperature)
        share = self.weights.astype(np.float64)
        component = stream(seed, "mixture").choice(len(share), n, p=share / share.sum())
        noise = stream(seed, "noise").standard_normal((n, self.means.shape[1]), dtype=np.float32)
        return self.transform(component, noise * np.float32(temperature))

    def transform(self, component: Rows, noise: Latents) -> Latents:
        """Turn standard normal noise into latents of these components."""
        result = np.empty_like(noise)
        for k, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            part = noise[component == k]
            result[component == k] = mean + (factor * part if factor.ndim == 1 else part @ factor.T)
        return result

    def log_density(self, z: Latents) -> Values:
        """Return the log-density of each latent, in nats."""
        from scipy.linalg import solve_triangular
        from scipy.special import logsumexp

        densities = []
        for mean, factor in zip(self.means, self.factors.astype(np.float64), strict=True):
            centered = (z - mean).astype(np.float64)
            if factor.ndim == 1:
                noise, diagonal = centered / factor, factor
            else:
                noise = solve_triangular(factor, centered.T, lower=True).T
                diagonal = factor.diagonal()
            densities.append(-0.5 * (noise**2).sum(axis=1) - np.log(diagonal).sum())
        constant = 0.5 * z.shape[1] * np.log(2 * np.pi)
        share = np.log(self.weights.astype(np.float64))[:, None]
        return (logsumexp(np.array(densities) + share, axis=0) - constant).astype(np.float32)


def fit_mixture(latents: Latents, *, components: int = 10, seed: int = 0) -> Mixture:
    """Fit a mixture to the latents by maximum likelihood, or to a sample of them."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if components < 1:
        raise BadRecipe(f"A mixture needs at least 1 component, not {components}.")
    if len(latents) > MAX_SAMPLES:
        latents = latents[stream(seed, "mixture-rows").choice(len(latents), MAX_SAMPLES, replace=False)]
    # A covariance needs more distinct latents than dimensions.
    supported = len(np.unique(latents, axis=0)) // (2 * (latents.shape[1] + 1))
    components = max(1, min(components, supported))
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
    # With these small matrices, several threads are slower than one.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an approximate fit is enough for samples
        fitted = model.fit(x)
    covariances = fitted.covariances_
    factors = np.linalg.cholesky(covariances) if full else np.sqrt(covariances)
    parts = (fitted.weights_, fitted.means_, factors)
    return Mixture(*(part.astype(np.float32) for part in parts))


def check_sample(n: int, temperature: float = 1.0) -> None:
    """Refuse fewer than 1 sample, and a negative temperature."""
    if n < 1:
        raise ShapeError(f"The number of samples must be at least 1, not {n}.")
    if not temperature >= 0:
        raise BadRecipe(f"temperature must be at least 0, not {temperature}.")
