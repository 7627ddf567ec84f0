"""Find problems of a run from its metrics, and suggest commands that address them.

A check is a function from a `RunSummary` to a `Finding` or None. The checks run in the order of `CHECKS`:
a finding that explains others comes first, and the others are then skipped.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from zatlas.core.registry import MODELS, NETS
from zatlas.metrics.run_summary import Finding, RunSummary
from zatlas.models.gan import GANConfig
from zatlas.training.image_defaults import least_steps

MAX_BETA = 2.0  # effective beta above which the prior term is too strong (the ELBO has 1)
MIN_BETA = 0.5  # effective beta below which the prior term is too weak
MAX_UNUSED = 0.5  # share of unused dimensions that is acceptable
MIN_RATE = 1.0  # rate (KL) in nats below which a latent says almost nothing about its image
MAX_DIMENSION_RATE = 2.5  # nats per dimension; above it, with all dimensions in use, more are needed
MAX_NOISE_RATIO = 1.5  # noise of the likelihood over the reconstruction error
MAX_FRECHET_RATIO = 1.5  # Frechet distance of prior samples over that of images decoded near encoded latents
MAX_PRIOR_RATIO = 3.0  # kernel distance to the prior over that of two samples of the prior
MAX_HOLES = 0.1  # share of the prior's mass without data
MAX_MEMORIZED = 0.1  # share of near copies among samples, minus the share among held-out images
MIN_VARIETY = 0.8  # class entropy, or mean distance, of samples over that of real images
MAX_LATE_PROGRESS = 0.25  # share of the total loss reduction that falls into the last third of the training
MAX_SHARP_RATIO = 8.0  # Frechet distance of the samples of a GAN over that between sets of real images
MAX_BLURRED_RATIO = 40.0  # the same for a model with an encoder, whose decoder averages over details
MIN_STEPS_SHARE = 0.5  # part of a family's usual number of steps, below which training is too short
MAX_ACCURACY = 0.99  # accuracy of a discriminator that gives the generator no useful gradient


def diagnose(run: RunSummary) -> list[Finding]:
    """The findings for a run, by its metrics; an empty list if no check finds a problem."""
    findings: list[Finding] = []
    for check, explained_by in CHECKS.items():
        if any(finding.name in explained_by for finding in findings):
            continue
        if (finding := check(run)) is not None:
            suggestions = tuple(each for each in finding.suggestions if run.applies(each))
            findings.append(replace(finding, suggestions=suggestions))
    return findings


def rate_scale(run: RunSummary) -> Finding | None:
    """The loss averages over pixels and dimensions where the ELBO sums, which scales the rate (KL)."""
    beta = run.value("effective_beta")
    if run.setting("reduction") != "mean" or MIN_BETA <= beta <= MAX_BETA:
        return None
    effect = "pulls the posterior to the prior" if beta > 1 else "makes the prior term almost irrelevant"
    corrected = float(run.setting("beta")) / beta
    return Finding(
        "scale of the rate",
        "The loss is a mean over pixels and over latent dimensions; the ELBO is a sum over both. "
        f"The effective beta is therefore {beta:.3g} instead of 1, which {effect}.",
        ("effective_beta", "rate"),
        (
            run.retrain("Sum over pixels and dimensions, as in the ELBO.", "model.reduction=sum"),
            run.retrain("Or keep the mean, and correct beta for it.", f"model.beta={corrected:.3g}"),
        ),
    )


def strong_prior(run: RunSummary) -> Finding | None:
    """Beta is so high that dimensions are unused and reconstructions are poor."""
    beta, used = run.value("effective_beta"), run.value("active_units")
    if not (beta > MAX_BETA and used <= (1 - MAX_UNUSED) * run.dim):
        return None
    milder = max(1.0, beta / 8)
    return Finding(
        "over-regularized",
        f"The effective beta is {beta:.3g}, and the ELBO has 1. The model uses only "
        f"{_dimensions_used(used, run.dim)}; the information that the others could store is lost.",
        ("effective_beta", "active_units", "rate"),
        (
            run.retrain("Use the beta of the ELBO.", "model.beta=1"),
            run.retrain(
                "Or, for disentangled dimensions, use a smaller beta with a warm-up from 0.",
                f"model.beta={milder:.3g}",
                "model.warmup=5",
            ),
        ),
    )


def blind_likelihood(run: RunSummary) -> Finding | None:
    """The likelihood assumes much more noise than there is, so details do not improve it."""
    noise, error = run.value("noise"), run.baseline("noise")
    if not noise > MAX_NOISE_RATIO * error:
        return None
    return Finding(
        "likelihood too noisy",
        f"The likelihood assumes pixel noise with a standard deviation of {noise:.2g}, but the "
        f"reconstruction error is only {error:.2g}. Details below the assumed noise do not improve the "
        "loss, so the latents do not store them.",
        ("noise", "reconstruction", "rate"),
        (
            run.retrain("Fit the noise during training.", "model.likelihood=gaussian", "model.sigma=0"),
            run.retrain("Or use a Bernoulli likelihood for grey levels.", "model.likelihood=bernoulli"),
        ),
    )


def collapse(run: RunSummary) -> Finding | None:
    """The posterior equals the prior for every image: latents carry no information."""
    used, rate = run.value("active_units"), run.value("rate")
    if not (used == 0 or rate < MIN_RATE):
        return None
    text = f"A latent holds only {rate:.2g} nats of information about its image. The decoder ignores it."
    if used == run.dim:
        text = f"All dimensions vary from image to image, but too little. {text}"
    elif used < run.dim:
        text = f"{_dimensions_used(used, run.dim).capitalize()} vary from image to image. {text}"
    early = (run.train_longer("Or train for longer, if training has only begun."),) if used == run.dim else ()
    return Finding(
        "posterior collapse",
        text,
        ("active_units", "rate", "mutual_information"),
        (
            run.retrain("Give each dimension free bits: a rate that costs nothing.", "model.free_bits=0.5"),
            run.retrain("Or lower beta.", "model.beta=0.25"),
            run.retrain("Or raise beta from 0 during the first epochs.", f"model.warmup={_half_epochs(run)}"),
            *early,
        ),
    )


def holes(run: RunSummary) -> Finding | None:
    """The latent space has no prior: points between encoded latents do not decode to images."""
    share, ratio = run.value("holes"), run.value("frechet") / run.value("posterior_frechet")
    if run.prior != "none" or not (share > MAX_HOLES or ratio > MAX_FRECHET_RATIO):
        return None
    empty = f"{share:.0%} of the mass of a normal distribution fitted to the latents contains no data"
    far = f"the Frechet distance of samples is {ratio:.1f} times that of images decoded from encoded latents"
    return Finding(
        "holes",
        f"An auto-encoder is not trained to fill its latent space: {empty if share > MAX_HOLES else far}. "
        "Samples from these regions are unreliable.",
        ("holes", "frechet", "posterior_frechet"),
        (
            run.sample_fitted("Sample from a density fitted to the latents.", "mixture"),
            run.retrain("Or train a VAE, which fills its prior.", "model.family=vae"),
        ),
    )


def prior_mismatch(run: RunSummary) -> Finding | None:
    """Prior samples lie where no encoded latents are, so the decoder was not trained for them."""
    far = run.value("prior_distance") > MAX_PRIOR_RATIO * run.baseline("prior_distance")
    worse = run.value("frechet") > MAX_FRECHET_RATIO * run.value("posterior_frechet")
    if run.prior == "none" or not (far and worse):
        return None
    ratio = run.value("frechet") / run.value("posterior_frechet")
    suggestions = [run.sample_fitted("Sample from a prior that is fitted to the latents.", "flow")]
    if run.value("effective_beta") < MIN_BETA:
        suggestions.append(run.retrain("Or use the beta of the ELBO.", "model.beta=1"))
    return Finding(
        "prior mismatch",
        "The encoded latents do not match the prior. The Frechet distance of prior samples to real images is "
        f"{ratio:.1f} times that of images decoded near encoded latents.",
        ("prior_distance", "relative_norm", "outside_prior", "frechet", "posterior_frechet"),
        tuple(suggestions),
    )


def few_dimensions(run: RunSummary) -> Finding | None:
    """Every dimension is used to capacity, so the rest of the information is lost."""
    rate, used = run.value("dimension_rate"), run.value("active_units")
    if not (used == run.dim and rate > MAX_DIMENSION_RATE) or run.value("effective_beta") < MIN_BETA:
        return None
    more = max(8, 4 * run.dim)
    subject = "The only dimension is" if run.dim == 1 else f"All {run.dim} dimensions are"
    return Finding(
        "too few dimensions",
        f"{subject} in use, with {rate:.1f} nats each: the images contain more information than fits. "
        "For a map in one or two dimensions this is often what you want.",
        ("dimension_rate", "active_units", "reconstruction"),
        (run.retrain("Use more dimensions; those that are not needed stay unused.", f"model.dim={more}"),),
    )


def memorization(run: RunSummary) -> Finding | None:
    """Samples copy training images more often than held-out images resemble them."""
    share, usual = run.value("memorized"), run.baseline("memorized")
    if not share - usual > MAX_MEMORIZED:
        return None
    return Finding(
        "memorization",
        f"{share:.0%} of the samples are almost copies of a training image; among held-out images it is "
        f"{usual:.0%}. The model reproduces its training data.",
        ("memorized", "generalization_gap", "coverage"),
        (
            run.retrain("Keep the epoch with the lowest held-out loss.", "training.best=loss"),
            run.retrain(
                "Augment the data with mirrored images, if left and right are equivalent.",
                "training.flip=true",
            ),
        ),
    )


def discriminator_won(run: RunSummary) -> Finding | None:
    """The discriminator is almost never wrong, so its gradient gives the generator no information."""
    real, fake = (_recent_mean(run, f"train/discriminator/{kind}_accuracy") for kind in ("real", "fake"))
    if not (real > MAX_ACCURACY and fake > MAX_ACCURACY):
        return None
    return Finding(
        "discriminator too strong",
        f"The discriminator recognizes {real:.1%} of the real and {fake:.1%} of the generated images. Its "
        "gradient is then close to zero, and the generator cannot improve.",
        ("frechet", "variety"),
        (
            run.retrain(
                "Penalize the discriminator's gradient (R1), and lower the learning rate.",
                *_usual_gan_settings(),
            ),
        ),
    )


def mode_collapse(run: RunSummary) -> Finding | None:
    """The generator makes a few kinds of image only."""
    if run.family != "gan":
        return None
    variety, diversity = run.value("variety"), run.value("sample_diversity")
    if not (variety < MIN_VARIETY or diversity < MIN_VARIETY):
        return None
    return Finding(
        "mode collapse",
        f"Samples have {variety:.0%} of the class entropy of real images, and {diversity:.0%} of the mean "
        "distance between real images: the generator makes only a few kinds of image.",
        ("variety", "sample_diversity", "recall", "coverage"),
        (
            run.retrain(
                "Penalize the discriminator's gradient (R1), so that the generator settles less early.",
                *_usual_gan_settings(),
            ),
            run.train_longer("Or train for longer, if training has only begun."),
        ),
    )


def unfinished(run: RunSummary) -> Finding | None:
    """The model was still improving when training ended."""
    losses = [float(row["valid/loss"]) for row in run.history if "valid/loss" in row]
    if len(losses) < 2:
        return _short(run)
    total = losses[0] - losses[-1]
    last = losses[-1 - max(1, len(losses) // 3)] - losses[-1]
    if not last > MAX_LATE_PROGRESS * total > 0:
        return None
    return Finding(
        "training not converged",
        f"{last / total:.0%} of the reduction in held-out loss happened in the last third of the training. "
        "The metrics describe a model that was still improving.",
        ("reconstruction", "frechet"),
        (run.train_longer("Train for twice as many epochs."),),
    )


def _short(run: RunSummary) -> Finding | None:
    """A model without a held-out loss, as a GAN, had too few steps, and its samples show it."""
    steps = max((int(row["step"]) for row in run.history if "step" in row), default=0)
    usual = least_steps(MODELS.get(run.family), NETS.get(run.recipe.net)) if run.recipe else 0
    if not (0 < steps < MIN_STEPS_SHARE * usual and _far_ratio(run) > 1):
        return None
    return Finding(
        "training not converged",
        f"The model was trained for {steps:,} steps, and such a model usually improves until about "
        f"{usual:,}. {_distances(run)}",
        ("frechet", "precision", "recall"),
        (run.train_longer("Train for twice as many epochs."),),
    )


def far_samples(run: RunSummary) -> Finding | None:
    """Samples differ from real images by much more than real images from each other."""
    if not _far_ratio(run) > 1:
        return None
    suggestions = [run.train_longer("Train for twice as many epochs.")]
    if run.family == "gan":
        suggestions.append(
            run.retrain("Or augment the images that the discriminator sees.", "model.augment=true")
        )
    elif run.prior != "none":
        suggestions.insert(0, run.sample_fitted("Sample from a prior fitted to the latents.", "flow"))
    return Finding(
        "samples far from the data",
        f"The samples differ from real images much more than real images from each other. {_distances(run)}",
        ("frechet", "kernel_distance", "precision", "recall"),
        tuple(suggestions),
    )


Check = Callable[[RunSummary], Finding | None]
CHECKS: Mapping[Check, tuple[str, ...]] = {  # each check, and the findings that explain it
    rate_scale: (),
    strong_prior: ("scale of the rate",),
    blind_likelihood: ("scale of the rate",),
    collapse: ("scale of the rate", "over-regularized", "likelihood too noisy"),
    holes: (),
    prior_mismatch: ("scale of the rate",),
    few_dimensions: (),
    memorization: (),
    discriminator_won: (),
    mode_collapse: ("discriminator too strong",),
    unfinished: (),
    far_samples: (
        "scale of the rate",
        "over-regularized",
        "likelihood too noisy",
        "posterior collapse",
        "holes",
        "prior mismatch",
        "too few dimensions",
        "discriminator too strong",
        "mode collapse",
    ),
}


def _usual_gan_settings() -> tuple[str, ...]:
    """The default settings of a GAN that keep its two players in balance."""
    usual = {"model.r1": GANConfig.r1, **{f"training.{k}": GANConfig.TRAINING[k] for k in ("rate", "beta1")}}
    return tuple(f"{name}={value:g}" for name, value in usual.items())


def _far_ratio(run: RunSummary) -> float:
    """The Frechet distance of samples over its limit, a multiple of that between sets of real images."""
    encodes = not math.isnan(run.value("posterior_frechet"))
    limit = MAX_BLURRED_RATIO if encodes else MAX_SHARP_RATIO
    return run.value("frechet") / (limit * run.baseline("frechet"))


def _distances(run: RunSummary) -> str:
    return (
        f"The Frechet distance of samples to real images is {run.value('frechet'):.1f}; between equally many "
        f"real images it is {run.baseline('frechet'):.1f}."
    )


def _recent_mean(run: RunSummary, name: str) -> float:
    """The mean of a logged value over the last quarter of the training."""
    values = [float(row[name]) for row in run.history if name in row]
    last = values[-max(1, len(values) // 4) :]
    return sum(last) / len(last) if last else math.nan


def _dimensions_used(used: float, dim: int) -> str:
    return f"{'none' if used == 0 else f'{used:.0f}'} of {dim} dimensions"


def _half_epochs(run: RunSummary) -> int:
    return 1 if run.recipe is None else max(1, run.recipe.training.epochs // 2)
