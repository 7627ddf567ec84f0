"""Residual convolutions: better images for more training time.

He et al. 2016, https://arxiv.org/abs/1512.03385
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.settings import Within
from zatlas.models.nets import Conv, ConvEncoder, Net, Shape, Width

Blocks = Annotated[int, Within(0, 1_000)]


@dataclass(frozen=True)
class ConvDeep(Net):
    """Residual blocks at each resolution; channels double as the side halves, up to `widest`."""

    width: Width = 32  # channels at full resolution
    widest: Width = 256  # maximum number of channels
    blocks: Blocks = 2  # residual blocks at each resolution

    TRAINING: ClassVar[Mapping[str, object]] = {"batch": 64, "rate": 1e-3}

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return residual blocks with 2x2 average pooling, until the side is 4 to 7."""
        channels, height, width = shape
        widths = self._widths(shape)
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1)]
        for wide, next_wide in pairwise(widths):
            layers += [Residual(wide) for _ in range(self.blocks)]
            layers += [nn.AvgPool2d(2), nn.Conv2d(wide, next_wide, 1)]
        layers += [Residual(widths[-1]), _norm(widths[-1]), nn.SiLU(), nn.Flatten()]
        steps = len(widths) - 1
        size = widths[-1] * (height >> steps) * (width >> steps)
        return ConvEncoder(nn.Sequential(*layers), nn.Linear(size + classes, out))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return residual blocks with upsampling, from a side of 4 to 7 to the image."""
        channels, height, width = shape
        widths = self._widths(shape)[::-1]
        steps = len(widths) - 1
        start = (widths[0], height >> steps, width >> steps)
        layers: list[nn.Module] = [
            nn.Linear(dim, start[0] * start[1] * start[2]),
            nn.Unflatten(1, start),
            Residual(widths[0]),
        ]
        for wide, next_wide in pairwise(widths):
            # Reduce channels before upsampling: same result, a quarter of the operations.
            layers += [nn.Conv2d(wide, next_wide, 1), nn.Upsample(scale_factor=2)]
            layers += [Residual(next_wide) for _ in range(self.blocks)]
        layers += [_norm(widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], channels, 3, padding=1)]
        return nn.Sequential(*layers)

    def _widths(self, shape: Shape) -> list[int]:
        steps = Conv().steps(shape[1], shape[2])
        return [min(self.width * 2**i, self.widest) for i in range(steps + 1)]


class Residual(nn.Module):
    """x plus two convolutions of x; the second is initialized to zero, so a new block is the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([_norm(channels), _norm(channels)])
        self.convolutions = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)])
        last = self.convolutions[1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            h = convolution(F.silu(norm(h)))
        return x + h


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(8, channels), channels)
