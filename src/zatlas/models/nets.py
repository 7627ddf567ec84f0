"""The plain halves that models are made of: images to vectors, and vectors to images.

A net is a frozen dataclass of its settings with two methods. `encoder` maps images in the range
of the model, and one-hot labels or None, to vectors; `decoder` maps vectors to images before
their last squashing, which is the likelihood's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.errors import BadRecipe
from zatlas.core.fields import Count, Within

Shape = tuple[int, int, int]  # channels, height, width of an image
Width = Annotated[int, Within(1, 65_536)]  # channels
Units = Annotated[int, Within(0, 1_000_000)]
Depth = Annotated[int, Within(0, 32)]
Dropout = Annotated[float, Within(0.0, 1.0, below=True)]
Activation = Literal["relu", "silu", "leaky", "tanh"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
}


class Net(Protocol):
    """Two halves of one style."""

    TRAINING: ClassVar[dict[str, object]]  # the batch and the learning rate that suit it

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module: ...
    def decoder(self, shape: Shape, dim: int) -> nn.Module: ...


@dataclass(frozen=True)
class MLP:
    """Fully connected layers, for small images of any size."""

    widths: tuple[Count, ...] = (512, 256)  # of the hidden layers, from the image inwards
    activation: Activation = "silu"  # relu is as good, but dies at high rates
    init: Literal["torch", "kaiming"] = "torch"  # of the weights

    TRAINING: ClassVar[dict[str, object]] = {"batch": 256, "rate": 6e-3}

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Flatten, then narrow to `out`; labels join the pixels."""
        size = shape[0] * shape[1] * shape[2]
        return FlatEncoder(self._layers([size + classes, *self.widths, out]))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Widen from `dim` to the pixels: the mirror of the encoder."""
        size = shape[0] * shape[1] * shape[2]
        layers = self._layers([dim, *reversed(self.widths), size])
        return nn.Sequential(*layers, nn.Unflatten(1, shape))

    def _layers(self, sizes: list[int]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i, (wide, narrow) in enumerate(pairwise(sizes)):
            linear = nn.Linear(wide, narrow)
            if self.init == "kaiming":
                nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
                nn.init.zeros_(linear.bias)
            layers += [ACTIVATIONS[self.activation]()] if i else []
            layers += [linear]
        return nn.Sequential(*layers)


def usual_net(shape: Shape) -> str:
    """What suits images of this shape on a laptop: `benchmarks/defaults.py` has the figures."""
    _, height, width = shape
    return "conv" if min(height, width) >= 48 and not (height % 4 or width % 4) else "mlp"


class FlatEncoder(nn.Module):
    """Layers over the pixels and the label as one row of numbers."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor, hot: Tensor | None = None) -> Tensor:
        flat = x.flatten(1)
        return self.layers(flat if hot is None else torch.cat([flat, hot], dim=1))


@dataclass(frozen=True)
class Conv:
    """Convolutions that halve the side and double the channels, for sizes that are multiples of 4."""

    width: Width = 16  # channels after the first convolution
    depth: Depth = 0  # halvings; 0 for as many as there can be until the side is 4 to 7
    hidden: Units = 256  # units between the convolutions and the code; 0 for none
    activation: Activation = "silu"
    norm: Literal["group", "none"] = "none"  # after each convolution

    TRAINING: ClassVar[dict[str, object]] = {"batch": 64, "rate": 2e-3}

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Halve and widen, then one or two linear layers; labels join the features."""
        channels, height, width = shape
        steps = self.steps(height, width)
        layers: list[nn.Module] = []
        for i in range(steps):
            wide = self.width * 2**i
            layers += [nn.Conv2d(channels, wide, 4, 2, 1), *self._after(wide)]
            channels = wide
        size = channels * (height >> steps) * (width >> steps)
        return ConvEncoder(nn.Sequential(*layers, nn.Flatten()), self._head(size + classes, out))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Double and narrow: the mirror of the encoder."""
        channels, height, width = shape
        steps = self.steps(height, width)
        wide = self.width * 2 ** (steps - 1)
        start = (wide, height >> steps, width >> steps)
        layers: list[nn.Module] = [self._head(dim, start[0] * start[1] * start[2]), nn.Unflatten(1, start)]
        for i in reversed(range(steps)):
            narrow = self.width * 2 ** (i - 1) if i else channels
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1)]
            layers += self._after(narrow) if i else []
            wide = narrow
        return nn.Sequential(*layers)

    def steps(self, height: int, width: int) -> int:
        """How many times the side is halved."""
        if height % 4 or width % 4:
            raise BadRecipe(
                f"This net takes sides that are multiples of 4, not {width}x{height}. Give a size, "
                f"as --size {max(round(min(height, width) / 4), 1) * 4}, or the net mlp, which takes any."
            )
        most = 0
        while not (height >> most) % 2 and not (width >> most) % 2 and min(height, width) >> most > 2:
            most += 1
        usual = most
        while usual > 1 and min(height, width) >> usual < 4:
            usual -= 1
        if self.depth > most:
            raise BadRecipe(f"{width}x{height} can be halved {most} times, not net.depth = {self.depth}.")
        return self.depth or usual

    def _head(self, size: int, out: int) -> nn.Module:
        if not self.hidden:
            return nn.Linear(size, out)
        return nn.Sequential(
            nn.Linear(size, self.hidden), ACTIVATIONS[self.activation](), nn.Linear(self.hidden, out)
        )

    def _after(self, channels: int) -> list[nn.Module]:
        norm = [nn.GroupNorm(min(8, channels), channels)] if self.norm == "group" else []
        return [*norm, ACTIVATIONS[self.activation]()]


