"""The generator of BigGAN-deep: residual blocks whose norms depend on the class, and on the truncation.

Brock et al. 2019, https://arxiv.org/abs/1809.11096
"""

from dataclasses import dataclass
from typing import Annotated, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from zatlas.core.errors import BadRecipe
from zatlas.core.settings import Count, Dim, Within
from zatlas.models.nets import Width

START = 4  # pixels of the first features
REDUCTION = 4  # channels of a block over those inside it
CHANNELS = 3


@dataclass(frozen=True)
class BigGANDeep:
    """The sizes of a BigGAN-deep; the defaults are those of the published model of 128 pixels."""

    z_dim: Dim = 128
    channel_width: Width = 128
    num_classes: Count = 1000
    layers: tuple[tuple[int, ...], ...] = (
        (0, 16, 16),
        (1, 16, 16),
        (0, 16, 16),
        (1, 16, 8),
        (0, 8, 8),
        (1, 8, 4),
        (0, 4, 4),
        (1, 4, 2),
        (0, 2, 2),
        (1, 2, 1),
    )  # of each block: whether it doubles the sides, and its channels before and after, times the width
    attention_layer_position: int = 8  # number of the block before which the attention is
    eps: Annotated[float, Within(0, 1)] = 1e-4
    n_stats: Annotated[int, Within(2, 10_000)] = 51  # truncations from 0 to 1 that have statistics

    def __post_init__(self) -> None:
        usual = all(
            len(layer) == 3 and layer[0] in (0, 1) and 1 <= layer[2] <= layer[1] <= 256
            for layer in self.layers
        )
        follow = all(a[2] == b[1] for a, b in zip(self.layers, self.layers[1:], strict=False))
        if not self.layers or not usual or not follow:
            raise BadRecipe(
                "The layers of a BigGAN are a list of [doubles, channels, channels], where each begins with "
                f"the channels that the one before ends with, not {str(self.layers)[:60]}."
            )

    @property
    def side(self) -> int:
        """The side of an image in pixels."""
        return START * 2 ** sum(layer[0] for layer in self.layers)


class BigGANGenerator(nn.Module):
    """Latents (n, z_dim) and classes to images (n, 3, side, side) in [-1, 1].

    `truncation` is the factor on the latents, which makes images more typical and less varied. Each value
    has its own statistics in the norms.
    """

    def __init__(self, config: BigGANDeep) -> None:
        super().__init__()
        width, inner = config.channel_width, 2 * config.z_dim
        first, last = config.layers[0][1], config.layers[-1][2]
        self.embedding = nn.Embedding(config.num_classes, config.z_dim)
        self.start = nn.Linear(inner, START * START * first * width)
        blocks = []
        for doubles, before, after in config.layers:
            blocks.append(Block(before * width, after * width, inner, bool(doubles), config))
        self.blocks = nn.ModuleList(blocks)
        self.position = config.attention_layer_position
        if 0 <= self.position < len(blocks):
            self.attention = Attention(config.layers[self.position][1] * width)
        self.norm = Norm(last * width, None, config)
        self.image = nn.Conv2d(last * width, CHANNELS, 3, padding=1)
        self.truncation = 1.0

    def set_truncation(self, truncation: float) -> None:
        """Use this factor on the latents, from 0 to 1, and its statistics in all norms."""
        self.truncation = truncation
        for module in self.modules():
            if isinstance(module, Norm):
                module.set_truncation(truncation)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Return images of class numbers (n,) or class weights (n, classes)."""
        return self.from_rows(self.rows(z, y))

    def rows(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the latent and the embedding of the class as two rows, (n, 2, z_dim)."""
        embedded = y @ self.embedding.weight if y.ndim == 2 else self.embedding(y)
        return torch.stack((z, embedded), dim=1)

    def from_rows(self, rows: Tensor) -> Tensor:
        """Return images for latents and embeddings of classes (n, 2, z_dim)."""
        condition = torch.cat((self.truncation * rows[:, 0], rows[:, 1]), dim=1)
        # The published weights order the first features as (row, column, channel).
        x = self.start(condition).unflatten(1, (START, START, -1)).permute(0, 3, 1, 2)
        for number, block in enumerate(self.blocks):
            if number == self.position:
                x = self.attention(x)
            x = block(x, condition)
        images: Tensor = self.image(self.norm(x, condition).relu()).tanh()
        return images


