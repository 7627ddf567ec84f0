"""The generative adversarial network (GAN), unconditional or conditional.

Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661  (non-saturating loss)
Mescheder et al. 2018, https://arxiv.org/abs/1801.04406  (R1)
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.errors import BadRecipe
from zatlas.core.settings import Dim, Weight
from zatlas.core.space import Space
from zatlas.models.nets import Net, Shape, join, one_hot
from zatlas.models.noise import normal
from zatlas.models.trainable import Terms


@dataclass(frozen=True)
class GANConfig:
    """The settings of a GAN."""

    dim: Dim = 64  # dimensions of the latent space
    conditional: bool = False  # give generator and discriminator the label
    r1: Weight = 1.0  # weight of the discriminator's gradient penalty on real images; 0 for none
    half_batches: bool = False  # train the discriminator on half a batch of each kind

    NET: ClassVar[str] = "conv"
    TRAINING: ClassVar[dict[str, object]] = {
        "rate": 2e-4,
        "beta1": 0.5,
        "beta2": 0.99,
        "schedule": "constant",
        "epochs": 60,
        "batch": 64,
        "average": 0.999,
    }

    def build(self, net: Net, shape: Shape, classes: int) -> "GAN":
        """Return a new GAN for images of this shape."""
        if self.conditional and not classes:
            raise BadRecipe(
                "A conditional model needs labels, and these images have none. Leave out model.conditional."
            )
        return GAN(self, net, shape, classes if self.conditional else 0)


class GAN(nn.Module):
    """A generator, and a discriminator of real and generated images. Inside, pixels are in [-1, 1]."""

    encode = None  # latents of images are found by inversion
    bound = False

    def __init__(self, config: GANConfig, net: Net, shape: Shape, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.space = Space((config.dim,))
        self.generator = net.decoder(shape, config.dim + classes)
        self.discriminator = net.encoder(shape, 1, classes)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the images (n, c, h, w) in [0, 1] of latents."""
        return (self._generate(z, y) + 1) / 2

    def initialize(self, mean: Tensor) -> None:
        """Do nothing: a GAN does not start from the mean image."""

    def networks(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of the discriminator, which is optimized first, and of the generator."""
        return {
            "discriminator": list(self.discriminator.parameters()),
            "generator": list(self.generator.parameters()),
        }

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """Return the non-saturating binary cross-entropy of this player."""
        z = normal((len(x), self.config.dim), x, rng)
        if player == "generator":
            logits = self._discriminate(self._generate(z, y), y)
            return {"loss": F.softplus(-logits).mean()}
        if self.config.half_batches and len(x) > 1:
            half = len(x) // 2
            x, z, y = x[:half], z[:half], None if y is None else y[:half]
        real = (2 * x - 1).requires_grad_(self.config.r1 > 0)
        with torch.no_grad():
            fake = self._generate(z, y)
        on_real, on_fake = self._discriminate(real, y), self._discriminate(fake, y)
        loss = (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()) / 2
        terms = {
            "real_accuracy": (on_real > 0).float().mean().detach(),
            "fake_accuracy": (on_fake < 0).float().mean().detach(),
        }
        # Validation runs without gradients, and so without the penalty.
        if self.config.r1 and torch.is_grad_enabled():
            (gradient,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
            penalty = gradient.square().flatten(1).sum(1).mean()
            loss = loss + self.config.r1 / 2 * penalty
            terms["r1"] = penalty.detach()
        return {"loss": loss, **terms}

    def _generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        images: Tensor = self.generator(join(z, one_hot(y, self.classes, z)))
        return images.tanh()

    def _discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        logits: Tensor = self.discriminator(x, one_hot(y, self.classes, x))
        return logits
