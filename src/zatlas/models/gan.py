"""The generative adversarial network (GAN), unconditional or conditional.

Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661  (non-saturating loss)
Mescheder et al. 2018, https://arxiv.org/abs/1801.04406  (R1)
Karras et al. 2020, https://arxiv.org/abs/1912.04958  (a penalty is as good if it is computed less often)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.errors import BadRecipe
from zatlas.core.settings import Dim, Weight, Within
from zatlas.core.space import Space
from zatlas.models.augmentation import augment
from zatlas.models.nets import Net, Shape, apply_encoder, join, one_hot
from zatlas.models.noise import first_rows, normal
from zatlas.models.trainable import Choice, Family, Terms, Trainable

SMALL_SET = 1000  # training images below which the discriminator sees augmented images
SMALL_IMAGE = 32 * 32 * 3  # values of an image above which it takes the following settings
LARGE_IMAGE_SETTINGS = {"r1": 10.0, "training.rate": 5e-4}
Part = Annotated[float, Within(0.0, 1.0, above=True)]


@dataclass(frozen=True)
class GANConfig(Family):
    """The settings of a GAN."""

    dim: Dim = 64  # dimensions of the latent space
    conditional: bool = False  # give generator and discriminator the label
    r1: Weight = 0.3  # weight of the discriminator's gradient penalty on real images; 0 for none
    r1_part: Part = 0.125  # part of the batch on which that penalty is computed
    augment: bool = False  # shift and cut out parts of the images that the discriminator sees
    half_batches: bool = False  # train the discriminator on half a batch of each kind

    NET: ClassVar[str] = "conv-resize"
    TRAINING: ClassVar[Mapping[str, object]] = {
        "rate": 2e-3,
        "beta1": 0.5,
        "beta2": 0.99,
        "schedule": "constant",
        "epochs": 10,
        "batch": 64,
        "average": 0.999,
    }
    STEPS: ClassVar[int] = 4500

    @staticmethod
    def image_defaults(shape: Shape, count: int, given: Mapping[str, Any]) -> dict[str, Choice]:
        """Return the settings that suit this number of training images."""
        choices: dict[str, Choice] = {}
        if count < SMALL_SET:
            reason = f"with fewer than {SMALL_SET:,} images the discriminator would memorize them"
            choices["augment"] = Choice(True, reason)
        if math.prod(shape) > SMALL_IMAGE:
            reason = f"a GAN of images of {math.prod(shape):,} values is not stable otherwise"
            choices |= {name: Choice(value, reason) for name, value in LARGE_IMAGE_SETTINGS.items()}
        return choices

    def build(self, net: Net, shape: Shape, classes: int) -> "GAN":
        """Return a new GAN for images of this shape."""
        if self.conditional and not classes:
            raise BadRecipe(
                "A conditional model needs labels, and these images have none. Leave out model.conditional."
            )
        return GAN(self, net, shape, classes if self.conditional else 0)


class GAN(Trainable):
    """A generator, and a discriminator of real and generated images. Inside, pixels are in [-1, 1]."""

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

    def realism(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return how real images (n, c, h, w) in [0, 1] look to the discriminator, (n,)."""
        return self._discriminate(2 * x - 1, y).flatten()

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
            logits = self._discriminate(self._augmented(self._generate(z, y), rng), y)
            return {"loss": F.softplus(-logits).mean()}
        if self.config.half_batches and len(x) > 1:
            half = len(x) // 2
            x, z, y = x[:half], z[:half], None if y is None else y[:half]
        with torch.no_grad():
            real, fake = self._augmented(2 * x - 1, rng), self._augmented(self._generate(z, y), rng)
        on_real, on_fake = self._discriminate(real, y), self._discriminate(fake, y)
        loss = (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()) / 2
        terms = {
            "real_accuracy": (on_real > 0).float().mean().detach(),
            "fake_accuracy": (on_fake < 0).float().mean().detach(),
        }
        # Without gradients there is no penalty.
        if self.config.r1 and torch.is_grad_enabled():
            penalty = self._gradient_penalty(real, y, rng)
            loss = loss + self.config.r1 / 2 * penalty
            terms["r1"] = penalty.detach()
        return {"loss": loss, **terms}

    def _gradient_penalty(self, real: Tensor, y: Tensor | None, rng: torch.Generator) -> Tensor:
        """Return the mean squared norm of the gradient at real images, estimated from a part of the batch."""
        count, factor = first_rows(self.config.r1_part, len(real), rng)
        if not count:  # other processes have these images
            return real.new_zeros(())
        part = real[:count].requires_grad_()
        logits = self._discriminate(part, None if y is None else y[:count])
        (gradient,) = torch.autograd.grad(logits.sum(), part, create_graph=True)
        return factor * gradient.square().sum()

    def _augmented(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return the images as the discriminator sees them: augmented, if the settings say so."""
        return augment(images, rng) if self.config.augment else images

    def _generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        images: Tensor = self.generator(join(z, one_hot(y, self.classes, z)))
        return images.float().tanh()

    def _discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        logits: Tensor = apply_encoder(self.discriminator, x, one_hot(y, self.classes, x))
        return logits
