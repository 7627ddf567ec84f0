"""Metrics of how a latent space is used: active dimensions, and how well latents fill the prior."""

from dataclasses import replace

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import chi2

from zatlas.core.arrays import Latents
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.latent.density import MAX_GAP_DIM, gap
from zatlas.metrics.metric import Metric, mean_and_error
from zatlas.workspace import Workspace

MIN_ACTIVE_VARIANCE = 0.01  # variance of the posterior mean over images above which a dimension is active
MIN_LATENTS = 10  # fewer latents say nothing about a distribution
MAX_LATENTS = 10_000  # sample of the aggregate posterior
MAX_VALUES = 20_000_000  # numbers in a table of latents; limits the rows in many dimensions
INFORMATION_DRAWS = 2000  # posterior samples for the mutual information
MAX_TABLE = 4_000_000  # densities in memory at once: 32 MB
REPEATS, REPEAT_SIZE = 10, 500  # the kernel statistic is a mean over REPEATS samples of REPEAT_SIZE rows
KERNEL_WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # kernel widths, in median squared distances of prior samples
OUTSIDE_SHARE = 0.001  # share of the prior's mass outside the ball of `outside_prior`

POSTERIOR_SAMPLES = "posterior samples of training images"


def space_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """Metrics of the use of the latent space; an empty list if there are no encoded images."""
    if not workspace.source.indexed or workspace.source.generated:
        return []
    table = workspace.table("train")
    if len(table.latents) < MIN_LATENTS:
        return []
    limit = min(MAX_LATENTS, max(MAX_VALUES // workspace.dim, 1))
    rows = np.sort(stream(seed, "space").permutation(len(table.latents))[:limit])
    means, sampled = table.latents[rows], workspace.posterior_samples("train", seed=seed)[rows]
    prior = workspace.generator.space
    metrics: list[Metric] = []
    if table.std is not None:
        std = table.std[rows]
        metrics += [active_units(means)]
        metrics += [dimension_rate(means, std)] if prior.prior == "normal" else []
        metrics += [mutual_information(means, std, seed=seed)]
    if prior.prior != "none":
        metrics += [prior_distance(sampled, prior, seed=seed)]
    if prior.prior == "normal":
        metrics += [relative_norm(sampled), outside_prior(sampled)]
    return [*metrics, holes(sampled, prior, seed=seed)] if prior.dim <= MAX_GAP_DIM else metrics


def active_units(means: Latents) -> Metric:
    """The number of dimensions that carry information about the image.

    Burda, Grosse and Salakhutdinov 2016, https://arxiv.org/abs/1509.00519
    """
    activity = means.var(axis=0, dtype=np.float64)
    about = (
        f"dimensions in which the variance of the posterior mean over images exceeds {MIN_ACTIVE_VARIANCE}"
    )
    value = float((activity > MIN_ACTIVE_VARIANCE).sum())
    return Metric(
        "active_units",
        "space",
        value,
        about,
        len(means),
        None,
        "dimensions",
        "neither",
        float(means.shape[1]),
        "all dimensions",
        _by_dimension(activity),
    )


def dimension_rate(means: Latents, std: Latents) -> Metric:
    """The rate (KL) per dimension: the divergence of its posterior from the prior, in nats."""
    rates = dimension_rates(means, std)
    value, error = mean_and_error(rates.mean(axis=1))
    about = "divergence of an image's posterior from the prior, mean over dimensions"
    return Metric(
        "dimension_rate",
        "space",
        value,
        about,
        len(means),
        error,
        "nats",
        "neither",
        parts=_by_dimension(rates.mean(axis=0)),
    )


def dimension_rates(means: Latents, std: Latents) -> np.ndarray:
    """KL divergence of each normal posterior from the standard normal, (images, dimensions)."""
    mean, scale = means.astype(np.float64), _positive(std)
    return 0.5 * (mean**2 + scale**2 - 1) - np.log(scale)


def mutual_information(
    means: Latents, std: Latents, *, seed: int = 0, draws: int = INFORMATION_DRAWS
) -> Metric:
    """The mutual information of latent and image: the mean of log q(z | x) - log q(z), in nats.

    Hoffman and Johnson 2016, http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
    q(z) is the mixture of all posteriors. Including the image's own posterior gives a lower bound of at most
    log n; leaving it out gives an upper bound.
    Poole et al. 2019, https://arxiv.org/abs/1905.06922
    """
    n = len(means)
    rng = stream(seed, "mutual information")
    chosen = rng.choice(n, min(draws, n), replace=False)
    scale = _positive(std)
    z = means[chosen] + rng.standard_normal((len(chosen), means.shape[1])) * scale[chosen]
    low, high = np.zeros(len(chosen)), np.zeros(len(chosen))
    for part in np.array_split(np.arange(len(chosen)), max(1, len(chosen) * n // MAX_TABLE)):
        table = _log_densities(z[part], means, scale)
        own = table[np.arange(len(part)), chosen[part]].copy()
        low[part] = own - logsumexp(table, axis=1) + np.log(n)
        table[np.arange(len(part)), chosen[part]] = -np.inf
        high[part] = own - logsumexp(table, axis=1) + np.log(max(n - 1, 1))
    value, error = mean_and_error(low)
    rate = float(dimension_rates(means, std).sum(axis=1).mean())
    upper = max(value, min(float(high.mean()), rate))
    about = (
        f"mutual information of image and latent, lower bound; {n:,} latents can show at most "
        f"{np.log(n):.2f}, and the upper bound is {upper:.2f}"
    )
    parts = {"at least": value, "at most": upper}
    return Metric(
        "mutual_information",
        "space",
        value,
        about,
        len(chosen),
        error,
        "nats",
        "higher",
        float(np.log(n)),
        f"maximum for {n:,} latents",
        parts,
    )


def prior_distance(sampled: Latents, space: Space, *, seed: int = 0) -> Metric:
    """The distance of the latents' distribution from the prior: unbiased squared MMD.

    Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html ; in blocks, as Zaremba et al. 2013,
    https://arxiv.org/abs/1307.1954
    """
    size = min(REPEAT_SIZE, max(len(sampled) // 2, 2))
    rng = stream(seed, "prior distance")
    prior = space.sample(3 * REPEATS * size, seed=seed).reshape(3, REPEATS, size, -1)
    width = float(np.median(_squares(prior[0, 0], prior[1, 0])))
    distances, baseline = [], []
    for ours, first, second in zip(*prior, strict=True):
        latents = sampled[rng.choice(len(sampled), size, replace=False)]
        distances.append(kernel_distance(latents, ours, width))
        baseline.append(kernel_distance(first, second, width))
    value, error = mean_and_error(np.array(distances))
    limit = 1.645 * mean_and_error(np.array(baseline))[1]
    about = (
        f"squared maximum mean discrepancy (MMD) between {POSTERIOR_SAMPLES} and samples of the "
        "prior (five normal kernels, unbiased; at most 2)"
    )
    return Metric(
        "prior_distance",
        "space",
        value,
        about,
        REPEATS * size,
        error,
        "",
        "lower",
        limit,
        "95th percentile for two samples of the prior",
    )


def kernel_distance(a: Latents, b: Latents, width: float) -> float:
    """The unbiased squared MMD of two samples with equally many rows."""
    n = len(a)
    inside, across = 0.0, 0.0
    for scale in KERNEL_WIDTHS:
        for rows in (a, b):
            kernel = np.exp(-_squares(rows, rows) / (scale * width))
            inside += (float(kernel.sum()) - float(np.trace(kernel))) / (n * (n - 1))
        across += 2 * float(np.exp(-_squares(a, b) / (scale * width)).mean())
    return (inside - across) / len(KERNEL_WIDTHS)


def holes(sampled: Latents, space: Space, *, seed: int = 0) -> Metric:
    """The share of the prior's mass in regions with almost no latents."""
    share, error = gap(sampled, space, seed=seed)
    reference = "the prior" if space.prior != "none" else "the normal distribution fitted to the latents"
    own = space if space.prior != "none" else replace(space, prior="normal")
    baseline, _ = gap(own.sample(len(sampled), seed=seed + 2), own, seed=seed)
    about = f"share of the mass of {reference} where {POSTERIOR_SAMPLES} are at least ten times rarer"
    return Metric(
        "holes",
        "space",
        share,
        about,
        len(sampled),
        error,
        "share",
        "lower",
        baseline,
        "equally many samples of the prior",
    )


def relative_norm(sampled: Latents) -> Metric:
    """The mean norm of latents, relative to that of prior samples."""
    dim = sampled.shape[1]
    usual = np.sqrt(2) * np.exp(gammaln((dim + 1) / 2) - gammaln(dim / 2))
    value, error = mean_and_error(np.linalg.norm(sampled, axis=1) / usual)
    about = f"mean norm of {POSTERIOR_SAMPLES}, over the mean norm of prior samples ({usual:.2f})"
    return Metric(
        "relative_norm",
        "space",
        value,
        about,
        len(sampled),
        error,
        "",
        "neither",
        1.0,
        "the prior's own samples",
    )


def outside_prior(sampled: Latents) -> Metric:
    """The share of latents outside the ball that holds 99.9% of the prior."""
    limit = chi2.ppf(1 - OUTSIDE_SHARE, sampled.shape[1])
    value, error = mean_and_error((sampled.astype(np.float64) ** 2).sum(axis=1) > limit)
    ball = f"the ball that holds 99.9% of the prior (radius {limit**0.5:.2f})"
    about = f"share of {POSTERIOR_SAMPLES} outside {ball}"
    return Metric(
        "outside_prior",
        "space",
        value,
        about,
        len(sampled),
        error,
        "share",
        "lower",
        OUTSIDE_SHARE,
        "the prior's own samples",
    )


def _log_densities(z: np.ndarray, means: Latents, std: np.ndarray) -> np.ndarray:
    """log q(z | x) of each latent under each image's posterior, by matrix products."""
    mean, precision = means.astype(np.float64), 1 / std**2
    far = z**2 @ precision.T - 2 * z @ (mean * precision).T + (mean**2 * precision).sum(axis=1)
    scale = np.log(std).sum(axis=1) + means.shape[1] / 2 * np.log(2 * np.pi)
    return -far / 2 - scale


def _positive(std: Latents) -> np.ndarray:
    return np.maximum(std.astype(np.float64), 1e-6)  # float32 rounds very small values to 0


def _squares(a: Latents, b: Latents) -> np.ndarray:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squares, 0)


def _by_dimension(values: np.ndarray) -> dict[str, float]:
    return {f"dimension {i}": float(value) for i, value in enumerate(values)}
