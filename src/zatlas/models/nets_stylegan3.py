"""The generator of StyleGAN3 (configurations T and R): Fourier features, and layers without aliasing.

Karras et al. 2021, https://arxiv.org/abs/2106.12423

Every layer works at a sampling rate and a cutoff frequency. The leaky ReLU is applied to features of a
higher sampling rate, and a low-pass filter removes the frequencies that it adds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.settings import Within
from zatlas.models.nets_stylegan2 import EPSILON, Mapping, Size, StyleNet, activated, limited

Positive = Annotated[float, Within(0, 1e6, above=True)]


@dataclass(frozen=True)
class StyleGAN3:
    """The sizes and filters of a generator; R has `kernel` 1, `radial` filters and twice the channels."""

    side: Annotated[int, Within(16, 4096)]  # pixels of a side of the images
    z_dim: Size = 512
    w_dim: Size = 512
    channels: Size = 3
    classes: Annotated[int, Within(0, 1_000_000)] = 0
    depth: Annotated[int, Within(1, 64)] = 2
    base: Annotated[int, Within(1, 1 << 20)] = 32_768  # channels times cutoff frequency, times 2
    widest: Size = 512  # channels
    blocks: Annotated[int, Within(3, 64)] = 14  # layers between the Fourier features and the pixels
    critical: Annotated[int, Within(0, 16)] = 2  # last layers without margin in frequency
    first_cutoff: Positive = 2.0
    first_stopband: Positive = 2**2.1
    last_stopband: Positive = 2**0.3  # relative to the cutoff
    margin: Annotated[int, Within(0, 64)] = 10  # pixels around the image
    scale: Positive = 0.25  # of the pixels
    kernel: Annotated[int, Within(1, 9)] = 3
    taps: Annotated[int, Within(1, 32)] = 6  # of a filter, for each step of the sampling rate
    oversampling: Annotated[int, Within(1, 8)] = 2  # of the leaky ReLU
    radial: bool = False
    clamp: Annotated[float, Within(0)] = 256.0  # limit of the absolute activations; 0 for none

    @property
    def layers(self) -> int:
        """Number of rows of w that the synthesis network takes."""
        return self.blocks + 2

    def build(self) -> StyleNet:
        """Return a new generator with random weights."""
        sizes = (self.z_dim, *[self.w_dim] * self.depth)
        return StyleNet(Mapping(sizes, self.layers, self.classes, self.w_dim), Synthesis(self))

    def bands(self) -> "list[Band]":
        """Return the frequencies and sizes after each layer: geometric progressions up to the image."""
        last = self.side / 2
        parts = np.minimum(np.arange(self.blocks + 1) / (self.blocks - self.critical), 1)
        cutoffs = self.first_cutoff * (last / self.first_cutoff) ** parts
        stopbands = self.first_stopband * (last * self.last_stopband / self.first_stopband) ** parts
        result = []
        for number, (cutoff, stopband) in enumerate(zip(cutoffs, stopbands, strict=True)):
            rate = 2.0 ** math.ceil(math.log2(min(2 * stopband, self.side)))
            side = self.side if number >= self.blocks - 1 else int(rate) + 2 * self.margin
            width = round(min(self.base / 2 / cutoff, self.widest))
            width = self.channels if number == self.blocks else width
            result.append(Band(float(cutoff), max(stopband, rate / 2) - cutoff, int(rate), side, width))
        return result


@dataclass(frozen=True)
class Band:
    """What the features after a layer are: frequencies in cycles per image side, and sizes."""

    cutoff: float
    half_width: float  # of the transition from the cutoff to the stopband
    rate: int  # samples per image side
    side: int  # pixels, with the margin
    width: int  # channels


class Synthesis(nn.Module):
    """Rows of w to images, through layers of rising frequency."""

    def __init__(self, config: StyleGAN3) -> None:
        super().__init__()
        bands = config.bands()
        self.input = FourierFeatures(config.w_dim, bands[0])
        pairs = [(bands[0], bands[0]), *pairwise(bands)]
        self.blocks = nn.ModuleList(
            Layer(config, before, after, number) for number, (before, after) in enumerate(pairs)
        )
        self.scale = config.scale

    def forward(self, w: Tensor) -> Tensor:
        """Return images (n, c, h, w), in about [-1, 1], for w (n, layers, w_dim)."""
        return self.from_styles(self.styles(w))

    def styles(self, w: Tensor) -> list[Tensor]:
        """Return the motion of the waves (n, 4), and the factors of the input channels of each layer."""
        return [layer.style(w[:, row]) for row, layer in self.modulated()]

    def modulated(self) -> "Iterator[tuple[int, FourierFeatures | Layer]]":
        """Yield what takes a style, in its order, each with the number of its row of w."""
        yield 0, self.input
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Layer)
            yield number + 1, block

    def from_styles(self, styles: Sequence[Tensor]) -> Tensor:
        """Return images for the styles of all layers."""
        x = self.input(styles[0])
        for block, style in zip(self.blocks, styles[1:], strict=True):
            x = block(x, style)
        return x * self.scale


class FourierFeatures(nn.Module):
    """Waves of random frequencies, which w rotates and moves, mixed by a linear layer."""

    transform: Tensor
    frequencies: Tensor
    phases: Tensor
    positions: Tensor

    def __init__(self, w_dim: int, band: Band) -> None:
        super().__init__()
        angles, radii = torch.rand(band.width) * 2 * math.pi, torch.rand(band.width).sqrt() * band.cutoff
        self.style = nn.Linear(w_dim, 4)  # cosine and sine of the rotation, and the translation
        nn.init.zeros_(self.style.weight)
        self.style.bias = nn.Parameter(torch.tensor([1.0, 0, 0, 0]))
        self.weight = nn.Parameter(torch.randn(band.width, band.width) / math.sqrt(band.width))
        self.register_buffer("transform", torch.eye(3))  # of the image, chosen by the user
        self.register_buffer("frequencies", torch.stack([angles.cos(), angles.sin()], 1) * radii[:, None])
        self.register_buffer("phases", torch.rand(band.width) - 0.5)
        positions = (torch.arange(band.side) + 0.5 - band.side / 2) / band.rate
        self.register_buffer("positions", positions, persistent=False)
        self.band = band

    def forward(self, style: Tensor) -> Tensor:
        """Return the features (n, width, side, side)."""
        style = style / style[:, :2].norm(dim=1, keepdim=True)
        cosine, sine, moved = style[:, 0], style[:, 1], style[:, 2:]
        rotation = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
        offset = self.transform[:2, 2] - moved
        phases = self.phases + (self.frequencies @ (rotation @ offset[:, :, None])).squeeze(2)
        frequencies = self.frequencies @ (rotation @ self.transform[:2, :2])
        width = self.band.rate / 2 - self.band.cutoff
        amplitudes = (1 - (frequencies.norm(dim=2) - self.band.cutoff) / width).clamp(0, 1)
        across = frequencies[:, :, 0, None, None] * self.positions
        down = frequencies[:, :, 1, None, None] * self.positions[:, None]
        waves = torch.sin((across + down + phases[:, :, None, None]) * (2 * math.pi))
        return F.conv2d(waves * amplitudes[:, :, None, None], self.weight[:, :, None, None])


class Layer(nn.Module):
    """A modulated convolution, and a leaky ReLU between filters that raise and lower the sampling rate.

    The last layer gives pixels: it has a 1x1 convolution without demodulation, ReLU and filters.
    """

    gain: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, config: StyleGAN3, before: Band, after: Band, number: int) -> None:
        super().__init__()
        self.pixels = number == config.blocks
        kernel = 1 if self.pixels else config.kernel
        self.style = nn.Linear(config.w_dim, before.width)
        nn.init.ones_(self.style.bias)
        weight = torch.randn(after.width, before.width, kernel, kernel)
        self.weight = nn.Parameter(weight / kernel / math.sqrt(before.width))
        self.bias = nn.Parameter(torch.zeros(after.width))
        self.register_buffer("gain", torch.ones(()))  # one over the magnitude of the input
        rate = max(before.rate, after.rate) * (1 if self.pixels else config.oversampling)
        self.up, self.down = rate // before.rate, rate // after.rate
        up = config.taps * self.up if self.up > 1 else 1
        down = config.taps * self.down if self.down > 1 else 1
        radial = config.radial and number < config.blocks - config.critical
        self.register_buffer("up_filter", low_pass(up, before, rate))
        self.register_buffer("down_filter", low_pass(down, after, rate, radial=radial))
        total = (after.side - 1) * self.down + 1 - (before.side + kernel - 1) * self.up + up + down - 2
        first = (total + self.up) // 2  # so that the centers of the images coincide
        self.padding = (first, total - first)
        self.clamp = config.clamp

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return the features after the layer."""
        x = F.conv2d(x * style[:, :, None, None], self.weight, padding=self.weight.shape[-1] - 1)
        scale = self.gain
        if not self.pixels:
            energy = style.square() @ self.weight.square().sum((2, 3)).t()
            scale = (energy + EPSILON).rsqrt()[:, :, None, None] * self.gain
        x = x * scale + self.bias[:, None, None]
        if self.up_filter is not None:
            x = raised(x, self.up_filter, self.up, self.padding)
        x = limited(x if self.pixels else activated(x), self.clamp)
        return x if self.down_filter is None else lowered(x, self.down_filter, self.down)


