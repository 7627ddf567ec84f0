"""A net: one hidden layer in the encoder, and one in the decoder."""

from dataclasses import dataclass
from math import prod

from torch import nn

from zatlas.models.nets import FlatEncoder, Net, Shape


@dataclass(frozen=True)
class OneLayer(Net):
    """One hidden layer. Fields are settings: `--set net.width=64`."""

    width: int = 128

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return a module from images, and labels if there are classes, to vectors of size `out`."""
        layers = [nn.Linear(prod(shape) + classes, self.width), nn.ReLU(), nn.Linear(self.width, out)]
        return FlatEncoder(nn.Sequential(*layers))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return a module from vectors of size `dim` to images before the sigmoid."""
        layers = [nn.Linear(dim, self.width), nn.ReLU(), nn.Linear(self.width, prod(shape))]
        return nn.Sequential(*layers, nn.Unflatten(1, shape))