class ConvEncoder(nn.Module):
    """Features of an image, then linear layers over them and the label."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, x: Tensor, hot: Tensor | None = None) -> Tensor:
        h = self.features(x)
        return self.head(h if hot is None else torch.cat([h, hot], dim=1))


@dataclass(frozen=True)
class ConvEven:
    """Convolutions with the same number of channels at every depth: the nets of many plain GANs."""

    width: Width = 128
    dropout: Dropout = 0.4  # before the encoder's last layer, while training

    TRAINING: ClassVar[dict[str, object]] = {"batch": 128, "rate": 2e-4}

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Five 3x3 convolutions, four of them halving, then dropout and a linear layer."""
        channels, height, width = self._divisible(shape)
        layers: list[nn.Module] = []
        for stride in (1, 2, 2, 2, 2):
            layers += [nn.Conv2d(channels, self.width, 3, stride, 1), nn.LeakyReLU(0.2)]
            channels = self.width
        size = channels * (height >> 4) * (width >> 4)
        head = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(size + classes, out))
        return ConvEncoder(nn.Sequential(*layers, nn.Flatten()), head)

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """A linear layer, four doublings and an 8x8 convolution."""
        channels, height, width = self._divisible(shape)
        start = (self.width, height >> 4, width >> 4)
        layers: list[nn.Module] = [
            nn.Linear(dim, start[0] * start[1] * start[2]),
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, start),
        ]
        for _ in range(4):
            layers += [nn.ConvTranspose2d(self.width, self.width, 4, 2, 1), nn.LeakyReLU(0.2)]
        # 8 is even, so the border is one wider at the far side for the size to stay.
        return nn.Sequential(*layers, nn.ZeroPad2d((3, 4, 3, 4)), nn.Conv2d(self.width, channels, 8))

    def _divisible(self, shape: Shape) -> Shape:
        if shape[1] % 16 or shape[2] % 16:
            raise BadRecipe(
                f"The net conv-even takes sides that are multiples of 16, not {shape[2]}x{shape[1]}. "
                "Give a size, as --size 64, or the net conv."
            )
        return shape


@torch.no_grad()
def begin_at(decoder: nn.Module, raw: Tensor) -> None:
    """Have an untrained decoder answer near this image whatever it is asked, rather than grey."""
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    bias = [layer.bias for layer in decoder.modules() if isinstance(layer, kinds)][-1]
    if bias is not None:
        # A convolution's bias is one number a channel.
        bias.copy_(raw.flatten() if bias.numel() == raw.numel() else raw.flatten(1).mean(1))


def one_hot(y: Tensor | None, classes: int, like: Tensor) -> Tensor | None:
    """Labels as rows of zeros with a one; None for a model without classes. No label is all zeros."""
    if not classes:
        return None
    if y is None:
        return like.new_zeros(len(like), classes)
    return F.one_hot(y, classes).to(like.dtype)


def join(z: Tensor, hot: Tensor | None) -> Tensor:
    """The code with its label beside it."""
    return z if hot is None else torch.cat([z, hot], dim=1)
