"""Metrics of how a latent space is used: which axes carry anything, and how well codes fill the prior."""

from dataclasses import replace

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import chi2

from zatlas.core.arrays import Points
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.latent.density import FEW, gap
from zatlas.metrics.metric import Metric, mean_and_error
from zatlas.workspace import Workspace

MIN_ACTIVE_VARIANCE = 0.01  # variance of an axis's mean above which it carries something
MIN_LATENTS = 10  # codes, fewer than which tell nothing of a distribution
MAX_LATENTS = 10_000  # that stand for the aggregate posterior
MAX_VALUES = 20_000_000  # in a table of codes: points of many axes are fewer
INFORMATION_DRAWS = 2000  # draws whose density under all codes is asked for
MAX_TABLE = 4_000_000  # densities held at once: 32 MB
REPEATS, REPEAT_SIZE = 10, 500  # the kernel statistic is a mean over turns of so many draws
KERNEL_WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernels, in median squared distances of the prior
OUTSIDE_SHARE = 0.001  # of the prior's mass lies outside its ball

POSTERIOR_SAMPLES = "draws around the codes of training images"


def space_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """What the codes tell of the space; nothing, where images have no points of their own."""
    if not workspace.coded or workspace.imagined:
        return []
    codes = workspace.codes("train")
    if len(codes.points) < MIN_LATENTS:
        return []
    limit = min(MAX_LATENTS, max(MAX_VALUES // workspace.dim, 1))
    some = np.sort(stream(seed, "space").permutation(len(codes.points))[:limit])
    means, drawn = codes.points[some], workspace.drawn("train", seed=seed)[some]
    place = workspace.generator.space
    found: list[Metric] = []
    if codes.deviations is not None:
        deviations = codes.deviations[some]
        found += [active_units(means)]
        found += [dimension_rate(means, deviations)] if place.prior == "normal" else []
        found += [mutual_information(means, deviations, seed=seed)]
    if place.prior != "none":
        found += [prior_distance(drawn, place, seed=seed)]
    if place.prior == "normal":
        found += [relative_norm(drawn), outside_prior(drawn)]
    return [*found, holes(drawn, place, seed=seed)] if place.dim <= FEW else found


def active_units(means: Points) -> Metric:
    """How many axes say anything of the image.

    Burda, Grosse and Salakhutdinov 2016, https://arxiv.org/abs/1509.00519
    """
    activity = means.var(axis=0, dtype=np.float64)
    about = (
        f"axes along which the mean of the posterior varies over images by more than {MIN_ACTIVE_VARIANCE}"
    )
    value = float((activity > MIN_ACTIVE_VARIANCE).sum())
    return Metric(
        "active_units",
        "space",
        value,
        about,
        len(means),
        None,
        "axes",
        "neither",
        float(means.shape[1]),
        "all axes",
        _axes(activity),
    )


def dimension_rate(means: Points, deviations: Points) -> Metric:
    """What an axis costs: the divergence of its posterior from the prior, in nats."""
    rates = dimension_rates(means, deviations)
    value, error = mean_and_error(rates.mean(axis=1))
    about = "divergence of an image's posterior from the prior, the mean over axes"
    return Metric(
        "dimension_rate",
        "space",
        value,
        about,
        len(means),
        error,
        "nats",
        "neither",
        parts=_axes(rates.mean(axis=0)),
    )


def dimension_rates(means: Points, deviations: Points) -> np.ndarray:
    """Divergence of each normal posterior from the standard normal, of every image and axis."""
    mean, deviation = means.astype(np.float64), _spreads(deviations)
    return 0.5 * (mean**2 + deviation**2 - 1) - np.log(deviation)


def mutual_information(
    means: Points, deviations: Points, *, seed: int = 0, draws: int = INFORMATION_DRAWS
) -> Metric:
    """What a code tells of its image: the mean of log q(z | x) - log q(z), q(z) mixed of all posteriors.

    Hoffman and Johnson 2016, http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
    With the image's own posterior in the mixture it is too low, and never above log n; without, too high.
    Poole et al. 2019, https://arxiv.org/abs/1905.06922
    """
    n = len(means)
    rng = stream(seed, "mutual information")
    chosen = rng.choice(n, min(draws, n), replace=False)
    spreads = _spreads(deviations)
    z = means[chosen] + rng.standard_normal((len(chosen), means.shape[1])) * spreads[chosen]
    low, high = np.zeros(len(chosen)), np.zeros(len(chosen))
    for part in np.array_split(np.arange(len(chosen)), max(1, len(chosen) * n // MAX_TABLE)):
        table = _log_densities(z[part], means, spreads)
        own = table[np.arange(len(part)), chosen[part]].copy()
        low[part] = own - logsumexp(table, axis=1) + np.log(n)
        table[np.arange(len(part)), chosen[part]] = -np.inf
        high[part] = own - logsumexp(table, axis=1) + np.log(max(n - 1, 1))
    value, error = mean_and_error(low)
    rate = float(dimension_rates(means, deviations).sum(axis=1).mean())
    most = max(value, min(float(high.mean()), rate))
    about = (
        f"information between image and code, from below: with {n:,} codes it cannot be told to be more "
        f"than {np.log(n):.2f}; from above it is {most:.2f}"
    )
    parts = {"at least": value, "at most": most}
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
        f"all that {n:,} codes can tell",
        parts,
    )


def prior_distance(drawn: Points, place: Space, *, seed: int = 0) -> Metric:
    """How far the codes' distribution is from the prior: the unbiased squared distance of kernel means.

    Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html ; in turns, as Zaremba et al. 2013,
    https://arxiv.org/abs/1307.1954
    """
    size = min(REPEAT_SIZE, max(len(drawn) // 2, 2))
    rng = stream(seed, "prior distance")
    prior = place.sample(3 * REPEATS * size, seed=seed).reshape(3, REPEATS, size, -1)
    width = float(np.median(_squares(prior[0, 0], prior[1, 0])))
    found, baseline = [], []
    for ours, one, other in zip(*prior, strict=True):
        codes = drawn[rng.choice(len(drawn), size, replace=False)]
        found.append(kernel_distance(codes, ours, width))
        baseline.append(kernel_distance(one, other, width))
    value, error = mean_and_error(np.array(found))
    limit = 1.645 * mean_and_error(np.array(baseline))[1]
    about = (
        f"squared distance of kernel means between {POSTERIOR_SAMPLES} and samples of the prior (five normal "
        "kernels, unbiased; at most 2)"
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
        "what two draws of the prior stay under, nineteen times in twenty",
    )


def kernel_distance(a: Points, b: Points, width: float) -> float:
    """The unbiased squared distance of two samples' kernel means, of equally many rows."""
    n = len(a)
    inside, across = 0.0, 0.0
    for scale in KERNEL_WIDTHS:
        for rows in (a, b):
            kernel = np.exp(-_squares(rows, rows) / (scale * width))
            inside += (float(kernel.sum()) - float(np.trace(kernel))) / (n * (n - 1))
        across += 2 * float(np.exp(-_squares(a, b) / (scale * width)).mean())
    return (inside - across) / len(KERNEL_WIDTHS)


def holes(drawn: Points, place: Space, *, seed: int = 0) -> Metric:
    """Share of the prior's mass where there are next to no codes."""
    share, error = gap(drawn, place, seed=seed)
    stands = "the prior" if place.prior != "none" else "the normal distribution that codes suggest"
    own = place if place.prior != "none" else replace(place, prior="normal")
    baseline, _ = gap(own.sample(len(drawn), seed=seed + 2), own, seed=seed)
    about = f"share of the mass of {stands} where {POSTERIOR_SAMPLES} are ten times rarer"
    return Metric(
        "holes",
        "space",
        share,
        about,
        len(drawn),
        error,
        "share",
        "lower",
        baseline,
        "as many samples of the prior in place of codes",
    )


def relative_norm(drawn: Points) -> Metric:
    """How far out the codes lie, where the prior's samples lie at 1."""
    dim = drawn.shape[1]
    usual = np.sqrt(2) * np.exp(gammaln((dim + 1) / 2) - gammaln(dim / 2))
    value, error = mean_and_error(np.linalg.norm(drawn, axis=1) / usual)
    about = f"mean norm of {POSTERIOR_SAMPLES}, over that of the prior's samples ({usual:.2f})"
    return Metric(
        "relative_norm", "space", value, about, len(drawn), error, "", "neither", 1.0, "on the shell"
    )


def outside_prior(drawn: Points) -> Metric:
    """Share of the codes that are farther out than samples of the prior ever come."""
    limit = chi2.ppf(1 - OUTSIDE_SHARE, drawn.shape[1])
    value, error = mean_and_error((drawn.astype(np.float64) ** 2).sum(axis=1) > limit)
    ball = f"the ball that holds 99.9 % of the prior (radius {limit**0.5:.2f})"
    about = f"share of {POSTERIOR_SAMPLES} outside {ball}"
    return Metric(
        "outside_prior",
        "space",
        value,
        about,
        len(drawn),
        error,
        "share",
        "lower",
        OUTSIDE_SHARE,
        "the prior's own samples",
    )


def _log_densities(z: np.ndarray, means: Points, spreads: np.ndarray) -> np.ndarray:
    """log q(z | x) of each point under each image's posterior, by products instead of differences."""
    mean, precision = means.astype(np.float64), 1 / spreads**2
    far = z**2 @ precision.T - 2 * z @ (mean * precision).T + (mean**2 * precision).sum(axis=1)
    scale = np.log(spreads).sum(axis=1) + means.shape[1] / 2 * np.log(2 * np.pi)
    return -far / 2 - scale


def _spreads(deviations: Points) -> np.ndarray:
    return np.maximum(deviations.astype(np.float64), 1e-6)  # 0 is what float32 rounds small ones to


def _squares(a: Points, b: Points) -> np.ndarray:
    found = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(found, 0)


def _axes(values: np.ndarray) -> dict[str, float]:
    return {f"axis {i}": float(value) for i, value in enumerate(values)}
