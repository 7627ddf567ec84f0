"""Nets: the encoders (images to vectors) and decoders (vectors to images) that models are built from.

A net is a frozen dataclass of its settings with two methods. `encoder` returns a module from images and
one-hot labels (or None) to vectors. `decoder` returns a module from vectors to raw images; the likelihood
applies the final sigmoid or tanh.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.errors import BadRecipe
from zatlas.core.settings import Count, Within

USUAL_NETS = ("mlp", "conv-patch", "conv")  # default nets of models with an encoder
LARGE_SIDE = 48  # pixels of the shorter side from which images are called large
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


class Net(ABC):
    """The settings of an encoder and a decoder of one architecture: a base class for a frozen dataclass."""

    TRAINING: ClassVar[Mapping[str, object]] = {}  # its default batch size and learning rate
    BFLOAT16: ClassVar[bool] = False  # whether it trains as well with products in bfloat16
    COMPILES: ClassVar[bool] = False  # whether a loss that torch has compiled is quicker

    @abstractmethod
    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return a module from images of this shape, and one-hot labels, to vectors of size `out`.

        With `classes` labels, the module is called with images and labels; else with images only.
        """

    @abstractmethod
    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return a module from vectors of size `dim` to raw images of this shape."""


@dataclass(frozen=True)
class MLP(Net):
    """Fully connected layers, for small images of any size."""

    widths: tuple[Count, ...] = (512, 256)  # of the hidden layers, from the image inwards
    activation: Activation = "silu"  # relu is as good, but units die at high learning rates
    init: Literal["torch", "kaiming"] = "torch"  # of the weights

    TRAINING: ClassVar[Mapping[str, object]] = {"batch": 256, "rate": 6e-3}
    BFLOAT16: ClassVar[bool] = True
    COMPILES: ClassVar[bool] = True

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return an MLP from pixels and labels to `out`."""
        size = shape[0] * shape[1] * shape[2]
        return FlatEncoder(self._layers([size + classes, *self.widths, out]))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return an MLP from `dim` to the pixels, the mirror of the encoder."""
        size = shape[0] * shape[1] * shape[2]
        layers = self._layers([dim, *reversed(self.widths), size])
        return nn.Sequential(*layers, nn.Unflatten(1, shape))

    def _layers(self, sizes: list[int]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            linear = nn.Linear(inputs, outputs)
            if self.init == "kaiming":
                nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
                nn.init.zeros_(linear.bias)
            layers += [ACTIVATIONS[self.activation]()] if i else []
            layers += [linear]
        return nn.Sequential(*layers)


def usual_net(shape: Shape) -> str:
    """Return the default net for images of this shape; `benchmarks/defaults.py` measures the choice."""
    _, height, width = shape
    return "conv-patch" if min(height, width) >= LARGE_SIDE and not (height % 4 or width % 4) else "mlp"


class FlatEncoder(nn.Module):
    """Layers over the concatenation of pixels and one-hot label."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor, hot: Tensor | None = None) -> Tensor:
        flat = x.flatten(1)
        return self.layers(flat if hot is None else torch.cat([flat, hot], dim=1))


@dataclass(frozen=True)
class Conv(Net):
    """Convolutions that halve the side and double the channels, for sides that are multiples of 4."""

    width: Width = 16  # channels after the first convolution
    depth: Depth = 0  # number of halvings; 0 to halve until the side is 4 to 7
    hidden: Units = 256  # units between the convolutions and the latent; 0 for no hidden layer
    activation: Activation = "silu"
    norm: Literal["group", "none"] = "group"  # after each convolution; without one, large images can diverge

    TRAINING: ClassVar[Mapping[str, object]] = {"batch": 64, "rate": 2e-3}
    STEPS: ClassVar[int] = 1000  # least number of optimizer steps of a default training
    BFLOAT16: ClassVar[bool] = True

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return convolutions, then one or two linear layers over features and labels."""
        channels, height, width = shape
        steps = self.steps(height, width)
        layers: list[nn.Module] = []
        for i in range(steps):
            wide = self.width * 2**i
            layers += [nn.Conv2d(channels, wide, 4, 2, 1), *self.after(wide)]
            channels = wide
        size = channels * (height >> steps) * (width >> steps)
        return ConvEncoder(nn.Sequential(*layers, nn.Flatten()), self.head(size + classes, out))

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return transposed convolutions, the mirror of the encoder."""
        channels, height, width = shape
        steps = self.steps(height, width)
        wide = self.width * 2 ** (steps - 1)
        start = (wide, height >> steps, width >> steps)
        layers: list[nn.Module] = [self.head(dim, start[0] * start[1] * start[2]), nn.Unflatten(1, start)]
        for i in reversed(range(steps)):
            narrow = self.width * 2 ** (i - 1) if i else channels
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1)]
            layers += self.after(narrow) if i else []
            wide = narrow
        return nn.Sequential(*layers)

    def steps(self, height: int, width: int) -> int:
        """Return how many times the side is halved."""
        if height % 4 or width % 4:
            raise BadRecipe(
                f"This net takes sides that are multiples of 4, not {width}x{height}. Add --size "
                f"{max(round(min(height, width) / 4), 1) * 4} (in Python: size=), or use "
                "the net mlp, which takes any size."
            )
        limit = 0
        while not (height >> limit) % 2 and not (width >> limit) % 2 and min(height, width) >> limit > 2:
            limit += 1
        default = limit
        while default > 1 and min(height, width) >> default < 4:
            default -= 1
        if self.depth > limit:
            raise BadRecipe(
                f"{width}x{height} can be halved {limit} times, not {self.depth}. Lower net.depth."
            )
        return self.depth or default

    def head(self, size: int, out: int) -> nn.Module:
        """Return the linear layers between the features and the latent."""
        if not self.hidden:
            return nn.Linear(size, out)
        return nn.Sequential(
            nn.Linear(size, self.hidden), ACTIVATIONS[self.activation](), nn.Linear(self.hidden, out)
        )

    def after(self, channels: int) -> list[nn.Module]:
        """Return the layers after a convolution with this number of channels."""
        norm = [nn.GroupNorm(min(8, channels), channels)] if self.norm == "group" else []
        return [*norm, ACTIVATIONS[self.activation]()]


