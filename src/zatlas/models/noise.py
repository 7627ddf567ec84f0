"""Random numbers for the rows of a batch: an image gets the same, whichever of several processes has it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """Which rows of a whole batch are this process's."""

    rows: slice
    whole: int  # rows of the batch, over all processes
    images: float  # how many of them this process answers for


def part_of(whole: int, rank: int = 0, world: int = 1) -> Part:
    """Every `world`-th row; of fewer rows than processes, all rows to each, who answer for them together."""
    if whole < world:
        return Part(slice(None), whole, whole / world)
    return Part(slice(rank, None, world), whole, len(range(rank, whole, world)))


class Dealt(torch.Generator):
    """A generator that all processes hold in the same state: each takes its own rows of what is drawn."""

    part: Part | None = None


def normal(shape: Sequence[int], like: Tensor, rng: torch.Generator | None, axis: int = 0) -> Tensor:
    """Standard normal numbers for the rows that lie along this axis, of the kind that `like` is of."""
    return _drawn(torch.randn, shape, like, rng, axis)


def uniform(shape: Sequence[int], like: Tensor, rng: torch.Generator | None, axis: int = 0) -> Tensor:
    """Numbers from [0, 1), else as `normal`."""
    return _drawn(torch.rand, shape, like, rng, axis)


def _drawn(
    draw: Callable[..., Tensor], shape: Sequence[int], like: Tensor, rng: torch.Generator | None, axis: int
) -> Tensor:
    whole = list(shape)
    part = rng.part if isinstance(rng, Dealt) else None
    if part:
        whole[axis] = part.whole
    drawn = draw(whole, generator=rng, device=like.device, dtype=like.dtype)
    return drawn[(slice(None),) * axis + (part.rows,)] if part else drawn
