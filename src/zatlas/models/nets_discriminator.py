"""The discriminator of StyleGAN2 and StyleGAN3: images to one number each, higher for more real ones.

Karras et al. 2020, https://arxiv.org/abs/1912.04958 , with classes https://arxiv.org/abs/2006.06676

As in the generator, the gains of the equalized learning rate are part of the weights.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.settings import Within
from zatlas.models.nets_stylegan2 import (
    EPSILON,
    SMALLEST,
    Architecture,
    Size,
    activated,
    embedded,
    limited,
    normalized,
)


@dataclass(frozen=True)
class StyleDiscriminator:
    """The sizes of a discriminator; `widths` are the channels at 4, 8, 16, ... pixels."""

    widths: tuple[Size, ...]
    channels: Size = 3
    classes: Annotated[int, Within(0, 1_000_000)] = 0
    embedding: Size = 512
    hidden: Size = 512
    depth: Annotated[int, Within(1, 64)] = 8  # layers that map the class
    architecture: Architecture = "resnet"
    taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    clamp: Annotated[float, Within(0)] = 0.0  # limit of the absolute activations; 0 for none
    group: Annotated[int, Within(0, 1_000_000)] = 4  # images whose std is one feature; 0 for all
    std_features: Annotated[int, Within(0, 10_000)] = 1  # number of these features

    def build(self) -> "Discriminator":
        """Return a new discriminator with random weights."""
        return Discriminator(self)


class Discriminator(nn.Module):
    """Images in [-1, 1] to numbers.

    The networks are trained with a feature that says how much the images of a batch differ. Here it is a
    constant, `std`, so the number of an image does not depend on the other images.
    """

    taps: Tensor
    std: Tensor

    def __init__(self, config: StyleDiscriminator) -> None:
        super().__init__()
        self.config = config
        taps = torch.tensor(config.taps)
        self.register_buffer("taps", taps / taps.sum())
        self.register_buffer("std", torch.zeros(config.std_features))
        sizes = list(range(len(config.widths) - 1, 0, -1))  # from large to small images
        self.blocks = nn.ModuleList(Halving(config, number, number == sizes[0]) for number in sizes)
        width = config.widths[0]
        has_pixels = config.architecture == "skip" or not sizes
        self.pixels = Filtered(config.channels, width, 1) if has_pixels else None
        self.conv = Filtered(width + config.std_features, width, 3, clamp=config.clamp)
        self.hidden = nn.Linear(width * SMALLEST**2, width)
        self.out = nn.Linear(width, config.embedding if config.classes else 1)
        self.embedding = nn.Linear(config.classes, config.embedding) if config.classes else None
        mapping = (config.embedding, *[config.hidden] * (config.depth - 1), config.embedding)
        pairs = list(pairwise(mapping)) if config.classes else []
        self.linear = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairs)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the numbers (n,) of images (n, c, h, w); labels are class numbers or class weights."""
        return self.judged(self.features(images), self.std.expand(len(images), -1), label)

    def in_groups(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the numbers (n,) as in training, where the images of a group influence each other."""
        x = self.features(images)
        std = self.group_std(x)
        return self.judged(x, std.repeat(len(x) // max(len(std), 1), 1), label)

    def features(self, images: Tensor) -> Tensor:
        """Return the features (n, width, 4, 4) of images."""
        return self.levels(images)[-1]

    def levels(self, images: Tensor) -> list[Tensor]:
        """Return the features (n, width, side, side) of images at each side, from large to 4."""
        x: Tensor | None = None
        levels: list[Tensor] = []
        for block in self.blocks:
            x, images = block(x, images, self.taps)
            assert x is not None
            levels.append(x)
        if self.pixels is not None:
            added = self.pixels(images)
            x = added if x is None else x + added
        assert x is not None
        return [*levels[:-1], x]

    def group_std(self, x: Tensor) -> Tensor:
        """Return how much the features of each group of images differ, (groups, std_features)."""
        count = self.config.std_features
        if not count:
            return x.new_zeros(1, 0)
        size = min(self.config.group or len(x), len(x))
        parts = x.reshape(size, -1, count, x.shape[1] // count, *x.shape[2:])
        variance = (parts - parts.mean(0)).square().mean(0)
        return (variance + EPSILON).sqrt().mean((2, 3, 4))

    def judged(self, x: Tensor, std: Tensor, label: Tensor | None) -> Tensor:
        """Return the numbers (n,) of features, and of the std of each image's group."""
        x = torch.cat([x, std[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
        x = self.out(activated(self.hidden(self.conv(x).flatten(1))))
        if self.embedding is None:
            return x[:, 0]
        assert label is not None
        classes = normalized(embedded(self.embedding, label))
        for layer in self.linear:
            classes = activated(layer(classes))
        return (x * classes).sum(1) / math.sqrt(self.config.embedding)


class Halving(nn.Module):
    """The layers of one size, the last of which halves it."""

    def __init__(self, config: StyleDiscriminator, number: int, first: bool) -> None:
        super().__init__()
        width, outputs, clamp = config.widths[number], config.widths[number - 1], config.clamp
        residual = config.architecture == "resnet"
        gain = math.sqrt(0.5) if residual else 1.0
        self.reduces = config.architecture == "skip"  # the images, for the next block
        has_pixels = first or self.reduces
        self.pixels = Filtered(config.channels, width, 1, clamp=clamp) if has_pixels else None
        self.conv = Filtered(width, width, 3, clamp=clamp)
        self.down = Filtered(width, outputs, 3, clamp=clamp, gain=gain)
        self.skip = nn.Conv2d(width, outputs, 1, bias=False) if residual else None

    def forward(self, x: Tensor | None, images: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of half the size, and the images for the next block."""
        if self.pixels is not None:
            added = self.pixels(images)
            x = added if x is None else x + added
            images = halved(images, taps) if self.reduces else images
        assert x is not None
        shortcut = None if self.skip is None else self.skip(halved(x, taps))
        x = self.down(self.conv(x), taps)
        return x if shortcut is None else x + shortcut, images


class Filtered(nn.Module):
    """A convolution with bias and leaky ReLU; with a filter, it halves the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, clamp: float = 0, gain: float = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) / kernel / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain, self.clamp = gain, gain * clamp

    def forward(self, x: Tensor, taps: Tensor | None = None) -> Tensor:
        """Return the features (n, outputs, h, w), or half of h and w with the taps of a filter."""
        side = self.weight.shape[-1] // 2
        if taps is None:
            x = F.conv2d(x, self.weight, padding=side)
        else:
            x = F.conv2d(smoothed(x, taps, 1, side), self.weight, stride=2)
        return limited(activated(x + self.bias[:, None, None], self.gain), self.clamp)


def halved(x: Tensor, taps: Tensor) -> Tensor:
    """Return images of half the size, smoothed with the filter."""
    return smoothed(x, taps, 2, 0)


def smoothed(x: Tensor, taps: Tensor, stride: int, border: int) -> Tensor:
    """Filter images; the result is larger by twice the border than every second pixel needs."""
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernel, stride=stride, padding=len(taps) // 2 - 1 + border, groups=x.shape[1])