class ConvEncoder(nn.Module):
    """Features of an image, then linear layers over features and one-hot label."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, x: Tensor, hot: Tensor | None = None) -> Tensor:
        h = self.features(x)
        return self.head(h if hot is None else torch.cat([h, hot], dim=1))


@dataclass(frozen=True)
class ConvEven(Net):
    """Convolutions with the same number of channels at every depth, as in many small GANs."""

    width: Width = 128
    dropout: Dropout = 0.4  # before the encoder's last layer, while training

    TRAINING: ClassVar[Mapping[str, object]] = {"batch": 128, "rate": 2e-4}

    def encoder(self, shape: Shape, out: int, classes: int = 0) -> nn.Module:
        """Return five 3x3 convolutions, four of them with stride 2, then dropout and a linear layer."""
        channels, height, width = self._divisible(shape)
        layers: list[nn.Module] = []
        for stride in (1, 2, 2, 2, 2):
            layers += [nn.Conv2d(channels, self.width, 3, stride, 1), nn.LeakyReLU(0.2)]
            channels = self.width
        size = channels * (height >> 4) * (width >> 4)
        head = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(size + classes, out))
        return ConvEncoder(nn.Sequential(*layers, nn.Flatten()), head)

    def decoder(self, shape: Shape, dim: int) -> nn.Module:
        """Return a linear layer, four transposed convolutions and an 8x8 convolution."""
        channels, height, width = self._divisible(shape)
        start = (self.width, height >> 4, width >> 4)
        layers: list[nn.Module] = [
            nn.Linear(dim, start[0] * start[1] * start[2]),
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, start),
        ]
        for _ in range(4):
            layers += [nn.ConvTranspose2d(self.width, self.width, 4, 2, 1), nn.LeakyReLU(0.2)]
        # The kernel size is even, so the padding is asymmetric to keep the size.
        return nn.Sequential(*layers, nn.ZeroPad2d((3, 4, 3, 4)), nn.Conv2d(self.width, channels, 8))

    def _divisible(self, shape: Shape) -> Shape:
        if shape[1] % 16 or shape[2] % 16:
            raise BadRecipe(
                f"The net conv-even takes sides that are multiples of 16, not {shape[2]}x{shape[1]}. "
                "Add --size 64 (in Python: size=64), or use the net conv."
            )
        return shape


@torch.no_grad()
def begin_at(decoder: nn.Module, raw: Tensor) -> None:
    """Set the last bias of a decoder so that its untrained output is close to this raw image."""
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    bias = [layer.bias for layer in decoder.modules() if isinstance(layer, kinds)][-1]
    if bias is None:
        return
    # The bias of a convolution has one value for each channel, and for each pixel of a patch.
    patch = math.isqrt(bias.numel() // len(raw))
    if bias.numel() == len(raw) * patch**2 != raw.numel():
        raw = F.pixel_unshuffle(raw, patch).mean((1, 2))
    bias.copy_(raw.flatten())


def apply_encoder(encoder: nn.Module, x: Tensor, hot: Tensor | None) -> Any:
    """Return the float32 output of a net's encoder; one without classes is called with the images only."""
    return (encoder(x) if hot is None else encoder(x, hot)).float()


def one_hot(y: Tensor | None, classes: int, like: Tensor) -> Tensor | None:
    """Return one-hot labels (n, classes), all zeros without `y`; None for a model without classes.

    Class weights (n, classes) are returned as they are.
    """
    if not classes:
        return None
    if y is None:
        return like.new_zeros(len(like), classes)
    if y.ndim == 2:
        return y.to(like.dtype)
    return F.one_hot(y, classes).to(like.dtype)


def join(z: Tensor, hot: Tensor | None) -> Tensor:
    """Return the latent concatenated with the one-hot label."""
    return z if hot is None else torch.cat([z, hot], dim=1)
