"""The auto-encoder: reconstruction only, and so a space without a prior.

Hinton and Salakhutdinov 2006, https://doi.org/10.1126/science.1127647
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from zatlas.core.fields import Dim, Weight
from zatlas.core.space import Space
from zatlas.models.likelihood import Name, likelihood
from zatlas.models.nets import Net, Shape, begin_at
from zatlas.models.trainable import Terms


@dataclass(frozen=True)
class AEConfig:
    """What one can choose about an auto-encoder."""

    dim: Dim = 2  # coordinates of the latent space
    likelihood: Name = "bernoulli"  # of the pixels
    sigma: Weight = 0.0  # spread of the gaussian likelihood, in [0, 1] of grey; 0 learns it
    signed: bool = False  # pixels in [-1, 1] within the net
    mean_start: bool = True  # begin with the mean image for all points, rather than with grey

    NET: ClassVar[str] = ""
    TRAINING: ClassVar[dict[str, object]] = {}

    def build(self, net: Net, shape: Shape, classes: int) -> "AE":
        """A new auto-encoder for images of this shape."""
        return AE(self, net, shape)


class AE(nn.Module):
    """An encoder, a decoder, and nothing that shapes the space between them."""

    bound = False
    classes = 0

    def __init__(self, config: AEConfig, net: Net, shape: Shape) -> None:
        super().__init__()
        self.config = config
        self.space = Space((config.dim,), prior="none")
        self.likelihood = likelihood(config.likelihood, config.sigma, config.signed)
        self.encoder = net.encoder(shape, config.dim)
        self.decoder = net.decoder(shape, config.dim)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The points of these images; labels are not used."""
        z: Tensor = self.encoder(2 * x - 1 if self.config.signed else x)
        return z

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The images of these points; labels are not used."""
        return self.likelihood.mean(self.decoder(z))

    def start(self, mean: Tensor) -> None:
        """Begin at the mean image, if so configured."""
        if self.config.mean_start:
            begin_at(self.decoder, self.likelihood.raw(mean))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One: all of it."""
        return {"model": list(self.parameters())}

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """The distortion of the rebuilt images."""
        distortion = self.likelihood.distortion(self.decoder(self.encode(x)), x).mean()
        return {"loss": distortion, "distortion": distortion.detach()}
