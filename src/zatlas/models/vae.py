"""The variational auto-encoder, and with it the beta-VAE and the conditional VAE.

Kingma and Welling 2014, https://arxiv.org/abs/1312.6114
Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl  (beta > 1)
Sohn et al. 2015, https://papers.nips.cc/paper/5775  (conditional)
Kingma et al. 2016, https://arxiv.org/abs/1606.04934  (free bits)
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from zatlas.core.errors import BadRecipe
from zatlas.core.space import Space
from zatlas.models.likelihood import Name, likelihood
from zatlas.models.nets import Net, Shape, begin_at, join, one_hot
from zatlas.models.trainable import Terms


@dataclass(frozen=True)
class VAEConfig:
    """What one can choose about a VAE."""

    dim: int = 2  # coordinates of the latent space
    beta: float = 1.0  # weight of the rate; above 1 the axes disentangle
    warmup: float = 0.0  # epochs over which the weight of the rate rises from 0
    free_bits: float = 0.0  # nats of each axis that cost nothing
    samples: int = 1  # draws from the posterior for each image of a batch
    conditional: bool = False  # tell encoder and decoder the label
    likelihood: Name = "bernoulli"  # of the pixels
    sigma: float = 0.0  # spread of the gaussian likelihood, in [0, 1] of grey; 0 learns it
    signed: bool = False  # pixels in [-1, 1] within the net
    mean_start: bool = True  # begin with the mean image for all points, rather than with grey
    reduction: Literal["sum", "mean"] = "sum"  # over pixels and over axes; the mean is no bound

    NET: ClassVar[str] = ""
    TRAINING: ClassVar[dict[str, object]] = {}

    def build(self, net: Net, shape: Shape, classes: int) -> "VAE":
        """A new VAE for images of this shape."""
        if self.conditional and not classes:
            raise BadRecipe("A conditional model needs labels, and these images have none.")
        return VAE(self, net, shape, classes if self.conditional else 0)


class VAE(nn.Module):
    """A normal prior, a diagonal normal posterior, and pixels by the likelihood."""

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
        """Mean and log-variance of q(z | x, y)."""
        inner = 2 * x - 1 if self.config.signed else x
        mean, log_variance = self.encoder(inner, one_hot(y, self.classes, x)).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z | x, y)."""
        mean, log_variance = self.posterior(x, y)
        return mean, (log_variance / 2).exp()

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean images of these points."""
        return self.likelihood.mean(self.decoder(join(z, one_hot(y, self.classes, z))))

    def start(self, mean: Tensor) -> None:
        """Begin at the mean image, if so configured."""
        if self.config.mean_start:
            begin_at(self.decoder, self.likelihood.raw(mean))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One: all of it."""
        return {"model": list(self.parameters())}

    def loss(
        self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float
    ) -> Terms:
        """Distortion and rate in units an image, and their weighted sum; the ELBO where it is one."""
        config = self.config
        mean, log_variance = self.posterior(x, y)
        noise = torch.randn(
            (config.samples, *mean.shape), generator=rng, device=x.device, dtype=mean.dtype
        )
        z = (mean + noise * (log_variance / 2).exp()).flatten(0, 1)
        labels = None if y is None else y.repeat(config.samples)
        raw = self.decoder(join(z, one_hot(labels, self.classes, z)))
        again = x.expand(config.samples, *x.shape).flatten(0, 1)
        distortion = self.likelihood.distortion(raw, again).mean()
        rates = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)
        rate = rates.sum()
        weight = config.beta * min(1.0, epoch / config.warmup) if config.warmup else config.beta
        charged = rates.clamp(min=config.free_bits).sum() if config.free_bits else rate
        if config.reduction == "mean":
            loss = distortion / x[0].numel() + weight * charged / config.dim
        else:
            loss = distortion + weight * charged
        terms = {"loss": loss, "distortion": distortion.detach(), "rate": rate.detach()}
        return {**terms, "elbo": -(distortion + rate).detach()} if self.bound else terms
