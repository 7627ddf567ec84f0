"""Arithmetic of latents: means of groups, and sums of these means.

Samples of a normal prior in many dimensions lie close to a sphere, the shell. The mean of k of them has
only 1 / sqrt(k) of their norm, and decodes to a vague average. So the mean of a few latents is shown at
their norm, and so is the result of an equation. White 2016, https://arxiv.org/abs/1609.04468
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Images, Latents
from zatlas.core.space import Space
from zatlas.latent.curves import has_shell

MAX_ON_SHELL = 24  # latents whose mean is moved to the shell; the mean of more is meant as an average
TINY = 1e-6  # share of the norm below which a sum has no direction


@dataclass(frozen=True)
class Group:
    """A term of an equation: latents whose mean is added or subtracted."""

    sign: int  # 1 or -1
    name: str
    latents: Latents
    images: Images | None = None
    is_step: bool = False  # the step of a direction, which is not near the data


def mean_latent(latents: Latents, space: Space) -> Latents:
    """Return the mean (1, d) of a group; the mean of a few latents with a shell has their mean norm."""
    mean = latents.mean(axis=0, dtype=np.float64)
    return _row(_with_norm(mean, _mean_norm(latents)) if _keeps_norm(latents, space) else mean)


def plain_sum(groups: Sequence[Group]) -> Latents:
    """Return the sum (1, d) of the signed means of the groups."""
    return _row(_sum(groups))


def combine(groups: Sequence[Group], space: Space) -> Latents:
    """Return the result (1, d) of an equation: `plain_sum`, moved to the shell if a group has few latents.

    Its norm is then the mean norm of the latents. The plain means are added, so that the difference of two
    groups does not depend on how many latents they have.
    """
    total = _sum(groups)
    located = [group.latents for group in groups if not group.is_step]
    if any(_keeps_norm(latents, space) for latents in located):
        total = _with_norm(total, float(np.mean([_mean_norm(latents) for latents in located])))
    return _row(total)


def _sum(groups: Sequence[Group]) -> np.ndarray:
    means = [group.sign * group.latents.mean(axis=0, dtype=np.float64) for group in groups]
    return np.sum(means, axis=0)


def _keeps_norm(latents: Latents, space: Space) -> bool:
    return has_shell(space) and len(latents) <= MAX_ON_SHELL


def _mean_norm(latents: Latents) -> float:
    return float(np.linalg.norm(latents.astype(np.float64), axis=1).mean())


def _with_norm(vector: np.ndarray, norm: float) -> np.ndarray:
    own = float(np.linalg.norm(vector))
    return vector if own <= TINY * norm else vector * (norm / own)


def _row(vector: np.ndarray) -> Latents:
    row: Latents = vector[None].astype(np.float32)
    return row
