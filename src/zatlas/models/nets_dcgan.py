"""The net of DCGAN: batch norm, no linear layer in the decoder, sides that are powers of 2.

Radford et al. 2015, https://arxiv.org/abs/1511.06434
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from zatlas.core.errors import BadRecipe
from zatlas.models.nets import ConvEncoder, Net, Shape, Width


@dataclass(frozen=True)
class DCGAN(Net):
    """Convolutions with batch norm, as in the DCGAN tutorial of PyTorch."""

    width: Width = 64  # channels next to the image; they double with each halving

    TRAINING: ClassVar[Mapping[str, object]] = {"batch": 128, "rate": 2e-4}

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return convolutions down to 4x4, then a linear layer over features and labels."""
        steps = self._steps(shape)
        layers: list[nn.Module] = [nn.Conv2d(shape[0], self.width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i in range(1, steps):
            wide = self.width * 2**i
            layers += [nn.Conv2d(wide // 2, wide, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
        size = self.width * 2 ** (steps - 1) * 16
        return ConvEncoder(nn.Sequential(*layers, nn.Flatten()), nn.Linear(size + classes, out))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return transposed convolutions from a 1x1 latent over 4x4 features to the image."""
        steps = self._steps(shape)
        layers: list[nn.Module] = []
        narrow = dim
        for i in reversed(range(steps)):
            wide, step = self.width * 2**i, (2, 1) if layers else (1, 0)
            layers += [nn.ConvTranspose2d(narrow, wide, 4, *step, bias=False)]
            layers += [nn.BatchNorm2d(wide), nn.ReLU()]
            narrow = wide
        return DCGANDecoder(nn.Sequential(*layers, self._last(shape[0])), dim)

    def _last(self, channels: int) -> nn.Module:
        return nn.ConvTranspose2d(self.width, channels, 4, 2, 1, bias=False)

    def _steps(self, shape: Shape) -> int:
        _, height, width = shape
        if height != width or height < 8 or height & (height - 1):
            raise BadRecipe(
                f"The net dcgan takes squares of 8, 16, 32, 64 ... pixels, not {width}x{height}. "
                "Add --size 64 (in Python: size=64), or use the net conv."
            )
        return height.bit_length() - 3


class DCGANDecoder(nn.Module):
    """Transposed convolutions over the latent as a 1x1 image, with the tutorial's parameter names."""

    def __init__(self, main: nn.Sequential, dim: int) -> None:
        super().__init__()
        self.main = main
        self.dim = dim

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.main(z.reshape(-1, self.dim, 1, 1))
        return images
