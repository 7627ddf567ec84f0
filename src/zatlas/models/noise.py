"""Random numbers for a batch that do not depend on how many processes share it."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchPart:
    """The rows of the global batch that this process handles."""

    rows: slice
    total: int  # rows of the global batch
    images: float  # weight of this process in the mean, in images


def part_of(batch: int, rank: int = 0, world: int = 1) -> BatchPart:
    """Return every `world`-th row from `rank`; if there are too few, all rows with less weight."""
    if batch < world:
        return BatchPart(slice(None), batch, batch / world)
    return BatchPart(slice(rank, None, world), batch, len(range(rank, batch, world)))


class SharedNoise(torch.Generator):
    """A random generator with the same state in all processes; each process takes its own rows."""

    part: BatchPart | None = None


Draw = Callable[[SharedNoise], Tensor]  # draws random numbers of one shape


class NoiseRecord(SharedNoise):
    """A generator that records what it is asked for, so that the same can be drawn again."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.draws: list[Draw] = []


class DrawnNoise:
    """Random numbers that were drawn before, in the place of a generator."""

    def __init__(self, samples: Iterable[Tensor]) -> None:
        self.samples = [*samples]


def normal(shape: Sequence[int], like: Tensor, rng: torch.Generator | None, axis: int = 0) -> Tensor:
    """Return standard normal numbers; `axis` counts the rows, `like` gives device and dtype."""
    return _sample(torch.randn, shape, like, rng, axis)


def uniform(shape: Sequence[int], like: Tensor, rng: torch.Generator | None, axis: int = 0) -> Tensor:
    """Return uniform numbers in [0, 1), as `normal` does."""
    return _sample(torch.rand, shape, like, rng, axis)


def first_rows(share: float, count: int, rng: torch.Generator | None) -> tuple[int, float]:
    """Return how many of the `count` rows of this process are in the first `share` of the global batch.

    The sum of any values over these rows, times the second number, is a summand of their global mean.
    """
    part = rng.part if isinstance(rng, SharedNoise) else None
    total, rows = (part.total, range(part.total)[part.rows]) if part else (count, range(count))
    if len(rows) != count:  # a model that uses fewer rows takes its share of them
        total, rows = count, range(count)
    first = math.ceil(share * total)
    return sum(row < first for row in rows), total / (first * count)


def _sample(
    draw: Callable[..., Tensor],
    shape: Sequence[int],
    like: Tensor,
    rng: torch.Generator | DrawnNoise | None,
    axis: int,
) -> Tensor:
    if isinstance(rng, DrawnNoise):
        return rng.samples.pop(0)
    if isinstance(rng, NoiseRecord):
        rng.draws.append(partial(_sample, draw, (*shape,), torch.empty_like(like[:0]), axis=axis))
    sizes = list(shape)
    part = rng.part if isinstance(rng, SharedNoise) else None
    if part:
        sizes[axis] = part.total
    sample = draw(sizes, generator=rng, device=like.device, dtype=like.dtype)
    return sample[(slice(None),) * axis + (part.rows,)] if part else sample
