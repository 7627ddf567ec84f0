"""The generator of ProGAN: two convolutions for each size from 4 pixels, with scaled weights and pixel norms.

Karras et al. 2018, https://arxiv.org/abs/1710.10196
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from zatlas.core.errors import BadRecipe
from zatlas.core.settings import Dim, Within
from zatlas.models.nets import Width

START = 4  # pixels of the first features
EPSILON = 1e-8  # of the pixel norm
SLOPE = 0.2  # of the leaky ReLU
GAIN = math.sqrt(2)  # of the weights before a leaky ReLU
MAX_STEPS = 12


@dataclass(frozen=True)
class ProGAN:
    """The sizes of a ProGAN, whose image has 4 pixels times 2 for each further entry of `widths`."""

    dim: Dim = 512
    widths: tuple[Width, ...] = (512, 512, 512, 512, 256, 128, 64, 32, 16)  # channels at 4, 8, 16 ... pixels
    channels: Annotated[int, Within(1, 4)] = 3
    classes: Annotated[int, Within(0, 100_000)] = 0
    fused: bool = False  # doubling the sides and the first convolution are one transposed convolution
    lod: Annotated[float, Within(0, MAX_STEPS)] = 0.0  # sizes that are not trained yet

    def __post_init__(self) -> None:
        if not 1 <= len(self.widths) <= MAX_STEPS or self.lod > len(self.widths) - 1:
            raise BadRecipe(
                f"A ProGAN has 1 to {MAX_STEPS} sizes and a lod below their number, not "
                f"{len(self.widths)} and {self.lod:g}."
            )

    @property
    def side(self) -> int:
        """The side of an image in pixels."""
        return START << (len(self.widths) - 1)


class ProGANGenerator(nn.Module):
    """Latents (n, dim), and classes of a conditional model, to images of about [-1, 1]."""

    def __init__(self, config: ProGAN) -> None:
        super().__init__()
        self.config = config
        blocks, images = [], []
        before = config.dim + config.classes
        for number, width in enumerate(config.widths):
            if not number:
                first = Conv(before, width, START, padding=START - 1)
            else:
                first = Conv(before, width, 3, doubles=True, fused=config.fused)
            blocks.append(nn.Sequential(first, Conv(width, width, 3)))
            images.append(Conv(width, config.channels, 1, gain=1.0))
            before = width
        self.blocks, self.images = nn.ModuleList(blocks), nn.ModuleList(images)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return images; of class numbers (n,) or class weights (n, classes) if the model is conditional."""
        x = normalized(z)
        if self.config.classes:
            assert y is not None
            weights = y if y.ndim == 2 else functional.one_hot(y, self.config.classes)
            x = torch.cat((x, weights.to(x.dtype)), dim=1)
        x = x[:, :, None, None]
        # The number of the last trained size; between two numbers while a size is added.
        trained = len(self.blocks) - 1 - self.config.lod
        last, share = math.floor(trained), trained % 1
        image = x
        for number, (block, to_image) in enumerate(zip(self.blocks, self.images, strict=True)):
            if number <= math.ceil(trained):
                x = block(x)
            if number > last:
                image = doubled(image)
            if number == last:
                image = to_image(x)
            elif number == last + 1 and share:
                image = (1 - share) * image + share * to_image(x)
        return image


class Conv(nn.Module):
    """A pixel norm, and a convolution whose weights are scaled by the number of its inputs.

    Only convolutions to features end with a leaky ReLU; those to images have a gain of 1.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int,
        *,
        padding: int | None = None,
        doubles: bool = False,
        fused: bool = False,
        gain: float = GAIN,
    ) -> None:
        super().__init__()
        self.doubles, self.fused, self.gain = doubles, fused and doubles, gain
        self.padding = kernel // 2 if padding is None else padding
        sizes = (before, after) if self.fused else (after, before)
        self.weight = nn.Parameter(torch.randn(*sizes, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.scale = gain / math.sqrt(before * kernel * kernel)

    def forward(self, x: Tensor) -> Tensor:
        x, weight = normalized(x), self.scale * self.weight
        if self.fused:
            # Each input pixel adds to four of the larger image, as if it were repeated before.
            wide = functional.pad(weight, (1, 1, 1, 1))
            weight = wide[:, :, 1:, 1:] + wide[:, :, :-1, 1:] + wide[:, :, 1:, :-1] + wide[:, :, :-1, :-1]
            x = functional.conv_transpose2d(x, weight, self.bias, stride=2, padding=1)
        else:
            x = doubled(x) if self.doubles else x
            x = functional.conv2d(x, weight, self.bias, padding=self.padding)
        return x if self.gain == 1 else functional.leaky_relu(x, SLOPE)


def normalized(x: Tensor) -> Tensor:
    """Return the features of each pixel with a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


def doubled(x: Tensor) -> Tensor:
    """Return images of twice the side, with each pixel repeated."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
