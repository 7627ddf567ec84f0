"""The variational auto-encoder (VAE), the beta-VAE and the conditional VAE.

Kingma and Welling 2014, https://arxiv.org/abs/1312.6114
Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl  (beta > 1)
Sohn et al. 2015, https://papers.nips.cc/paper/5775  (conditional)
Kingma et al. 2016, https://arxiv.org/abs/1606.04934  (free bits)
Burda et al. 2016, https://arxiv.org/abs/1509.00519  (importance weighting)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from zatlas.core.errors import BadRecipe
from zatlas.core.settings import Dim, Weight, Within
from zatlas.core.space import Space
from zatlas.models.likelihood import Name, Treatment, likelihood, transformed
from zatlas.models.nets import Net, Shape, apply_encoder, begin_at, join, one_hot
from zatlas.models.noise import normal
from zatlas.models.trainable import Choice, Family, Terms, Trainable
from zatlas.models.usual_settings import usual_settings

Samples = Annotated[int, Within(1, 10_000)]
WIDE = 1.0  # log-variance of a posterior that is much wider than the prior


@dataclass(frozen=True)
class VAEConfig(Family):
    """The settings of a VAE."""

    dim: Dim = 2  # dimensions of the latent space
    beta: Weight = 1.0  # weight of the rate (KL); above 1, dimensions tend to disentangle
    warmup: Weight = 0.0  # epochs over which that weight rises from 0
    free_bits: Weight = 0.0  # nats of rate per dimension that are not penalized
    samples: Samples = 1  # samples of the posterior per image
    importance: bool = False  # train with the importance-weighted bound
    conditional: bool = False  # give encoder and decoder the label
    likelihood: Name = "bernoulli"  # of the pixels
    pixels: Treatment = "grey"  # pixels as they are, sampled as probabilities, or thresholded at 0.5
    sigma: Weight = 0.0  # std of the gaussian likelihood, for pixels in [0, 1]; 0 fits it
    signed: bool = False  # scale pixels to [-1, 1] inside the net
    mean_start: bool = True  # initialize the decoder to output the mean image
    reduction: Literal["sum", "mean"] = (
        "sum"  # over pixels and dimensions; with "mean" the loss is not a bound
    )

    BFLOAT16: ClassVar[bool] = True

    @staticmethod
    def image_defaults(shape: Shape, count: int, given: Mapping[str, Any]) -> dict[str, Choice]:
        """Return the settings that suit images of this shape."""
        return usual_settings(shape, given)

    def build(self, net: Net, shape: Shape, classes: int) -> "VAE":
        """Return a new VAE for images of this shape."""
        if self.conditional and not classes:
            raise BadRecipe(
                "A conditional model needs labels, and these images have none. Leave out model.conditional."
            )
        if self.pixels != "grey" and self.likelihood != "bernoulli":
            raise BadRecipe(
                f"model.pixels={self.pixels} makes pixels black or white, and the likelihood "
                f"{self.likelihood} is for grey levels. Set model.likelihood=bernoulli or model.pixels=grey."
            )
        if self.importance and not self._can_weight:
            raise BadRecipe(
                "model.importance weights several samples by their likelihood. It needs model.samples of "
                "at least 2, likelihood bernoulli or gaussian, reduction=sum and free_bits=0."
            )
        return VAE(self, net, shape, classes if self.conditional else 0)

    @property
    def _can_weight(self) -> bool:
        """Whether there are several samples with a likelihood, which importance weights need."""
        has_likelihood = self.likelihood != "mse" and self.reduction == "sum"
        return self.samples > 1 and has_likelihood and not self.free_bits


class VAE(Trainable):
    """A VAE with a standard normal prior and a diagonal normal posterior."""

    def __init__(self, config: VAEConfig, net: Net, shape: Shape, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.space = Space((config.dim,))
        self.likelihood = likelihood(config.likelihood, config.sigma, config.signed)
        self.bound = self.likelihood.bound and config.reduction == "sum"
        self.encoder = net.encoder(shape, 2 * config.dim, classes)
        self.decoder = net.decoder(shape, config.dim + classes)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x, y), each (n, dim)."""
        scaled = 2 * x - 1 if self.config.signed else x
        mean, raw = apply_encoder(self.encoder, scaled, one_hot(y, self.classes, x)).chunk(2, dim=1)
        return mean, stable_log_variance(raw)

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of q(z | x, y), each (n, dim)."""
        if self.config.pixels == "threshold":
            x = transformed(x, "threshold")
        mean, log_variance = self.posterior(x, y)
        return mean, (log_variance / 2).exp()

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the mean image (n, c, h, w) of p(x | z, y)."""
        return self.likelihood.mean(self.decoder(join(z, one_hot(y, self.classes, z))))

    def distortion(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the reconstruction loss of each image (n,); of a likelihood, -log p(x | z, y) in nats."""
        raw = self.decoder(join(z, one_hot(y, self.classes, z)))
        return self.likelihood.distortion(raw, x)

    def initialize(self, mean: Tensor) -> None:
        """Initialize the decoder to output the mean image, if `mean_start` is set."""
        if self.config.mean_start:
            begin_at(self.decoder, self.likelihood.raw(mean))

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """Return distortion (reconstruction), rate (KL), their weighted sum and, for a bound, the ELBO."""
        config = self.config
        x = transformed(x, config.pixels, rng)
        mean, log_variance = self.posterior(x, y)
        noise = normal((config.samples, *mean.shape), mean, rng, axis=1)
        z = mean + noise * (log_variance / 2).exp()
        repeated = x.expand(config.samples, *x.shape).flatten(0, 1)
        labels = None if y is None else y.repeat(config.samples)
        distortions = self.distortion(repeated, z.flatten(0, 1), labels)
        distortion = distortions.mean()
        rates = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)
        rate = rates.sum()
        weight = config.beta * min(1.0, epoch / config.warmup) if config.warmup else config.beta
        penalty = rates.clamp(min=config.free_bits).sum() if config.free_bits else rate
        if config.importance:
            loss = importance_weighted(distortions.view(noise.shape[:2]), z, mean, log_variance, weight)
        elif config.reduction == "mean":
            loss = distortion / x[0].numel() + weight * penalty / config.dim
        else:
            loss = distortion + weight * penalty
        terms = {"loss": loss, "distortion": distortion.detach(), "rate": rate.detach()}
        return {**terms, "elbo": -(distortion + rate).detach()} if self.bound else terms


def stable_log_variance(raw: Tensor) -> Tensor:
    """Return a log-variance that is `raw` up to `WIDE`; above it the variance grows linearly with `raw`.

    If it grew exponentially, one unusual image could make the rate (KL) infinite.
    """
    above = (raw - WIDE).relu()
    return raw - above + above.log1p()


def importance_weighted(
    distortion: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor, weight: float
) -> Tensor:
    """Return minus the importance-weighted bound of k samples (k, n, d), with low-variance gradients.

    Burda et al. 2016, https://arxiv.org/abs/1509.00519
    Tucker et al. 2019, https://arxiv.org/abs/1810.04152  (doubly reparametrized gradients)
    """
    # The encoder gets its gradient only through the samples, not through its density.
    mean, log_variance = mean.detach(), log_variance.detach()
    log_ratio = z.square() - (z - mean).square() / log_variance.exp() - log_variance
    cost = distortion + weight * 0.5 * log_ratio.sum(2)
    weights = (-cost).softmax(0).detach()
    if z.requires_grad:
        z.register_hook(lambda gradient: gradient * weights[:, :, None])  # type: ignore[no-untyped-call]
    bound = (-cost.detach()).logsumexp(0).mean() - math.log(len(z))
    surrogate = (weights * cost).sum(0).mean()
    return surrogate - (surrogate.detach() + bound)
