"""Convolutions after nearest-neighbour upsampling: the default net of a GAN.

Odena et al. 2016, https://doi.org/10.23915/distill.00003  (transposed convolutions draw checkerboards)
He et al. 2015, https://arxiv.org/abs/1502.01852  (the initial weights)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.models.nets import Conv, ConvEncoder, Net, Shape, Units, Width

SLOPE = 0.2  # of the leaky ReLU, below 0


@dataclass(frozen=True)
class ConvResize(Net):
    """A decoder that resizes and then convolves, and an encoder of convolutions with stride 2."""

    width: Width = 8  # channels of the decoder at full resolution; they double as the side halves
    widest: Width = 128  # maximum number of channels
    hidden: Units = 128  # units between the convolutions and the latent; 0 for no hidden layer

    TRAINING: ClassVar[Mapping[str, object]] = {"batch": 64, "rate": 2e-3}

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return convolutions until the side is 4 to 7, then linear layers over features and labels."""
        channels, height, width = shape
        widths = self._widths(shape)[1:]
        layers: list[nn.Module] = []
        for wide in widths:
            layers += [nn.Conv2d(channels, wide, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            channels = wide
        size = channels * (height >> len(widths)) * (width >> len(widths))
        head, last = self._hidden(size + classes), nn.Linear(self.hidden or size + classes, out)
        return _initialized(
            ConvEncoder(nn.Sequential(*layers, nn.Flatten()), nn.Sequential(*head, last)), last
        )

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return linear layers, resizing convolutions up to the image, and a 3x3 convolution."""
        channels, height, width = shape
        widths = self._widths(shape)[::-1]
        steps = len(widths) - 1
        start = (widths[0], height >> steps, width >> steps)
        size = start[0] * start[1] * start[2]
        layers: list[nn.Module] = [*self._hidden(dim), nn.Linear(self.hidden or dim, size)]
        layers += [nn.LeakyReLU(SLOPE), nn.Unflatten(1, start)]
        for wide, narrow in pairwise(widths):
            layers += [ResizeConv(wide, narrow), nn.LeakyReLU(SLOPE)]
        last = nn.Conv2d(widths[-1], channels, 3, padding=1)
        return _initialized(nn.Sequential(*layers, last), last)

    def _hidden(self, size: int) -> list[nn.Module]:
        return [nn.Linear(size, self.hidden), nn.LeakyReLU(SLOPE)] if self.hidden else []

    def _widths(self, shape: Shape) -> list[int]:
        """Return the number of channels at each resolution, from the full one to the smallest."""
        steps = Conv().steps(shape[1], shape[2])
        return [min(self.width * 2**i, self.widest) for i in range(steps + 1)]


class ResizeConv(nn.Module):
    """Nearest-neighbour upsampling by 2 and a 3x3 convolution, in one transposed convolution.

    Each input pixel becomes 2x2 equal pixels. Summing the 3x3 kernel over them gives a 4x4 kernel with the
    same result and 4 instead of 9 multiplications for each output pixel.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, out, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        rows = F.pad(self.weight, (0, 0, 0, 1)) + F.pad(self.weight, (0, 0, 1, 0))
        kernel = F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


@torch.no_grad()
def _initialized(net: nn.Module, last: nn.Module) -> nn.Module:
    """Return the net with normal weights that preserve the variance of features, and biases of 0."""
    for layer in net.modules():
        if not isinstance(layer, (nn.Linear, nn.Conv2d, ResizeConv)):
            continue
        # A transposed kernel has its inputs first.
        inputs = layer.weight.shape[0] if isinstance(layer, ResizeConv) else layer.weight.shape[1]
        fan = inputs * layer.weight[0, 0].numel()
        gain = 1.0 if layer is last else nn.init.calculate_gain("leaky_relu", SLOPE)
        nn.init.normal_(layer.weight, std=gain / fan**0.5)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    return net