def low_pass(taps: int, band: Band, rate: int, *, radial: bool = False) -> Tensor | None:
    """Return a filter for this band at a sampling rate, (taps,) or (taps, taps); None for one tap."""
    from scipy import signal, special  # slow to import

    if taps == 1:
        return None
    width = 2 * band.half_width
    if not radial:
        line = signal.firwin(taps, band.cutoff, width=width, fs=rate)
        return torch.as_tensor(line, dtype=torch.float32)
    positions = (np.arange(taps) - (taps - 1) / 2) / rate
    radii = np.hypot(positions[:, None], positions)
    with np.errstate(invalid="ignore"):
        jinc = special.j1(2 * math.pi * band.cutoff * radii) / (math.pi * radii)
    jinc[radii == 0] = band.cutoff
    window = np.kaiser(taps, signal.kaiser_beta(signal.kaiser_atten(taps, width / (rate / 2))))
    kernel = jinc * window[:, None] * window
    return torch.as_tensor(kernel / kernel.sum(), dtype=torch.float32)


def raised(x: Tensor, taps: Tensor, factor: int, padding: tuple[int, int]) -> Tensor:
    """Raise the sampling rate of rows and columns, with padding at the new rate before and after."""
    count, channels = len(taps), x.shape[1]
    before, after = padding[0] - (count - 1), padding[1] - (count - factor)
    weight = (taps * factor).expand(channels, 1, 1, -1)
    x = F.conv_transpose2d(x, weight, stride=(1, factor), groups=channels)
    x = F.conv_transpose2d(x, weight.transpose(2, 3), stride=(factor, 1), groups=channels)
    return F.pad(x, (before, after, before, after))  # negative values cut


def lowered(x: Tensor, taps: Tensor, factor: int) -> Tensor:
    """Filter the features and keep every `factor`th row and column."""
    channels = x.shape[1]
    if taps.ndim == 2:
        return F.conv2d(x, taps.expand(channels, 1, -1, -1), stride=factor, groups=channels)
    weight = taps.expand(channels, 1, 1, -1)
    x = F.conv2d(x, weight, stride=(1, factor), groups=channels)
    return F.conv2d(x, weight.transpose(2, 3), stride=(factor, 1), groups=channels)
