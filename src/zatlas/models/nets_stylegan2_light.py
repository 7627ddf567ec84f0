"""The StyleGAN2 of the package stylegan2-pytorch: plain weights, bilinear enlargement, and images in [0, 1].

It follows Karras et al. 2020, https://arxiv.org/abs/1912.04958, with three differences: one row of w styles a
whole block, the noise of a block is one image for all its layers, and blocks may have linear attention.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.settings import Within
from zatlas.models.nets_stylegan2 import SLOPE, SMALLEST, Mapping, Modulated, Size, StyleNet

HEADS, HEAD_SIZE = 8, 64  # of the linear attention
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class StyleGAN2Light:
    """The sizes of a generator; `widths` are the channels after its blocks of 4, 8, 16, ... pixels."""

    widths: tuple[Size, ...]
    z_dim: Size = 512
    depth: Annotated[int, Within(1, 64)] = 8
    channels: Size = 3  # 4 with opacity
    attention: tuple[Annotated[int, Within(0, 64)], ...] = ()  # numbers of the blocks after an attention
    constant: bool = True  # the first features are constant, or made from w
    classes: int = 0

    @property
    def layers(self) -> int:
        """Number of rows of w that the synthesis network takes."""
        return len(self.widths)

    @property
    def w_dim(self) -> int:
        """Number of dimensions of w, which are those of z."""
        return self.z_dim

    @property
    def side(self) -> int:
        """Pixels of a side of the images."""
        return SMALLEST << (len(self.widths) - 1)

    def build(self) -> StyleNet:
        """Return a new generator with random weights."""
        return StyleNet(UnitMapping(self), Synthesis(self))


class UnitMapping(Mapping):
    """Latents z, scaled to length 1, to w: one row for each block of the synthesis network."""

    def __init__(self, config: StyleGAN2Light) -> None:
        super().__init__([config.z_dim] * (config.depth + 1), config.layers)

    def single(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return w (n, z_dim), the same for all blocks, without truncation."""
        x = F.normalize(z, dim=1)
        for layer in self.linear:
            x = F.leaky_relu(layer(x), SLOPE)
        return x


class Synthesis(nn.Module):
    """Rows of w to images, through blocks of 4, 8, 16, ... pixels."""

    noise: Tensor

    def __init__(self, config: StyleGAN2Light) -> None:
        super().__init__()
        first = config.widths[0]
        self.constant = nn.Parameter(torch.randn(first, SMALLEST, SMALLEST)) if config.constant else None
        self.start = (
            None if config.constant else nn.ConvTranspose2d(config.z_dim, first, SMALLEST, bias=False)
        )
        self.first = nn.Conv2d(first, first, 3, padding=1)
        count = len(config.widths)
        self.blocks = nn.ModuleList(Block(config, number) for number in range(count))
        sizes = {number: config.widths[max(number - 1, 0)] for number in config.attention if number < count}
        self.attention = nn.ModuleDict({str(number): Attention(size) for number, size in sizes.items()})
        self.register_buffer("noise", torch.rand(config.side, config.side))

    def forward(self, w: Tensor, noise: Tensor | None = None, blocks: int | None = None) -> Tensor:
        """Return images (n, c, h, w) in about [0, 1] for w (n, layers, z_dim), with the stored noise.

        With `blocks`, the image is that of the first blocks.
        """
        noise = self.noise if noise is None else noise
        if self.start is not None:
            x = self.start(w.mean(1)[:, :, None, None])
        else:
            assert self.constant is not None
            x = self.constant.expand(w.shape[0], -1, -1, -1)
        x, images = self.first(x), None
        for number, block in enumerate(self.blocks):
            if number == blocks:
                break
            if str(number) in self.attention:
                x = self.attention[str(number)](x)
            x, added = block(x, w[:, number], noise)
            images = added if images is None else blurred(enlarged(images)) + added
        assert images is not None
        return images


class Block(nn.Module):
    """Two modulated convolutions at one size, and the pixels that they add."""

    def __init__(self, config: StyleGAN2Light, number: int) -> None:
        super().__init__()
        inputs, outputs = config.widths[max(number - 1, 0)], config.widths[number]
        self.enlarges = number > 0
        self.conv1 = Modulated(config.z_dim, inputs, outputs, 3)
        self.conv2 = Modulated(config.z_dim, outputs, outputs, 3)
        self.noise1, self.noise2 = nn.Linear(1, outputs), nn.Linear(1, outputs)
        self.pixels = Modulated(config.z_dim, outputs, config.channels, 1, demodulate=False)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of this size, and the image that they add."""
        x = enlarged(x) if self.enlarges else x
        side = x.shape[2]
        # The original code swaps rows and columns of the noise.
        noise = noise[:side, :side].t()[..., None]
        for conv, strength in ((self.conv1, self.noise1), (self.conv2, self.noise2)):
            x = F.leaky_relu(conv(x, conv.style(w)) + strength(noise).permute(2, 0, 1), SLOPE)
        return x, self.pixels(x, self.pixels.style(w))


class Attention(nn.Module):
    """Linear attention over positions, and a feed-forward net, each added to its input.

    Shen et al. 2021, https://arxiv.org/abs/1812.01243
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = HEADS * HEAD_SIZE
        self.norm1, self.norm2 = ChannelNorm(channels), ChannelNorm(channels)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.around = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.key_value = nn.Conv2d(channels, 2 * inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1)
        self.wide, self.narrow = nn.Conv2d(channels, 2 * channels, 1), nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        y = self.norm1(x)
        key, value = self.key_value(self.around(y)).chunk(2, dim=1)
        # (n, heads, channels, positions)
        query, key, value = (
            part.flatten(2).unflatten(1, (HEADS, HEAD_SIZE)) for part in (self.query(y), key, value)
        )
        query = query.softmax(dim=2) / math.sqrt(HEAD_SIZE)
        context = key.softmax(dim=3) @ value.transpose(2, 3)
        mixed = (context.transpose(2, 3) @ query).flatten(1, 2).unflatten(2, x.shape[2:])
        x = x + self.out(F.gelu(mixed))
        return x + self.narrow(F.leaky_relu(self.wide(self.norm2(x)), SLOPE))


class ChannelNorm(nn.Module):
    """Features of each position with mean 0 and variance 1, then a gain and a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        x = (x - mean) * (variance + NORM_EPSILON).rsqrt()
        return x * self.gain[:, None, None] + self.bias[:, None, None]


def enlarged(x: Tensor) -> Tensor:
    """Return images of twice the size by linear interpolation."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def blurred(x: Tensor) -> Tensor:
    """Filter images with the weights 1, 2, 1 of rows and columns; their border is mirrored."""
    taps = x.new_tensor([1.0, 2.0, 1.0]) / 4
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=x.shape[1])
