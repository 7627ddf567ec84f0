"""An exact density that can be sampled: noise that invertible layers bend into the shape of codes.

Dinh et al. 2017 for the couplings, https://arxiv.org/abs/1605.08803 ; Durkan et al. 2019 for the spline
of each axis, https://arxiv.org/abs/1906.04032 .
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LIMIT = 2.0  # of a coupling's log-scale, either way
REACH = 5.0  # where the splines end, in spreads of the whitened codes
BINS = 12  # of a spline
LEAST = 1e-2  # of a bin's share of the side, and of a slope
FLAT = math.log(math.expm1(1 - LEAST))  # of which softplus makes a slope of 1


class Coupling(nn.Module):
    """Half of the axes, scaled and moved by what a small net says of the other half."""

    one: Tensor
    two: Tensor

    def __init__(self, dim: int, number: int, width: int) -> None:
        super().__init__()
        # Halves by one binary digit of the axis after the other: any two axes are parted by some.
        digit = number // 2 % (dim - 1).bit_length()
        side = (torch.arange(dim) >> digit & 1) ^ (number & 1)
        one, two = (torch.nonzero(side == which)[:, 0] for which in (0, 1))
        self.register_buffer("one", one, persistent=False)
        self.register_buffer("two", two, persistent=False)
        self.net = nn.Sequential(
            nn.Linear(len(one), width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2 * len(two)),
        )
        last = self.net[-1]
        for weights in last.parameters():
            nn.init.zeros_(weights)  # it begins as doing nothing

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Towards noise, and the logarithm of how much room that makes."""
        scale, move = self._told(x)
        return self._with(x, x[:, self.two] * scale.exp() + move), scale.sum(1)

    def inverse(self, x: Tensor) -> Tensor:
        """Towards codes."""
        scale, move = self._told(x)
        return self._with(x, (x[:, self.two] - move) * (-scale).exp())

    def _told(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scale, move = self.net(x[:, self.one]).chunk(2, dim=1)
        return LIMIT * torch.tanh(scale / LIMIT), move

    def _with(self, x: Tensor, second: Tensor) -> Tensor:
        return x.index_copy(1, self.two, second)


class Spline(nn.Module):
    """Each axis bent by itself: a rising curve of rational pieces, the identity beyond its reach."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.widths = nn.Parameter(torch.zeros(dim, BINS))
        self.heights = nn.Parameter(torch.zeros(dim, BINS))
        self.slopes = nn.Parameter(torch.full((dim, BINS - 1), FLAT))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Towards noise, and the logarithm of how much room that makes."""
        left, low, width, height, before, after = self._pieces(x, inverse=False)
        part, slope = (x.clamp(-REACH, REACH) - left) / width, height / width
        rest = part * (1 - part)
        under = slope + (before + after - 2 * slope) * rest
        bent = low + height * (slope * part.square() + before * rest) / under
        rise = slope.square() * (after * part.square() + 2 * slope * rest + before * (1 - part).square())
        inside = x.abs() < REACH
        room = torch.where(inside, rise.log() - 2 * under.log(), 0).sum(1)
        return torch.where(inside, bent, x), room

    def inverse(self, y: Tensor) -> Tensor:
        """Towards codes: the root of a parabola in each piece."""
        left, low, width, height, before, after = self._pieces(y, inverse=True)
        above, slope = y.clamp(-REACH, REACH) - low, height / width
        turn = above * (before + after - 2 * slope)
        a, b, c = height * (slope - before) + turn, height * before - turn, -slope * above
        part = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return torch.where(y.abs() < REACH, left + part * width, y)

    def _pieces(self, x: Tensor, *, inverse: bool) -> tuple[Tensor, ...]:
        """Of the piece that each value lies in: left, low, width, height, slope before and after."""
        across, up = _marks(self.widths), _marks(self.heights)
        slopes = F.pad(LEAST + F.softplus(self.slopes), (1, 1), value=1.0)
        inner = (up if inverse else across)[:, 1:-1].contiguous()
        piece = torch.searchsorted(inner, x.detach().T.contiguous())
        parts = (across[:, :-1], up[:, :-1], across.diff(), up.diff(), slopes[:, :-1], slopes[:, 1:])
        return tuple(part.gather(1, piece).T for part in parts)


class Flow(nn.Module):
    """Whitened codes, a spline for each axis, and couplings: all of it goes both ways.

    It begins as the normal distribution with the mean and the covariance that it was told.
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, dim: int, *, width: int, couplings: int) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("factor", torch.eye(dim))  # lower triangular; covariance = F F'
        self.spline = Spline(dim)
        many = couplings if dim > 1 else 0  # one axis has no other half
        self.couplings = nn.ModuleList(Coupling(dim, number, width) for number in range(many))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The noise of these codes, and the logarithm of how much room getting there made."""
        x = torch.linalg.solve_triangular(self.factor, (z - self.mean).T, upper=False).T
        x, room = self.spline(x)
        room = room - self.factor.diagonal().log().sum()
        for coupling in self.couplings:
            x, more = coupling(x)
            room = room + more
        return x, room

    def inverse(self, noise: Tensor) -> Tensor:
        """The codes that this noise stands for."""
        x = noise
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            x = coupling.inverse(x)
        return self.mean + self.spline.inverse(x) @ self.factor.T

    def log_density(self, z: Tensor) -> Tensor:
        """In nats."""
        noise, room = self(z)
        return room - 0.5 * (noise.square().sum(1) + self.dim * math.log(2 * math.pi))


def _marks(raw: Tensor) -> Tensor:
    """Where the pieces of each axis begin and end."""
    share = LEAST + (1 - LEAST * BINS) * raw.softmax(1)
    marks = F.pad(share.cumsum(1), (1, 0))
    return REACH * (2 * marks / marks[:, -1:] - 1)
