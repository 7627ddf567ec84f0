"""Layers of latents of shape (layers, width): directions that move some layers and leave the others."""

import re
from dataclasses import dataclass, replace

import numpy as np

from zatlas.core.arrays import Latents, Rows
from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.core.space import Space
from zatlas.directions.estimate import std_along
from zatlas.directions.types import LinearDirection

LayerRange = str | int | tuple[int, int]  # "" for all, "coarse", "0-6", 3 or (0, 6): first and last
COARSE, MEDIUM = 4, 8  # layers up to 8 and up to 32 pixels, of a StyleGAN with more than `MEDIUM` layers


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
    first, last = _parse(layers, space.shape[0])
    if not 0 <= first <= last < space.shape[0]:
        raise BadRecipe(
            f"There are no layers {layers}: this model has {space.shape[0]}, from 0 to {space.shape[0] - 1}. "
            "Write for example layers=0-6, layers=3 or layers=coarse."
        )
    width = space.shape[1]
    return LayerSubset(columns[first * width : (last + 1) * width], space.dim)


def named_ranges(count: int) -> dict[str, tuple[int, int]]:
    """The first and the last of the coarse, medium and fine layers, of this number of layers.

    Coarse layers set pose and shape, medium ones parts and their details, fine ones colors:
    Karras et al. 2019, https://arxiv.org/abs/1812.04948
    """
    starts = (0, COARSE, MEDIUM) if count > MEDIUM else (0, -(-count // 3), -(-2 * count // 3))
    ends = (*starts[1:], count)
    parts = zip(("coarse", "medium", "fine"), starts, ends, strict=True)
    return {name: (start, end - 1) for name, start, end in parts if start < end}


def mix_layers(
    destinations: Latents, sources: Latents, space: Space, layers: LayerRange, amount: float = 1.0
) -> Latents:
    """The destinations (n, dim) with these layers of the sources (n, dim), or moved towards them in part."""
    columns = layer_subset(space, layers).columns
    mixed = destinations.copy()
    before, after = destinations[:, columns], sources[:, columns]
    mixed[:, columns] = after if amount == 1 else before + np.float32(amount) * (after - before)
    return mixed


def in_layers(direction: LinearDirection, step: Latents, space: Space, layers: LayerRange) -> LinearDirection:
    """The direction whose step of one std (dim,) in a space with layers is this one, in these layers only."""
    columns = layer_subset(space, layers).columns
    moved = np.zeros(space.dim, np.float32)
    moved[columns] = step[columns]
    length = float(np.linalg.norm(moved))
    if length < 1e-9:
        raise BadRecipe(f"{direction.name!r} does not move the layers {layers}. Choose other layers.")
    return replace(
        direction,
        name=f"{direction.name} ({layers})",
        vector=moved / np.float32(length),
        std=length,
        score=None,
        facts={**direction.facts, "layers": str(layers)},
        description=direction.description or direction.name,
    )


def _parse(layers: LayerRange, count: int) -> tuple[int, int]:
    """The first and the last layer of a range."""
    if isinstance(layers, tuple):
        return layers
    if layers in (ranges := named_ranges(count)):
        return ranges[str(layers)]
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", str(layers))
    if match is None:
        raise BadRecipe(f"layers={layers} names no layers: write layers=0-6, layers=3 or layers=coarse.")
    return int(match[1]), int(match[2] or match[1])
