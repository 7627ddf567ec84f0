"""A lower bound of log p(x): the importance-weighted bound, in constant memory."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.models.likelihood import Decodes, transformed

Treatment = Literal["grey", "dynamic", "threshold", "levels"]  # of the pixels

BLOCK = 1 << 20  # pixels decoded at once
IMAGE_BATCH = 32  # images decoded together
LEVEL_STEPS = 255.0  # steps between the levels of a byte

TREATMENT_TEXT: dict[Treatment, str] = {
    "grey": "grey levels taken as probabilities of white; not a likelihood of data, so compare only values "
    "with the same treatment",
    "dynamic": "pixels binarized at random, with the grey level as the probability of white",
    "threshold": "pixels binarized at one half",
    "levels": "256 levels with uniform dequantization",
}


@dataclass(frozen=True)
class Bounds:
    """Bounds for each image, in nats."""

    importance: Tensor  # lower bound of log p(x); tighter with more posterior samples
    elbo: Tensor  # at most the importance bound
    distortion: Tensor  # -log p(x | z), mean over the posterior
    rate: Tensor  # KL divergence of the posterior from the prior


def apply_treatment(x: Tensor, treatment: Treatment, rng: torch.Generator) -> Tensor:
    """Images in [0, 1] with the pixel treatment of the likelihood applied."""
    if treatment not in get_args(Treatment):
        raise UnknownName("treatment of pixels", treatment, get_args(Treatment))
    if treatment == "levels":
        noise = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        return x + (noise - 0.5) / LEVEL_STEPS
    return transformed(x, treatment, rng)


@torch.inference_mode()
def importance_bound(
    model: Decodes,
    x: Tensor,
    k: int,
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    treatment: Treatment = "grey",
) -> Bounds:
    """The log of the mean of p(x, z) / q(z | x) over k posterior samples, for each image.

    Burda, Grosse and Salakhutdinov 2016, https://arxiv.org/abs/1509.00519
    The density of dequantized levels is converted to the probability of the levels themselves.
    Theis, van den Oord and Bethge 2016, https://arxiv.org/abs/1511.01844
    """
    if k < 1 or not len(x):
        raise BadRecipe(f"A bound needs at least one image and one sample, not {len(x)} and {k}.")
    parts = []
    for i in range(0, len(x), IMAGE_BATCH):
        part = apply_treatment(x[i : i + IMAGE_BATCH], treatment, rng)
        labels = None if y is None else y[i : i + IMAGE_BATCH]
        parts.append(_bounds(model, part, k, rng, labels, treatment))
    return Bounds(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _bounds(
    model: Decodes, x: Tensor, k: int, rng: torch.Generator, y: Tensor | None, treatment: Treatment
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four bounds of a batch of images; the sum over samples is accumulated block by block."""
    mean, log_variance = model.posterior(x, y)
    count = x[0].numel()
    step = (
        math.log(LEVEL_STEPS) * count if treatment == "levels" else 0.0
    )  # log volume of the cell of a level
    together = max(1, BLOCK // (len(x) * count))
    total = torch.full((len(x),), -math.inf, dtype=torch.float64)  # not on the device: Apple has no float64
    distortion_sum = torch.zeros_like(total)
    for done in range(0, k, together):
        draws = min(together, k - done)
        size = (draws, *mean.shape)
        noise = torch.randn(size, generator=rng, device=x.device, dtype=mean.dtype)
        z = mean + noise * (log_variance / 2).exp()
        repeated = x.expand(draws, *x.shape).flatten(0, 1)
        labels = None if y is None else y.repeat(draws)
        nats = model.distortion(repeated, z.flatten(0, 1), labels).cpu().double().view(draws, -1) + step
        above_prior = 0.5 * (z.square() - noise.square() - log_variance).cpu().double().sum(2)
        total = torch.logaddexp(total, (-nats - above_prior).logsumexp(0))
        distortion_sum += nats.sum(0)
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).cpu().double().sum(1)
    distortion = distortion_sum / k
    return total - math.log(k), -(distortion + rate), distortion, rate
