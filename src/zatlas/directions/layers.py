"""A part of a point that has layers, (layers, width): ways that move some of its rows and leave the rest."""

import re
from dataclasses import dataclass, replace

import numpy as np

from zatlas.core.arrays import Latents, Rows
from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.core.space import Space
from zatlas.directions.estimate import std_along
from zatlas.directions.types import LinearDirection

LayerRange = str | int | tuple[int, int]  # "" for all, "0-6", 3 or (0, 6): the first and the last


@dataclass(frozen=True)
class LayerSubset:
    """Some coordinates of a point."""

    columns: Rows
    dim: int

    def select(self, latents: Latents) -> Latents:
        """These coordinates alone."""
        return latents if len(self.columns) == self.dim else latents[:, self.columns]

    def embed(self, direction: LinearDirection, latents: Latents) -> LinearDirection:
        """A direction of this part as one of whole points, which is zero elsewhere."""
        vector = np.zeros(self.dim, np.float32)
        vector[self.columns] = direction.vector
        return replace(direction, vector=vector, std=std_along(vector, latents))


def layer_subset(space: Space, layers: LayerRange) -> LayerSubset:
    """The coordinates of these layers, or of all.

    The edits of GANSpace and SeFa apply to a few layers each: early ones hold the pose, late ones colours.
    """
    every = np.arange(space.dim)
    if layers == "":
        return LayerSubset(every, space.dim)
    if len(space.shape) != 2:
        words = ",".join(map(str, space.shape))
        raise NotSupported(
            f"Points of this model are {words}, and only points of (layers, width) have layers. Leave layers "
            "out."
        )
    first, last = _ends(layers)
    if not 0 <= first <= last < space.shape[0]:
        raise BadRecipe(
            f"There are no layers {layers}: this model has {space.shape[0]}, from 0 to {space.shape[0] - 1}. "
            "Name some as layers=0-6 or layers=3."
        )
    width = space.shape[1]
    return LayerSubset(every[first * width : (last + 1) * width], space.dim)


def _ends(layers: LayerRange) -> tuple[int, int]:
    """The first and the last of them."""
    if isinstance(layers, tuple):
        return layers
    result = re.fullmatch(r"(\d+)(?:-(\d+))?", str(layers))
    if result is None:
        raise BadRecipe(f"layers={layers} names no layers: write layers=0-6 or layers=3.")
    return int(result[1]), int(result[2] or result[1])
