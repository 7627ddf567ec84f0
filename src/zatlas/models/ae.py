"""The auto-encoder: trained for reconstruction only, so its latent space has no prior.

Hinton and Salakhutdinov 2006, https://doi.org/10.1126/science.1127647
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from zatlas.core.settings import Dim, Weight
from zatlas.core.space import Space
from zatlas.models.likelihood import Name, likelihood
from zatlas.models.nets import Net, Shape, begin_at
from zatlas.models.trainable import Choice, Family, Terms, Trainable
from zatlas.models.usual_settings import usual_settings


@dataclass(frozen=True)
class AEConfig(Family):
    """The settings of an auto-encoder."""

    dim: Dim = 2  # dimensions of the latent space
    likelihood: Name = "bernoulli"  # of the pixels
    sigma: Weight = 0.0  # std of the gaussian likelihood, for pixels in [0, 1]; 0 fits it
    signed: bool = False  # scale pixels to [-1, 1] inside the net
    mean_start: bool = True  # initialize the decoder to output the mean image

    BFLOAT16: ClassVar[bool] = True

    @staticmethod
    def image_defaults(shape: Shape, count: int, given: Mapping[str, Any]) -> dict[str, Choice]:
        """Return the settings that suit images of this shape."""
        return usual_settings(shape, given)

    def build(self, net: Net, shape: Shape, classes: int) -> "AE":
        """Return a new auto-encoder for images of this shape."""
        return AE(self, net, shape)


class AE(Trainable):
    """An encoder and a decoder, without regularization of the latent space."""

    def __init__(self, config: AEConfig, net: Net, shape: Shape) -> None:
        super().__init__()
        self.config = config
        self.space = Space((config.dim,), prior="none")
        self.likelihood = likelihood(config.likelihood, config.sigma, config.signed)
        self.encoder = net.encoder(shape, config.dim)
        self.decoder = net.decoder(shape, config.dim)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the latents (n, dim) of images; labels are ignored."""
        z: Tensor = self.encoder(2 * x - 1 if self.config.signed else x).float()
        return z

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the images (n, c, h, w) of latents; labels are ignored."""
        return self.likelihood.mean(self.decoder(z))

    def initialize(self, mean: Tensor) -> None:
        """Initialize the decoder to output the mean image, if `mean_start` is set."""
        if self.config.mean_start:
            begin_at(self.decoder, self.likelihood.raw(mean))

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """Return the distortion (reconstruction loss)."""
        distortion = self.likelihood.distortion(self.decoder(self.encode(x)), x).mean()
        return {"loss": distortion, "distortion": distortion.detach()}
