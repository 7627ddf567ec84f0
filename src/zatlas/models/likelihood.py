"""How likely an image is, given what the decoder says: the last layer of a decoder and its loss.

A likelihood turns the decoder's raw output into the mean image in [0, 1] and into a distortion,
one number an image. Where the distortion is -log p(x | z) in nats, `bound` is true and the sum with
the rate is a bound on -log p(x); elsewhere it is not, and nobody should call it one.
"""

import math
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zatlas.models.noise import uniform

Name = Literal["bernoulli", "gaussian", "mse"]
Treatment = Literal["grey", "dynamic", "threshold"]  # of pixels that are to be black or white
NEARLY_BLACK = 0.01  # no raw output gives pure black or white, so means go from here to 1 less it


class Likelihood(Protocol):
    """What follows a decoder."""

    bound: bool

    def mean(self, raw: Tensor) -> Tensor: ...
    def raw(self, mean: Tensor) -> Tensor: ...
    def distortion(self, raw: Tensor, x: Tensor) -> Tensor: ...


def treated(x: Tensor, pixels: Treatment, rng: torch.Generator | None = None) -> Tensor:
    """The images that the likelihood is asked for: as they are, drawn with their levels as chances
    of white (Salakhutdinov and Murray 2008, https://doi.org/10.1145/1390156.1390266), or cut at a half.
    """
    if pixels == "dynamic":
        return (uniform(x.shape, x, rng) < x).to(x.dtype)
    return (x >= 0.5).to(x.dtype) if pixels == "threshold" else x


class Likely(Protocol):
    """A model that says how likely an image is: a standard normal prior, a diagonal normal posterior,
    and a distortion that is -log p(x | z) in nats.
    """

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x, y)."""

    def distortion(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """-log p(x | z, y) of each image with its point."""


def likelihood(name: Name, sigma: float, signed: bool) -> "Bernoulli | Gaussian | MeanSquare":
    """The likelihood of this name."""
    if name == "bernoulli":
        return Bernoulli()
    return Gaussian(sigma) if name == "gaussian" else MeanSquare(signed)


class Bernoulli(nn.Module):
    """Pixels as independent coin flips; grey levels count as the probability of white."""

    bound = True

    def mean(self, raw: Tensor) -> Tensor:
        return raw.sigmoid()

    def raw(self, mean: Tensor) -> Tensor:
        return mean.clamp(NEARLY_BLACK, 1 - NEARLY_BLACK).logit()

    def distortion(self, raw: Tensor, x: Tensor) -> Tensor:
        nats: Tensor = CrossEntropy.apply(raw, x)  # type: ignore[no-untyped-call]
        return nats


class Gaussian(nn.Module):
    """Pixels as independent normals of one spread, given (`sigma` > 0) or learned (0).

    A learned spread weighs distortion against rate by itself.
    Rybkin et al. 2021, https://arxiv.org/abs/2006.13202
    """

    bound = True
    START = 0.2  # a learned spread starts here
    SPEED = 10.0  # the optimizer's step is made for weights; a spread has to go further

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.fixed = sigma
        if not sigma:
            # Of one number, not of none: FSDP cuts no scalars.
            self.log_sigma = nn.Parameter(torch.tensor([math.log(self.START) / self.SPEED]))

    @property
    def spread(self) -> float:
        """Of a pixel, in [0, 1] of grey."""
        return self.fixed or math.exp(float(self.log_sigma.detach()) * self.SPEED)

    def mean(self, raw: Tensor) -> Tensor:
        return raw.sigmoid()

    def raw(self, mean: Tensor) -> Tensor:
        return mean.clamp(NEARLY_BLACK, 1 - NEARLY_BLACK).logit()

    def distortion(self, raw: Tensor, x: Tensor) -> Tensor:
        square = (self.mean(raw) - x).square().flatten(1).sum(1)
        count = x[0].numel()
        if self.fixed:
            return square / (2 * self.fixed**2) + count * math.log(self.fixed * math.sqrt(math.tau))
        log_sigma = self.log_sigma * self.SPEED
        return square * (-2 * log_sigma).exp() / 2 + count * (log_sigma + math.log(math.tau) / 2)


class MeanSquare(nn.Module):
    """Squared error, summed over the pixels: an objective, not a likelihood.

    Signed, it compares images in [-1, 1], whose error is four times that in [0, 1].
    """

    bound = False

    def __init__(self, signed: bool) -> None:
        super().__init__()
        self.signed = signed

    def mean(self, raw: Tensor) -> Tensor:
        return (raw.tanh() + 1) / 2 if self.signed else raw.sigmoid()

    def raw(self, mean: Tensor) -> Tensor:
        logit = mean.clamp(NEARLY_BLACK, 1 - NEARLY_BLACK).logit()
        return logit / 2 if self.signed else logit

    def distortion(self, raw: Tensor, x: Tensor) -> Tensor:
        error = (self.mean(raw) - x).square().flatten(1).sum(1)
        return 4 * error if self.signed else error


class CrossEntropy(torch.autograd.Function):
    """Binary cross-entropy of logits, summed over each image.

    The gradient is sigmoid(raw) - x: one pass where autograd would make five.
    """

    @staticmethod
    def forward(ctx: Any, raw: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(raw, x)
        return (nn.functional.softplus(raw) - raw * x).flatten(1).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        raw, x = ctx.saved_tensors
        shape = (-1,) + (1,) * (raw.ndim - 1)
        return raw.sigmoid().sub_(x).mul_(grad.view(shape)), None
