"""Likelihoods: the last layer of a decoder and its reconstruction loss.

A likelihood turns the decoder's raw output into the mean image in [0, 1], and into a distortion
(reconstruction loss), one number per image. If `bound` is true, the distortion is -log p(x | z) in nats,
and its sum with the rate (KL) is an upper bound of -log p(x).
"""

import math
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zatlas.models.noise import uniform

Name = Literal["bernoulli", "gaussian", "mse"]
Treatment = Literal["grey", "dynamic", "threshold"]  # how grey pixels become black or white
MARGIN = 0.01  # mean pixels are clamped to [MARGIN, 1 - MARGIN], because logits of 0 and 1 are infinite


class Likelihood(Protocol):
    """The last layer of a decoder and its loss."""

    bound: bool

    def mean(self, raw: Tensor) -> Tensor:
        """Return the mean image in [0, 1] for the decoder's raw output."""

    def raw(self, mean: Tensor) -> Tensor:
        """Return the raw output that gives this mean image."""

    def distortion(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the loss of each image (n,)."""


def transformed(x: Tensor, pixels: Treatment, rng: torch.Generator | None = None) -> Tensor:
    """Return the images that the likelihood models.

    "grey" leaves them as they are. "threshold" cuts at 0.5. "dynamic" samples black or white, with the grey
    level as the probability of white (Salakhutdinov and Murray 2008, https://doi.org/10.1145/1390156.1390266).
    """
    if pixels == "dynamic":
        return (uniform(x.shape, x, rng) < x).to(x.dtype)
    return (x >= 0.5).to(x.dtype) if pixels == "threshold" else x


class Decodes(Protocol):
    """A model whose likelihood of an image can be estimated.

    It has a standard normal prior, a diagonal normal posterior, and -log p(x | z) as distortion.
    """

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x, y)."""

    def distortion(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return -log p(x | z, y) of each image, in nats."""


def likelihood(name: Name, sigma: float, signed: bool) -> "Bernoulli | Gaussian | MeanSquare":
    """Return the likelihood of this name; `sigma` is for gaussian, `signed` for mse."""
    if name == "bernoulli":
        return Bernoulli()
    return Gaussian(sigma) if name == "gaussian" else MeanSquare(signed)


class Bernoulli(nn.Module):
    """Independent Bernoulli pixels; grey levels count as the probability of white."""

    bound = True

    def mean(self, raw: Tensor) -> Tensor:
        return raw.sigmoid()

    def raw(self, mean: Tensor) -> Tensor:
        return mean.clamp(MARGIN, 1 - MARGIN).logit()

    def distortion(self, raw: Tensor, x: Tensor) -> Tensor:
        nats: Tensor = CrossEntropy.apply(raw, x)  # type: ignore[no-untyped-call]
        return nats


class Gaussian(nn.Module):
    """Independent normal pixels with one std, which is given (`sigma` > 0) or fitted (0).

    A fitted std balances distortion and rate automatically.
    Rybkin et al. 2021, https://arxiv.org/abs/2006.13202
    """

    bound = True
    START = 0.2  # initial value of a fitted std
    SPEED = 10.0  # scales the step of log sigma, which has to change more than a weight

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.fixed = sigma
        if not sigma:
            # Shape (1,), because FSDP cannot shard scalars.
            self.log_sigma = nn.Parameter(torch.tensor([math.log(self.START) / self.SPEED]))

    @property
    def std(self) -> float:
        """The std of a pixel, for pixels in [0, 1]."""
        return self.fixed or math.exp(float(self.log_sigma.detach()) * self.SPEED)

    def mean(self, raw: Tensor) -> Tensor:
        return raw.sigmoid()

    def raw(self, mean: Tensor) -> Tensor:
        return mean.clamp(MARGIN, 1 - MARGIN).logit()

    def distortion(self, raw: Tensor, x: Tensor) -> Tensor:
        square = squared_error(raw, x)
        count = x[0].numel()
        if self.fixed:
            return square / (2 * self.fixed**2) + count * math.log(self.fixed * math.sqrt(math.tau))
        log_sigma = self.log_sigma * self.SPEED
        return square * (-2 * log_sigma).exp() / 2 + count * (log_sigma + math.log(math.tau) / 2)


class MeanSquare(nn.Module):
    """Squared error, summed over the pixels. It is a loss, not a likelihood.

    With `signed`, it compares images in [-1, 1]; their error is four times that in [0, 1].
    """

    bound = False

    def __init__(self, signed: bool) -> None:
        super().__init__()
        self.signed = signed

    def mean(self, raw: Tensor) -> Tensor:
        return (raw.tanh() + 1) / 2 if self.signed else raw.sigmoid()

    def raw(self, mean: Tensor) -> Tensor:
        logit = mean.clamp(MARGIN, 1 - MARGIN).logit()
        return logit / 2 if self.signed else logit

    def distortion(self, raw: Tensor, x: Tensor) -> Tensor:
        return 4 * squared_error(raw, x, scale=2) if self.signed else squared_error(raw, x)


def squared_error(raw: Tensor, x: Tensor, scale: int = 1) -> Tensor:
    """Return the squared error of the image sigmoid(scale * raw), summed over each image (n,) in float32."""
    error: Tensor = SquaredError.apply(raw, x, scale)  # type: ignore[no-untyped-call]
    return error


class SquaredError(torch.autograd.Function):
    """`squared_error` with its gradient, computed together in few passes over the memory."""

    @staticmethod
    def forward(ctx: Any, raw: Tensor, x: Tensor, scale: int) -> Tensor:
        image = (raw.float() * scale).sigmoid_() if scale != 1 else raw.float().sigmoid()
        difference = image - x
        total = difference.square().flatten(1).sum(1)
        if ctx.needs_input_grad[0]:
            ctx.scale = scale
            ctx.save_for_backward(difference.mul_(image).mul_(image.neg_().add_(1)).to(raw.dtype))
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (half,) = ctx.saved_tensors  # of the gradient, for a scale of 1
        factor = (2 * ctx.scale * grad).view((-1,) + (1,) * (half.ndim - 1))
        return half * factor.to(half.dtype), None, None


class CrossEntropy(torch.autograd.Function):
    """Binary cross-entropy of logits, summed over each image in float32.

    The gradient sigmoid(raw) - x takes one pass over the memory; autograd would take five.
    """

    @staticmethod
    def forward(ctx: Any, raw: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(raw, x)
        full = raw.float()
        return (nn.functional.softplus(full) - full * x).flatten(1).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        raw, x = ctx.saved_tensors
        shape = (-1,) + (1,) * (raw.ndim - 1)
        return raw.float().sigmoid().sub_(x).mul_(grad.view(shape)).to(raw.dtype), None
