"""Convolutions on patches of pixels: the default net for large images.

A patch of 4x4 pixels becomes the channels of one position, so that no convolution runs at full resolution,
where it has few channels and a processor is slow (`benchmarks/nets.py`).

Shi et al. 2016, https://arxiv.org/abs/1609.05158  (the inverse in the decoder: sub-pixel convolution)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from torch import nn

from zatlas.core.errors import BadRecipe
from zatlas.core.settings import Within
from zatlas.models.nets import Activation, Conv, ConvEncoder, Net, Shape, Units, Width

Patch = Annotated[int, Within(1, 64)]
SMALLEST = 4  # least side of the features, in positions


@dataclass(frozen=True)
class ConvPatch(Net):
    """Convolutions on patches, which then halve the side and double the channels."""

    width: Width = 32  # channels after the first convolution
    patch: Patch = 4  # side of a patch in pixels
    hidden: Units = 0  # units between the convolutions and the latent; 0 for no hidden layer
    activation: Activation = "silu"
    norm: Literal["group", "none"] = "group"  # after each convolution; without one, large images can diverge

    TRAINING: ClassVar[Mapping[str, object]] = {"batch": 32, "rate": 2e-3}
    BFLOAT16: ClassVar[bool] = True

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return a convolution of patches, convolutions with stride 2, then linear layers."""
        like, widths, (height, width) = self._conv, self._widths(shape), self._smallest(shape)
        layers: list[nn.Module] = [nn.PixelUnshuffle(self.patch)]
        layers += [nn.Conv2d(shape[0] * self.patch**2, widths[0], 3, padding=1), *like.after(widths[0])]
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), *like.after(wide)]
        size = widths[-1] * height * width
        return ConvEncoder(nn.Sequential(*layers, nn.Flatten()), like.head(size + classes, out))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return transposed convolutions and a convolution to patches, the mirror of the encoder."""
        like, widths, (height, width) = self._conv, self._widths(shape)[::-1], self._smallest(shape)
        start = (widths[0], height, width)
        layers: list[nn.Module] = [like.head(dim, start[0] * height * width), nn.Unflatten(1, start)]
        for wide, narrow in pairwise(widths):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), *like.after(narrow)]
        last = nn.Conv2d(widths[-1], shape[0] * self.patch**2, 3, padding=1)
        return nn.Sequential(*layers, last, nn.PixelShuffle(self.patch))

    @property
    def _conv(self) -> Conv:
        """The net whose layers between convolutions, and before and after them, this one has too."""
        return Conv(hidden=self.hidden, activation=self.activation, norm=self.norm)

    def _widths(self, shape: Shape) -> list[int]:
        """Return the channels at each resolution, from that of the patches to the smallest."""
        (height, _), (last, _) = self._patches(shape), self._smallest(shape)
        return [self.width << i for i in range((height // last).bit_length())]

    def _smallest(self, shape: Shape) -> tuple[int, int]:
        """Return height and width in positions after all halvings."""
        height, width = self._patches(shape)
        while not height % 2 and not width % 2 and min(height, width) >= 2 * SMALLEST:
            height, width = height // 2, width // 2
        return height, width

    def _patches(self, shape: Shape) -> tuple[int, int]:
        """Return height and width in patches."""
        _, height, width = shape
        if height % self.patch or width % self.patch:
            raise BadRecipe(
                f"The net conv-patch takes sides that are multiples of {self.patch}, not {width}x{height}. "
                f"Add --size {max(round(min(height, width) / self.patch), 1) * self.patch} (in Python: "
                "size=), or use the net mlp, which takes any size."
            )
        return height // self.patch, width // self.patch
