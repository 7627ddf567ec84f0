"""Plain stacks of layers, as tutorials write them: linear layers, convolutions, norms and one activation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from zatlas.core.errors import BadRecipe

Last = Literal["sigmoid", "tanh"]
Hidden = Literal["relu", "leaky_relu", "tanh", "silu"]

MAX_STEPS = 300
MAX_SIDE = 4096  # pixels
SLOPE = 0.2  # of the leaky ReLU, as in generators
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(SLOPE),
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
}
# Each step is a name and its numbers; a bias is 0 or 1.
MAKERS: dict[str, Callable[..., nn.Module]] = {
    "linear": lambda inputs, outputs, bias: nn.Linear(inputs, outputs, bias=bool(bias)),
    "conv": lambda inputs, outputs, kernel, stride, padding, bias: nn.Conv2d(
        inputs, outputs, kernel, stride, padding, bias=bool(bias)
    ),
    "deconv": lambda inputs, outputs, kernel, stride, padding, extra, bias: nn.ConvTranspose2d(
        inputs, outputs, kernel, stride, padding, extra, bias=bool(bias)
    ),
    "norm1d": nn.BatchNorm1d,
    "norm2d": nn.BatchNorm2d,
    "unflatten": lambda channels, side: nn.Unflatten(1, (channels, side, side)),
    "flatten": nn.Flatten,
    "double": lambda: nn.Upsample(scale_factor=2),
    "pool": lambda: nn.MaxPool2d(2),
}


@dataclass(frozen=True)
class Plain:
    """The steps of a decoder and an encoder, such as "linear 20 400 1"; "act" is the hidden activation."""

    decoder: tuple[str, ...]
    encoder: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()  # of the encoder: the mean, and perhaps the log-variance
    hidden: Hidden = "relu"
    last: Last = "sigmoid"

    def __post_init__(self) -> None:
        if len(self.decoder) + len(self.encoder) > MAX_STEPS or len(self.heads) > 2:
            raise BadRecipe(f"A plain net has at most {MAX_STEPS} steps and 2 heads.")
        growth = math.prod(_growth(step) for step in self.decoder)
        if growth > MAX_SIDE:
            raise BadRecipe(f"The decoder enlarges images {growth} times; the limit is {MAX_SIDE}.")

    def build(self) -> "PlainNet":
        """Return a new net with random weights."""
        return PlainNet(self)


class PlainNet(nn.Module):
    """A decoder, and perhaps an encoder that returns the mean and the log-variance of latents."""

    def __init__(self, config: Plain) -> None:
        super().__init__()
        self.decoder = nn.Sequential(*(_module(step, config) for step in config.decoder))
        self.encoder = nn.Sequential(*(_module(step, config) for step in config.encoder))
        self.heads = nn.ModuleList(_module(step, config) for step in config.heads)
        self.last = ACTIVATIONS[config.last]()

    def decode(self, z: Tensor) -> Tensor:
        """Return images (n, c, h, w), or rows of pixels (n, pixels)."""
        images: Tensor = self.last(self.decoder(z))
        return images

    def encode(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return latents, or their mean and log-variance."""
        x = self.encoder(x)
        parts = tuple(head(x) for head in self.heads)
        return parts if len(parts) > 1 else parts[0]


def _module(step: str, config: Plain) -> nn.Module:
    name, *numbers = step.split()
    if name == "act":
        return ACTIVATIONS[config.hidden]()
    if name not in MAKERS or not all(number.isdecimal() for number in numbers):
        raise BadRecipe(f"{step[:60]!r} is not a step of a plain net.")
    return MAKERS[name](*map(int, numbers))


def _growth(step: str) -> int:
    """Return how much a step enlarges the side of images."""
    name, *numbers = step.split() or [""]
    if name == "double":
        return 2
    return int(numbers[3]) if name == "deconv" and len(numbers) == 7 and numbers[3].isdecimal() else 1


@torch.no_grad()
def recovered(net: PlainNet, z: Tensor) -> float:
    """Return how well the encoder recovers latents (n, dim) from their images.

    It is the mean correlation of a quarter of the dimensions, the best ones: a VAE may leave some unused.
    """
    mean = net.encode(net.decode(z))
    mean = mean[0] if isinstance(mean, tuple) else mean
    size = (mean.std(0) * z.std(0)).clamp(min=1e-12)
    correlation = ((mean - mean.mean(0)) * (z - z.mean(0))).mean(0) / size
    best: Tensor = correlation.nan_to_num().sort(descending=True).values
    return float(best[: max(len(best) // 4, 1)].mean())


@torch.no_grad()
def statistics_error(net: PlainNet, z: Tensor) -> float:
    """Return how far features differ from the statistics that the decoder's norms store; 0 without any.

    It is the mean absolute difference of the channels' means, in stored standard deviations. Norms that
    still have their initial statistics, as before a training, do not count.
    """
    x, errors = z, []
    for layer in net.decoder:
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            mean, var = layer.running_mean, layer.running_var
            assert mean is not None and var is not None
            if mean.any() or not var.eq(1).all():
                axes = [axis for axis in range(x.ndim) if axis != 1]
                std = (var + layer.eps).sqrt()
                errors.append(((x.mean(axes) - mean) / std).abs().mean())
                errors.append((x.std(axes) / std).log().abs().mean())
        x = layer(x)
    return float(torch.stack(errors).mean()) if errors else 0.0
