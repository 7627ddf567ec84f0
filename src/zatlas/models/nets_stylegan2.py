"""The generator of StyleGAN2: a mapping from z to w, and a synthesis network that w styles layer by layer.

Karras et al. 2020, https://arxiv.org/abs/1912.04958, and with adaptive augmentation (ADA, with classes)
https://arxiv.org/abs/2006.06676

The gains of the equalized learning rate are part of the weights here, so the layers are plain ones. The
modulation scales the images of a layer instead of its weights: the same convolution then serves all rows
of a batch, and ONNX can express it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.settings import Within

Size = Annotated[int, Within(1, 16_384)]
Architecture = Literal["skip", "resnet", "orig"]
Noise = Literal["fixed", "random", "zero"] | Sequence[Tensor | None]  # one image of noise per layer

EPSILON = 1e-8
SLOPE = 0.2  # of the leaky ReLU
SMALLEST = 4  # pixels of the first block


@dataclass(frozen=True)
class StyleGAN2:
    """The sizes of a generator; `widths` are the channels of its blocks of 4, 8, 16, ... pixels."""

    widths: tuple[Size, ...]
    z_dim: Size = 512
    w_dim: Size = 512
    channels: Size = 3
    classes: Annotated[int, Within(0, 1_000_000)] = 0
    embedding: Size = 512
    hidden: Size = 512
    depth: Annotated[int, Within(1, 64)] = 8
    architecture: Architecture = "skip"
    taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    clamp: Annotated[float, Within(0)] = 0.0  # limit of the absolute activations; 0 for none
    noise: bool = True

    @property
    def layers(self) -> int:
        """Number of rows of w that the synthesis network takes."""
        return 2 * len(self.widths)

    @property
    def side(self) -> int:
        """Pixels of a side of the images."""
        return SMALLEST << (len(self.widths) - 1)

    def build(self) -> "StyleNet":
        """Return a new generator with random weights."""
        sizes = (self.z_dim, *[self.hidden] * (self.depth - 1), self.w_dim)
        mapping = Mapping(sizes, self.layers, self.classes, self.embedding)
        return StyleNet(mapping, Synthesis(self))


class StyleNet(nn.Module):
    """A mapping network and a synthesis network."""

    def __init__(self, mapping: "Mapping", synthesis: nn.Module) -> None:
        super().__init__()
        self.mapping = mapping
        self.synthesis = synthesis

    def forward(
        self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """Return images (n, c, h, w) for latents (n, z_dim), in about [-1, 1]; the noise is fixed."""
        images: Tensor = self.synthesis(self.mapping(z, label, psi, cutoff))
        return images


class Mapping(nn.Module):
    """Latents z, and labels of a conditional model, to w: one row for each layer of the synthesis network."""

    mean: Tensor

    def __init__(self, sizes: Sequence[int], layers: int, classes: int = 0, embedding: int = 0) -> None:
        super().__init__()
        self.layers = layers
        self.embedding = nn.Linear(classes, embedding) if classes else None
        first, *others = sizes
        widths = [first + (embedding if classes else 0), *others]
        self.linear = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.register_buffer("mean", torch.zeros(widths[-1]))

    def forward(
        self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """Return w (n, layers, w_dim).

        Labels are class numbers (n,) or class weights (n, classes). Truncation moves the first `cutoff`
        layers (default: all) towards the mean of w; `psi` is the part of the distance that remains.
        """
        return self.layered(self.single(z, label), psi, cutoff)

    def single(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return w (n, w_dim), the same for all layers, without truncation."""
        x = normalized(z)
        if self.embedding is not None:
            assert label is not None
            x = torch.cat([x, normalized(embedded(self.embedding, label))], 1)
        for layer in self.linear:
            x = activated(layer(x))
        return x

    def layered(self, w: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """Return one truncated row of w for each layer, (n, layers, w_dim), for w (n, w_dim)."""
        rows = w[:, None].expand(-1, self.layers, -1)
        return rows if psi == 1 else self.truncated(rows, psi, cutoff)

    def truncated(self, w: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
        """Return w with its first `cutoff` layers moved towards the mean."""
        count = self.layers if cutoff is None else cutoff
        remaining = [psi if layer < count else 1.0 for layer in range(self.layers)]
        return self.mean + (w - self.mean) * w.new_tensor(remaining)[:, None]


class Synthesis(nn.Module):
    """Rows of w to images, through blocks of 4, 8, 16, ... pixels."""

    taps: Tensor

    def __init__(self, config: StyleGAN2) -> None:
        super().__init__()
        count = len(config.widths)
        self.constant = nn.Parameter(torch.randn(config.widths[0], SMALLEST, SMALLEST))
        taps = torch.tensor(config.taps)
        self.register_buffer("taps", taps / taps.sum())
        self.blocks = nn.ModuleList(Block(config, number, number == count - 1) for number in range(count))

    def forward(self, w: Tensor, noise: Noise = "fixed", blocks: int | None = None) -> Tensor:
        """Return images (n, c, h, w), in about [-1, 1], for w (n, layers, w_dim).

        The noise is fixed (stored in the model), random (of torch's generator), zero, or a tensor
        (n or 1, 1, side, side) for each styled layer. With `blocks`, the image is that of the first blocks.
        """
        return self.from_styles(self.styles(w), noise, blocks)

    def styles(self, w: Tensor) -> list[Tensor]:
        """Return the factors of the input channels of each modulated convolution, (n, channels) each."""
        return [layer.style(w[:, row]) for row, layer in self.modulated()]

    def modulated(self) -> "Iterator[tuple[int, Modulated]]":
        """Yield the modulated convolutions in their order, each with the number of its row of w."""
        for number, block in enumerate(self.blocks):
            row = max(2 * number - 1, 0)
            assert isinstance(block, Block)
            for part in (block.up, block.conv, block.pixels):
                if part is not None:
                    yield row, part.conv
                    row += 1

    def from_styles(
        self, styles: Sequence[Tensor], noise: Noise = "fixed", blocks: int | None = None
    ) -> Tensor:
        """Return images for the styles of all modulated convolutions."""
        count = styles[0].shape[0]  # len() would fix the batch size of an export
        x, images = self.constant.expand(count, -1, -1, -1), None
        noises, remaining = iter(self.noises(noise, count)), iter(styles)
        for number, block in enumerate(self.blocks):
            if number == blocks:
                break
            x, images = block(x, images, remaining, noises, self.taps)
        assert images is not None
        return images

    def noises(self, noise: Noise, count: int) -> list[Tensor | None]:
        """Return the image of noise for each styled layer; None for no noise."""
        if not isinstance(noise, str):
            return list(noise)
        layers = [module for module in self.modules() if isinstance(module, StyledLayer)]
        stored = [layer.noise for layer in layers]
        if noise == "zero":
            return [None] * len(layers)
        if noise == "random":
            return [
                None if value is None else torch.randn(count, 1, *value.shape).to(value) for value in stored
            ]
        return stored


class Block(nn.Module):
    """The layers of one size: a convolution that doubles the size, a second one, and perhaps the pixels."""

    def __init__(self, config: StyleGAN2, number: int, last: bool) -> None:
        super().__init__()
        outputs, side = config.widths[number], SMALLEST << number
        inputs = config.widths[number - 1] if number else 0
        residual = bool(inputs) and config.architecture == "resnet"
        gain = math.sqrt(0.5) if residual else 1.0
        self.up = StyledLayer(config, inputs, outputs, side, up=True) if inputs else None
        self.conv = StyledLayer(config, outputs, outputs, side, gain=gain)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if residual else None
        has_pixels = last or config.architecture == "skip"
        self.pixels = Pixels(config, outputs) if has_pixels else None

    def forward(
        self,
        x: Tensor,
        images: Tensor | None,
        styles: Iterator[Tensor],
        noises: Iterator[Tensor | None],
        taps: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the features of this size, and the sum of the images up to this size."""
        shortcut = None if self.skip is None else upsampled(self.skip(x), taps)
        if self.up is not None:
            x = self.up(x, next(styles), next(noises), taps)
        x = self.conv(x, next(styles), next(noises), taps)
        x = x if shortcut is None else x + shortcut
        if self.pixels is not None:
            added = self.pixels(x, next(styles))
            images = added if images is None else upsampled(images, taps) + added
        return x, images


class StyledLayer(nn.Module):
    """A modulated convolution with noise, bias and leaky ReLU."""

    noise: Tensor | None

    def __init__(
        self, config: StyleGAN2, inputs: int, outputs: int, side: int, *, up: bool = False, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.conv = Modulated(config.w_dim, inputs, outputs, 3, up=up)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.randn(side, side) if config.noise else None)
        self.strength = nn.Parameter(torch.zeros(())) if config.noise else None
        self.gain, self.clamp = gain, gain * config.clamp

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None, taps: Tensor) -> Tensor:
        """Return the features (n, outputs, side, side)."""
        x = self.conv(x, style)
        if self.conv.up:
            x = blurred(x, taps)
        if noise is not None and self.strength is not None:
            x = x + noise * self.strength
        return limited(activated(x + self.bias[:, None, None], self.gain), self.clamp)


class Pixels(nn.Module):
    """Features to an image, which is added to the enlarged image of the block before."""

    def __init__(self, config: StyleGAN2, inputs: int) -> None:
        super().__init__()
        self.conv = Modulated(config.w_dim, inputs, config.channels, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(config.channels))
        self.clamp = config.clamp

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return the image (n, channels, side, side)."""
        return limited(self.conv(x, style) + self.bias[:, None, None], self.clamp)


class Modulated(nn.Module):
    """A convolution whose input channels a style scales; demodulation restores the scale of the output.

    `style` maps w to the style.
    """

    def __init__(
        self, w_dim: int, inputs: int, outputs: int, kernel: int, *, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.style = nn.Linear(w_dim, inputs)
        nn.init.ones_(self.style.bias)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) / kernel / math.sqrt(inputs))
        self.demodulate = demodulate
        self.up = up

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return the convolution (n, outputs, h, w); with `up`, (n, outputs, 2h + 1, 2w + 1)."""
        x = x * style[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
        else:
            x = F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)
        if self.demodulate:
            energy = style.square() @ self.weight.square().sum((2, 3)).t()
            x = x * (energy + EPSILON).rsqrt()[:, :, None, None]
        return x


def normalized(x: Tensor) -> Tensor:
    """Scale the rows to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


def embedded(embedding: nn.Linear, label: Tensor) -> Tensor:
    """Return the embedding of class numbers (n,) or of class weights (n, classes)."""
    if label.is_floating_point():
        rows: Tensor = embedding(label)
        return rows
    return F.embedding(label, embedding.weight.t()) + embedding.bias


def activated(x: Tensor, gain: float = 1.0) -> Tensor:
    """Apply a leaky ReLU that keeps the mean square of normal values, times the gain."""
    return F.leaky_relu(x, SLOPE) * (math.sqrt(2) * gain)


def limited(x: Tensor, clamp: float) -> Tensor:
    """Limit the absolute values; 0 stands for no limit."""
    return x.clamp(-clamp, clamp) if clamp else x


def blurred(x: Tensor, taps: Tensor) -> Tensor:
    """Filter images of 2h + 1 pixels, in which a transposed convolution left gaps, to 2h pixels."""
    return F.conv2d(x, _kernel(x, taps), padding=len(taps) // 2 - 1, groups=x.shape[1])


def upsampled(x: Tensor, taps: Tensor) -> Tensor:
    """Return images of twice the size, interpolated with the filter."""
    padding = len(taps) // 2 - 1
    return F.conv_transpose2d(x, _kernel(x, taps), stride=2, padding=padding, groups=x.shape[1])


def _kernel(x: Tensor, taps: Tensor) -> Tensor:
    """Return the filter for each channel; it makes up for the zeros between pixels of doubled images."""
    return (4 * taps[:, None] * taps).expand(x.shape[1], 1, -1, -1)
