"""A normalizing flow: an exact density of latents that can be sampled.

Affine couplings: Dinh et al. 2017, https://arxiv.org/abs/1605.08803
Rational-quadratic spline of each dimension: Durkan et al. 2019, https://arxiv.org/abs/1906.04032
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_LOG_SCALE = 2.0  # of a coupling, in both directions
TAIL_BOUND = 5.0  # the splines are the identity beyond it; in stds of the whitened latents
BINS = 12  # of a spline
MIN_SIZE = 1e-2  # of a bin, as a fraction of the range, and of a derivative
UNIT_DERIVATIVE = math.log(math.expm1(1 - MIN_SIZE))  # raw value of a derivative of 1


class Coupling(nn.Module):
    """Affine coupling: a small net of half of the dimensions scales and shifts the other half."""

    fixed: Tensor
    moved: Tensor

    def __init__(self, dim: int, index: int, width: int) -> None:
        super().__init__()
        # One binary digit of its number says which half a dimension is in. Over all digits, any two
        # dimensions are in different halves at least once.
        digit = index // 2 % (dim - 1).bit_length()
        side = (torch.arange(dim) >> digit & 1) ^ (index & 1)
        fixed, moved = (torch.nonzero(side == half)[:, 0] for half in (0, 1))
        self.register_buffer("fixed", fixed, persistent=False)
        self.register_buffer("moved", moved, persistent=False)
        self.net = nn.Sequential(
            nn.Linear(len(fixed), width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2 * len(moved)),
        )
        last = self.net[-1]
        for weights in last.parameters():
            nn.init.zeros_(weights)  # starts as the identity

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values mapped towards noise, and the log-determinant of the Jacobian (n,)."""
        log_scale, shift = self._scale_and_shift(x)
        return self._replace(x, x[:, self.moved] * log_scale.exp() + shift), log_scale.sum(1)

    def inverse(self, x: Tensor) -> Tensor:
        """Return the values mapped towards latents."""
        log_scale, shift = self._scale_and_shift(x)
        return self._replace(x, (x[:, self.moved] - shift) * (-log_scale).exp())

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.net(x[:, self.fixed]).chunk(2, dim=1)
        return MAX_LOG_SCALE * torch.tanh(log_scale / MAX_LOG_SCALE), shift

    def _replace(self, x: Tensor, half: Tensor) -> Tensor:
        return x.index_copy(1, self.moved, half)


class Spline(nn.Module):
    """A monotone rational-quadratic spline for each dimension; the identity beyond `TAIL_BOUND`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.widths = nn.Parameter(torch.zeros(dim, BINS))
        self.heights = nn.Parameter(torch.zeros(dim, BINS))
        self.derivatives = nn.Parameter(torch.full((dim, BINS - 1), UNIT_DERIVATIVE))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values mapped towards noise, and the log-determinant of the Jacobian (n,)."""
        left, low, width, height, start, end = self._bins(x, inverse=False)
        t, gradient = (x.clamp(-TAIL_BOUND, TAIL_BOUND) - left) / width, height / width
        product = t * (1 - t)
        denominator = gradient + (start + end - 2 * gradient) * product
        y = low + height * (gradient * t.square() + start * product) / denominator
        numerator = gradient.square() * (end * t.square() + 2 * gradient * product + start * (1 - t).square())
        inside = x.abs() < TAIL_BOUND
        log_det = torch.where(inside, numerator.log() - 2 * denominator.log(), 0).sum(1)
        return torch.where(inside, y, x), log_det

    def inverse(self, y: Tensor) -> Tensor:
        """Return the values mapped towards latents: the root of a parabola in each bin."""
        left, low, width, height, start, end = self._bins(y, inverse=True)
        offset, gradient = y.clamp(-TAIL_BOUND, TAIL_BOUND) - low, height / width
        curve = offset * (start + end - 2 * gradient)
        a, b, c = height * (gradient - start) + curve, height * start - curve, -gradient * offset
        t = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return torch.where(y.abs() < TAIL_BOUND, left + t * width, y)

    def _bins(self, x: Tensor, *, inverse: bool) -> tuple[Tensor, ...]:
        """Return left, low, width, height and both end derivatives of the bin of each value."""
        xs, ys = _knots(self.widths), _knots(self.heights)
        derivatives = F.pad(MIN_SIZE + F.softplus(self.derivatives), (1, 1), value=1.0)
        inner = (ys if inverse else xs)[:, 1:-1].contiguous()
        index = torch.searchsorted(inner, x.detach().T.contiguous())
        table = (xs[:, :-1], ys[:, :-1], xs.diff(), ys.diff(), derivatives[:, :-1], derivatives[:, 1:])
        return tuple(column.gather(1, index).T for column in table)


class Flow(nn.Module):
    """Whitening, a spline for each dimension, and couplings; all of them are invertible.

    A new flow is the normal distribution with mean `mean` and covariance `factor @ factor.T`.
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, dim: int, *, width: int, couplings: int) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("factor", torch.eye(dim))  # lower triangular
        self.spline = Spline(dim)
        count = couplings if dim > 1 else 0  # one dimension cannot be halved
        self.couplings = nn.ModuleList(Coupling(dim, index, width) for index in range(count))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise of latents (n, dim), and the log-determinant of the Jacobian (n,)."""
        x = torch.linalg.solve_triangular(self.factor, (z - self.mean).T, upper=False).T
        x, log_det = self.spline(x)
        log_det = log_det - self.factor.diagonal().log().sum()
        for coupling in self.couplings:
            x, change = coupling(x)
            log_det = log_det + change
        return x, log_det

    def inverse(self, noise: Tensor) -> Tensor:
        """Return the latents of noise (n, dim)."""
        x = noise
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            x = coupling.inverse(x)
        return self.mean + self.spline.inverse(x) @ self.factor.T

    def log_density(self, z: Tensor) -> Tensor:
        """Return log p(z) of latents (n, dim), in nats."""
        noise, log_det = self(z)
        return log_det - 0.5 * (noise.square().sum(1) + self.dim * math.log(2 * math.pi))


def _knots(raw: Tensor) -> Tensor:
    """Return the bin edges of each dimension, from -TAIL_BOUND to TAIL_BOUND."""
    sizes = MIN_SIZE + (1 - MIN_SIZE * BINS) * raw.softmax(1)
    knots = F.pad(sizes.cumsum(1), (1, 0))
    return TAIL_BOUND * (2 * knots / knots[:, -1:] - 1)
