"""Layers of latents of shape (layers, width): directions that move some layers and leave the others."""

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
    """The columns of flat latents that belong to some layers."""

    columns: Rows
    dim: int  # of the whole latent

    def select(self, latents: Latents) -> Latents:
        """These columns of the latents."""
        return latents if len(self.columns) == self.dim else latents[:, self.columns]

    def embed(self, direction: LinearDirection, latents: Latents) -> LinearDirection:
        """The direction in the full space: zero outside these columns, with its std over the latents."""
        vector = np.zeros(self.dim, np.float32)
        vector[self.columns] = direction.vector
        return replace(direction, vector=vector, std=std_along(vector, latents))


def layer_subset(space: Space, layers: LayerRange) -> LayerSubset:
    """The columns of these layers, or of all if `layers` is "".

    The edits of GANSpace and SeFa apply to a few layers each: early layers control pose, late ones colors.
    """
    columns = np.arange(space.dim)
    if layers == "":
        return LayerSubset(columns, space.dim)
    if len(space.shape) != 2:
        shape = ",".join(map(str, space.shape))
        raise NotSupported(
            f"The latents of this model have the shape ({shape}). Only latents of shape (layers, width) have "
            "layers. Leave layers out."
        )
    first, last = _parse(layers)
    if not 0 <= first <= last < space.shape[0]:
        raise BadRecipe(
            f"There are no layers {layers}: this model has {space.shape[0]}, from 0 to {space.shape[0] - 1}. "
            "Write for example layers=0-6 or layers=3."
        )
    width = space.shape[1]
    return LayerSubset(columns[first * width : (last + 1) * width], space.dim)


def _parse(layers: LayerRange) -> tuple[int, int]:
    """The first and the last layer of a range."""
    if isinstance(layers, tuple):
        return layers
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", str(layers))
    if match is None:
        raise BadRecipe(f"layers={layers} names no layers: write layers=0-6 or layers=3.")
    return int(match[1]), int(match[2] or match[1])
