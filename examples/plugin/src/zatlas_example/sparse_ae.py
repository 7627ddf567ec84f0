"""A model: an auto-encoder whose loss also penalizes the absolute values of the latents."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.space import Space
from zatlas.models.nets import Net, Shape
from zatlas.models.trainable import Family, Terms, Trainable


@dataclass(frozen=True)
class SparseAEConfig(Family):
    """A sparse auto-encoder. Fields are settings: `--set model.penalty=0.1`."""

    dim: int = 2
    penalty: float = 0.01

    def build(self, net: Net, shape: Shape, classes: int) -> nn.Module:
        """Return a new model for images of this shape."""
        return SparseAE(self, net, shape)


class SparseAE(Trainable):
    """Latents without a prior, and a decoder with a sigmoid."""

    def __init__(self, config: SparseAEConfig, net: Net, shape: Shape) -> None:
        super().__init__()
        self.penalty = config.penalty
        self.space = Space((config.dim,), prior="none")
        self.encoder = net.encoder(shape, config.dim)
        self.decoder = net.decoder(shape, config.dim)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the latents of images in [0, 1]; `y` holds labels if the model has classes."""
        return self.encoder(x)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return images in [0, 1]."""
        return self.decoder(z).sigmoid()

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """Return the loss and its terms, as means over the batch."""
        z = self.encode(x)
        distortion = F.mse_loss(self.decode(z), x, reduction="sum") / len(x)
        sparsity = z.abs().sum(dim=1).mean()
        return {
            "loss": distortion + self.penalty * sparsity,
            "distortion": distortion.detach(),
            "sparsity": sparsity.detach(),
        }