class Norm(nn.Module):
    """A batch norm with fixed statistics; its gain and bias are constant or depend on the condition."""

    means: Tensor
    variances: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int, inner: int | None, config: BigGANDeep) -> None:
        super().__init__()
        self.eps = config.eps
        self.register_buffer("means", torch.zeros(config.n_stats, channels))
        self.register_buffer("variances", torch.ones(config.n_stats, channels))
        self.register_buffer("mean", torch.zeros(channels), persistent=False)
        self.register_buffer("scale", torch.ones(channels), persistent=False)
        self.gain: nn.Linear | nn.Parameter
        self.bias: nn.Linear | nn.Parameter
        if inner is None:
            self.gain, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        else:
            self.gain = nn.Linear(inner, channels, bias=False)
            self.bias = nn.Linear(inner, channels, bias=False)

    def set_truncation(self, truncation: float) -> None:
        """Interpolate between the statistics of the two nearest truncations.

        pytorch-pretrained-biggan swaps the two weights, so it differs unless one of them is 0 or a half.
        """
        last = len(self.means) - 1
        position = truncation * last
        low = min(int(position), last - 1)
        part = position - low
        mean, variance = (
            torch.lerp(table[low], table[low + 1], part) for table in (self.means, self.variances)
        )
        self.mean.copy_(mean)
        self.scale.copy_((variance + self.eps).rsqrt())

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        if isinstance(self.gain, nn.Parameter) or isinstance(self.bias, nn.Parameter):
            gain, bias = cast(Tensor, self.gain)[None], cast(Tensor, self.bias)[None]
        else:
            gain, bias = 1 + self.gain(condition), self.bias(condition)
        gain = gain * self.scale
        return x * gain[:, :, None, None] + (bias - self.mean * gain)[:, :, None, None]


class Block(nn.Module):
    """Four convolutions around a bottleneck; the shortcut drops the last channels."""

    def __init__(self, before: int, after: int, inner: int, doubles: bool, config: BigGANDeep) -> None:
        super().__init__()
        narrow = before // REDUCTION
        self.doubles, self.after = doubles, after
        self.norms = nn.ModuleList(Norm(size, inner, config) for size in (before, narrow, narrow, narrow))
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(before, narrow, 1),
                nn.Conv2d(narrow, narrow, 3, padding=1),
                nn.Conv2d(narrow, narrow, 3, padding=1),
                nn.Conv2d(narrow, after, 1),
            ]
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = x
        for number, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            h = norm(h, condition).relu()
            if number == 1 and self.doubles:
                h = doubled(h)
            h = conv(h)
        shortcut = x[:, : self.after]
        return h + (doubled(shortcut) if self.doubles else shortcut)


class Attention(nn.Module):
    """Self-attention over positions, with keys and values of half the sides.

    Zhang et al. 2019, https://arxiv.org/abs/1805.08318
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = nn.Conv2d(channels, narrow, 1, bias=False)
        self.key = nn.Conv2d(channels, narrow, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.out = nn.Conv2d(half, channels, 1, bias=False)
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2)
        key = functional.max_pool2d(self.key(x), 2).flatten(2)
        value = functional.max_pool2d(self.value(x), 2).flatten(2)
        weights = (query.transpose(1, 2) @ key).softmax(dim=2)
        mixed = (value @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.strength * self.out(mixed)


def doubled(x: Tensor) -> Tensor:
    """Return images of twice the side, with each pixel repeated."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
