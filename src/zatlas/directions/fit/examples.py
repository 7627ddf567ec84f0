"""Directions from one group of example latents to another."""

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
    """The direction from the mean of `minus`, by default of all latents, to the mean of `plus`.

    Its facts hold the size of both groups and the distance of their means in standard deviations.
    Radford, Metz and Chintala 2016, https://arxiv.org/abs/1511.06434
    """
    rest = latents if minus is None else minus
    for group in (plus, rest):
        if group.ndim != 2 or group.shape[1] != generator.space.dim:
            raise ShapeError(
                f"Examples are latents of this model, with the shape (n, {generator.space.dim}); "
                f"these have the shape {group.shape}."
            )
        if not len(group):
            raise BadData("A group of examples is empty: name one image at least.")
    result = example_direction(plus, rest, names[0] if names else "examples", latents)
    distance = float(np.abs(result.vector @ (plus.mean(axis=0) - rest.mean(axis=0)))) / result.std
    return [replace(result, facts={"examples": [len(plus), len(rest)], "distance": distance})]
