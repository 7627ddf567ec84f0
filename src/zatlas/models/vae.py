"""The variational auto-encoder, and with it the beta-VAE and the conditional VAE.

Kingma and Welling 2014, https://arxiv.org/abs/1312.6114
Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl  (beta > 1)
Sohn et al. 2015, https://papers.nips.cc/paper/5775  (conditional)
Kingma et al. 2016, https://arxiv.org/abs/1606.04934  (free bits)
Burda et al. 2016, https://arxiv.org/abs/1509.00519  (importance)
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from zatlas.core.errors import BadRecipe
from zatlas.core.fields import Dim, Weight, Within
from zatlas.core.space import Space
from zatlas.models.likelihood import Name, Treatment, likelihood, treated
from zatlas.models.nets import Net, Shape, begin_at, join, one_hot
from zatlas.models.noise import normal
from zatlas.models.trainable import Terms

Samples = Annotated[int, Within(1, 10_000)]


@dataclass(frozen=True)
class VAEConfig:
    """What one can choose about a VAE."""

    dim: Dim = 2  # coordinates of the latent space
    beta: Weight = 1.0  # weight of the rate; above 1 the axes disentangle
    warmup: Weight = 0.0  # epochs over which the weight of the rate rises from 0
    free_bits: Weight = 0.0  # nats of each axis that cost nothing
    samples: Samples = 1  # draws from the posterior for each image of a batch
    importance: bool = False  # weigh the draws of an image by how well they explain it
    conditional: bool = False  # tell encoder and decoder the label
    likelihood: Name = "bernoulli"  # of the pixels
    pixels: Treatment = "grey"  # levels as they are, drawn anew as chances, or cut at a half
    sigma: Weight = 0.0  # spread of the gaussian likelihood, in [0, 1] of grey; 0 learns it
    signed: bool = False  # pixels in [-1, 1] within the net
    mean_start: bool = True  # begin with the mean image for all points, rather than with grey
    reduction: Literal["sum", "mean"] = "sum"  # over pixels and over axes; the mean is no bound

    NET: ClassVar[str] = ""
    TRAINING: ClassVar[dict[str, object]] = {}

    def build(self, net: Net, shape: Shape, classes: int) -> "VAE":
        """A new VAE for images of this shape."""
        if self.conditional and not classes:
            raise BadRecipe("A conditional model needs labels, and these images have none.")
        if self.pixels != "grey" and self.likelihood != "bernoulli":
            raise BadRecipe(
                f"Pixels that are {self.pixels} are black or white, and the likelihood {self.likelihood} is "
                "of levels between. Take model.likelihood=bernoulli, or model.pixels=grey."
            )
        if self.importance and not self.weighable:
            raise BadRecipe(
                "model.importance weighs several draws by their likelihood: it takes model.samples of "
                "at least 2, likelihood bernoulli or gaussian, reduction=sum, and no free_bits."
            )
        return VAE(self, net, shape, classes if self.conditional else 0)

    @property
    def weighable(self) -> bool:
        """Whether there are several draws, and each has a likelihood to be weighed by."""
        likely = self.likelihood != "mse" and self.reduction == "sum"
        return self.samples > 1 and likely and not self.free_bits


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
        if self.config.pixels == "threshold":
            x = treated(x, "threshold")
        mean, log_variance = self.posterior(x, y)
        return mean, (log_variance / 2).exp()

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean images of these points."""
        return self.likelihood.mean(self.decoder(join(z, one_hot(y, self.classes, z))))

    def distortion(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """What each image costs where its point is known; -log p(x | z) in nats, of a likelihood."""
        raw = self.decoder(join(z, one_hot(y, self.classes, z)))
        return self.likelihood.distortion(raw, x)

    def start(self, mean: Tensor) -> None:
        """Begin at the mean image, if so configured."""
        if self.config.mean_start:
            begin_at(self.decoder, self.likelihood.raw(mean))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One: all of it."""
        return {"model": list(self.parameters())}

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """Distortion and rate in units an image, and their weighted sum; the ELBO where it is one."""
        config = self.config
        x = treated(x, config.pixels, rng)
        mean, log_variance = self.posterior(x, y)
        noise = normal((config.samples, *mean.shape), mean, rng, axis=1)
        drawn = mean + noise * (log_variance / 2).exp()
        again = x.expand(config.samples, *x.shape).flatten(0, 1)
        labels = None if y is None else y.repeat(config.samples)
        each = self.distortion(again, drawn.flatten(0, 1), labels)
        distortion = each.mean()
        rates = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)
        rate = rates.sum()
        weight = config.beta * min(1.0, epoch / config.warmup) if config.warmup else config.beta
        charged = rates.clamp(min=config.free_bits).sum() if config.free_bits else rate
        if config.importance:
            loss = weighed(each.view(noise.shape[:2]), drawn, mean, log_variance, weight)
        elif config.reduction == "mean":
            loss = distortion / x[0].numel() + weight * charged / config.dim
        else:
            loss = distortion + weight * charged
        terms = {"loss": loss, "distortion": distortion.detach(), "rate": rate.detach()}
        return {**terms, "elbo": -(distortion + rate).detach()} if self.bound else terms


def weighed(distortion: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor, weight: float) -> Tensor:
    """Minus the importance-weighted bound of k draws (k, n, d), with slopes that stay sharp as k grows.

    Burda et al. 2016, https://arxiv.org/abs/1509.00519
    Tucker et al. 2019, https://arxiv.org/abs/1810.04152  (doubly reparametrized slopes)
    """
    # The encoder is moved through the draws alone: its own density is held still.
    mean, log_variance = mean.detach(), log_variance.detach()
    above_prior = z.square() - (z - mean).square() / log_variance.exp() - log_variance
    surprise = distortion + weight * 0.5 * above_prior.sum(2)
    shares = (-surprise).softmax(0).detach()
    if z.requires_grad:
        z.register_hook(lambda slope: slope * shares[:, :, None])  # type: ignore[no-untyped-call]
    bound = (-surprise.detach()).logsumexp(0).mean() - math.log(len(z))
    steered = (shares * surprise).sum(0).mean()
    return steered - (steered.detach() + bound)
