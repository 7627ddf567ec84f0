"""How likely images are under a model, from below: the importance-weighted bound, in flat memory."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.models.likelihood import Likely, treated

Treatment = Literal["grey", "dynamic", "threshold", "levels"]  # of the pixels

BLOCK = 1 << 20  # pixels decoded at a time
IMAGE_BATCH = 32  # images whose draws are decoded side by side
LEVEL_STEPS = 255.0  # steps between the levels of a byte

TREATMENT_TEXT: dict[Treatment, str] = {
    "grey": "grey levels counted as chances of white, which is no likelihood of any data: compare it with "
    "nothing but its like",
    "dynamic": "each pixel drawn black or white with its grey level as the chance",
    "threshold": "pixels cut to black or white at one half",
    "levels": "256 levels, each spread evenly over its step (uniform dequantisation)",
}


@dataclass(frozen=True)
class Bounds:
    """What is known of each image, in nats."""

    importance: Tensor  # at most log p(x), and nearer to it the more draws there are
    elbo: Tensor  # at most that
    distortion: Tensor  # -log p(x | z), the mean over the posterior
    rate: Tensor  # divergence of the posterior from the prior


def apply_treatment(x: Tensor, treatment: Treatment, rng: torch.Generator) -> Tensor:
    """Images in [0, 1] as the likelihood is asked for them."""
    if treatment not in get_args(Treatment):
        raise UnknownName("treatment of pixels", treatment, get_args(Treatment))
    if treatment == "levels":
        noise = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
        return x + (noise - 0.5) / LEVEL_STEPS
    return treated(x, treatment, rng)


@torch.inference_mode()
def importance_bound(
    model: Likely,
    x: Tensor,
    k: int,
    *,
    rng: torch.Generator,
    y: Tensor | None = None,
    treatment: Treatment = "grey",
) -> Bounds:
    """log of the mean of p(x, z) / q(z | x) over k draws of the posterior, for each image.

    Burda, Grosse and Salakhutdinov 2016, https://arxiv.org/abs/1509.00519
    A density of dequantised levels becomes the probability of the levels themselves.
    Theis, van den Oord and Bethge 2016, https://arxiv.org/abs/1511.01844
    """
    if k < 1 or not len(x):
        raise BadRecipe(f"A bound takes at least one image and one draw, not {len(x)} and {k}.")
    parts = []
    for i in range(0, len(x), IMAGE_BATCH):
        part = apply_treatment(x[i : i + IMAGE_BATCH], treatment, rng)
        told = None if y is None else y[i : i + IMAGE_BATCH]
        parts.append(_bounds(model, part, k, rng, told, treatment))
    return Bounds(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _bounds(
    model: Likely, x: Tensor, k: int, rng: torch.Generator, y: Tensor | None, treatment: Treatment
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four numbers of a few images; the sum over draws is carried from block to block."""
    mean, log_variance = model.posterior(x, y)
    count = x[0].numel()
    step = math.log(LEVEL_STEPS) * count if treatment == "levels" else 0.0  # volume of the cell of a level
    together = max(1, BLOCK // (len(x) * count))
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    spent = torch.zeros_like(total)
    for done in range(0, k, together):
        draws = min(together, k - done)
        size = (draws, *mean.shape)
        noise = torch.randn(size, generator=rng, device=x.device, dtype=mean.dtype)
        z = mean + noise * (log_variance / 2).exp()
        again = x.expand(draws, *x.shape).flatten(0, 1)
        labels = None if y is None else y.repeat(draws)
        nats = model.distortion(again, z.flatten(0, 1), labels).double().view(draws, -1) + step
        above_prior = 0.5 * (z.square() - noise.square() - log_variance).double().sum(2)
        total = torch.logaddexp(total, (-nats - above_prior).logsumexp(0))
        spent += nats.sum(0)
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).double().sum(1)
    distortion = spent / k
    return total - math.log(k), -(distortion + rate), distortion, rate
