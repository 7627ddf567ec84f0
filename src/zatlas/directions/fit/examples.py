"""Steering by examples: from one group of points, picked by hand or by a lasso, to another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.errors import BadData, ShapeError
from zatlas.directions.estimate import example_direction
from zatlas.directions.types import Direction
from zatlas.models.generator import Generator


def fit(
    generator: Generator,
    latents: Latents,
    *,
    plus: Latents,
    minus: Latents | None = None,
    names: Sequence[str] = (),
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """From the mean of some points to that of others, or from that of all: what they have more of.

    Radford, Metz and Chintala 2016, https://arxiv.org/abs/1511.06434
    """
    lacking = latents if minus is None else minus
    for group in (plus, lacking):
        if group.ndim != 2 or group.shape[1] != generator.space.dim:
            raise ShapeError(
                f"Examples are rows of {generator.space.dim} coordinates, as this model's points; "
                f"these have the shape {group.shape}."
            )
        if not len(group):
            raise BadData("A group of examples is empty; pick at least one point.")
    result = example_direction(plus, lacking, names[0] if names else "examples", latents)
    gap = np.abs(result.vector @ (plus.mean(axis=0) - lacking.mean(axis=0)))
    facts = {"examples": [len(plus), len(lacking)], "apart": float(gap) / result.std}
    return [replace(result, facts=facts)]
