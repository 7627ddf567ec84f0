"""New latents: from the prior, from the posterior of an image, and from a mixture fitted to the data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Latents, Rows, Values
from zatlas.core.errors import BadRecipe, ShapeError
from zatlas.core.seeds import stream
from zatlas.core.space import Space

if TYPE_CHECKING:
    from torch import Tensor

MAX_SAMPLES = 5000  # latents that a mixture is fitted to
MAX_FULL_DIM = 64  # dimensions up to which components have full covariances
MAX_EM_STEPS = 100
EM_TOLERANCE = 1e-2  # nats per latent that a step must gain: an approximate fit is enough for samples


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
    if space.prior != "normal":
        raise BadRecipe(
            "Only a normal prior has tails to truncate. --temperature 0.7 (in Python: temperature=) moves "
            "samples towards their mean instead, which is the truncation of a StyleGAN in w."
        )
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
    """Fit a mixture to the latents, or to a sample of them, by expectation maximization.

    With matrices as small as these, scikit-learn's mixture is fast only if the threads of the whole process
    are limited, which would change the last bits of what other threads compute meanwhile.
    """
    import torch

    if components < 1:
        raise BadRecipe(f"A mixture needs at least 1 component, not {components}.")
    if len(latents) > MAX_SAMPLES:
        latents = latents[stream(seed, "mixture-rows").choice(len(latents), MAX_SAMPLES, replace=False)]
    # A covariance needs more distinct latents than dimensions.
    supported = len(np.unique(latents, axis=0)) // (2 * (latents.shape[1] + 1))
    components = max(1, min(components, supported))
    x = torch.from_numpy(latents.astype(np.float64))
    floor = 1e-4 * float(x.var(0, correction=0).mean()) + 1e-9
    share, previous = _nearest_center(x, components, seed), -np.inf
    for _ in range(MAX_EM_STEPS):
        weights, means, factors = _maximize(x, share, floor)
        log_share = _log_densities(x, means, factors) + weights.log()
        total = log_share.logsumexp(1, keepdim=True)
        if float(total.mean()) - previous < EM_TOLERANCE:
            break
        share, previous = (log_share - total).exp(), float(total.mean())
    return Mixture(*(part.float().numpy() for part in (weights, means, factors)))


def _nearest_center(x: "Tensor", count: int, seed: int) -> "Tensor":
    """Return the share (n, count) of each component in each latent: 1 for the nearest k-means++ center."""
    import torch
    from sklearn.cluster import kmeans_plusplus

    centers, _ = kmeans_plusplus(x.numpy(), count, random_state=seed & 0xFFFFFFFF)
    nearest = torch.cdist(x, torch.from_numpy(centers)).argmin(1)
    return torch.nn.functional.one_hot(nearest, count).double()


def _maximize(x: "Tensor", share: "Tensor", floor: float) -> tuple["Tensor", "Tensor", "Tensor"]:
    """Return the weights, means and factors that fit these shares best; `floor` is added to variances."""
    import torch

    size = share.sum(0) + 1e-9
    means = share.T @ x / size[:, None]
    parts = []
    for mean, weight, total in zip(means, share.T, size, strict=True):
        centered = x - mean
        if x.shape[1] <= MAX_FULL_DIM:
            covariance = (weight[:, None] * centered).T @ centered / total
            parts.append(torch.linalg.cholesky(covariance + floor * torch.eye(len(mean))))
        else:
            parts.append((weight @ centered.square() / total + floor).sqrt())
    return size / size.sum(), means, torch.stack(parts)


def _log_densities(x: "Tensor", means: "Tensor", factors: "Tensor") -> "Tensor":
    """Return the log-density (n, k) of each latent in each component, but for the constant of normals."""
    import torch

    columns = []
    for mean, factor in zip(means, factors, strict=True):
        centered = x - mean
        if factor.ndim == 1:
            noise, diagonal = centered / factor, factor
        else:
            noise = torch.linalg.solve_triangular(factor, centered.T, upper=False).T
            diagonal = factor.diagonal()
        columns.append(-0.5 * noise.square().sum(1) - diagonal.log().sum())
    return torch.stack(columns, dim=1)


def check_sample(n: int, temperature: float = 1.0) -> None:
    """Refuse fewer than 1 sample, and a negative temperature."""
    if n < 1:
        raise ShapeError(f"The number of samples must be at least 1, not {n}.")
    if not temperature >= 0:
        raise BadRecipe(f"temperature must be at least 0, not {temperature}.")
