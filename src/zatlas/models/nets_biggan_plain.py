"""The generator of BigGAN (not deep): residual blocks of two convolutions, with parts of z for each block.

Brock et al. 2019, https://arxiv.org/abs/1809.11096
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from zatlas.core.settings import Count, Dim, Within
from zatlas.models.nets import Width
from zatlas.models.nets_biggan import CHANNELS, START, Attention, doubled


@dataclass(frozen=True)
class BigGANPlain:
    """The sizes of a BigGAN; `widths` are the channels before the first block and after each block."""

    widths: tuple[Width, ...]
    z_dim: Dim = 120
    shared: Dim = 128  # dimensions of a class
    classes: Count = 1000
    attention: Annotated[int, Within(-1, 64)] = 3  # number of the block before the attention; -1 for none
    hierarchical: bool = True  # each block has its own part of z
    eps: Annotated[float, Within(0, 1)] = 1e-5

    @property
    def blocks(self) -> int:
        """Number of blocks, each of which doubles the sides."""
        return len(self.widths) - 1

    @property
    def side(self) -> int:
        """The side of an image in pixels."""
        return START << self.blocks

    @property
    def part(self) -> int:
        """Number of dimensions of z that one block takes."""
        return self.z_dim // (self.blocks + 1) if self.hierarchical else 0

    def build(self) -> "BigGANPlainGenerator":
        """Return a new generator with random weights."""
        return BigGANPlainGenerator(self)


class BigGANPlainGenerator(nn.Module):
    """Latents (n, z_dim) and classes to images (n, 3, side, side) in [-1, 1]."""

    def __init__(self, config: BigGANPlain) -> None:
        super().__init__()
        first, last = config.widths[0], config.widths[-1]
        self.config = config
        self.embedding = nn.Embedding(config.classes, config.shared)
        self.start = nn.Linear(config.part or config.z_dim, START * START * first)
        self.blocks = nn.ModuleList(Block(config, number) for number in range(config.blocks))
        if config.attention >= 0:
            self.attention = Attention(config.widths[config.attention + 1])
        self.norm = nn.BatchNorm2d(last, eps=config.eps)
        self.image = nn.Conv2d(last, CHANNELS, 3, padding=1)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Return images of class numbers (n,) or class weights (n, classes)."""
        embedded = y @ self.embedding.weight if y.ndim == 2 else self.embedding(y)
        part = self.config.part
        x = self.start(z[:, :part] if part else z).unflatten(1, (-1, START, START))
        for number, block in enumerate(self.blocks):
            own = z[:, part * (number + 1) : part * (number + 2)]
            x = block(x, torch.cat((embedded, own), dim=1) if part else embedded)
            if number == self.config.attention:
                x = self.attention(x)
        images: Tensor = self.image(self.norm(x).relu()).tanh()
        return images


class ClassNorm(nn.Module):
    """A batch norm with fixed statistics, whose gain and bias depend on the condition."""

    def __init__(self, channels: int, inputs: int, eps: float) -> None:
        super().__init__()
        self.gain = nn.Linear(inputs, channels, bias=False)
        self.bias = nn.Linear(inputs, channels, bias=False)
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features of the same shape."""
        gain, bias = 1 + self.gain(condition), self.bias(condition)
        normed: Tensor = self.norm(x)
        return normed * gain[:, :, None, None] + bias[:, :, None, None]


class Block(nn.Module):
    """Two convolutions at twice the side, and a 1x1 convolution as the shortcut."""

    def __init__(self, config: BigGANPlain, number: int) -> None:
        super().__init__()
        before, after = config.widths[number], config.widths[number + 1]
        inputs = config.shared + config.part
        self.norm1 = ClassNorm(before, inputs, config.eps)
        self.norm2 = ClassNorm(after, inputs, config.eps)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features of twice the side."""
        h = self.conv1(doubled(self.norm1(x, condition).relu()))
        h = self.conv2(self.norm2(h, condition).relu())
        # A 1x1 convolution gives the same before and after pixels are repeated.
        return h + doubled(self.shortcut(x))
