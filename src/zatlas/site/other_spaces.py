"""The other latent spaces of a run's model, to which its page can switch."""

from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.space import MappedSpace, Space
from zatlas.directions.layers import named_ranges
from zatlas.models.generator import INPUT
from zatlas.site.schema import LayerEntry, SpaceEntry
from zatlas.workspace import Workspace

EMBEDDING = "embedding"  # of the classes of a BigGAN: its layers are the latent and the class


def space_entries(workspace: Workspace, id: str) -> list[SpaceEntry]:
    """The latent spaces of a model, with the URLs of their entries; empty if there is only one."""
    model = workspace.model or workspace.generator
    if not model.spaces:
        return []
    dims = {INPUT: model.space.dim} | {name: inner.space.dim for name, inner in model.spaces.items()}
    return [
        {
            "name": name,
            "dim": dim,
            "entry": None if name == workspace.space else f"data/{id}-{number}/entry.json",
        }
        for number, (name, dim) in enumerate(dims.items())
    ]


def layer_entries(workspace: Workspace) -> list[LayerEntry]:
    """The layers of a latent that are mixed together; empty if latents have no layers."""
    space = workspace.generator.space
    if not isinstance(space, MappedSpace) or len(space.shape) != 2:
        return []
    count, width = space.shape
    ranges = {"latent": (0, 0), "class": (1, 1)} if workspace.space == EMBEDDING else named_ranges(count)
    return [
        {"name": name, "first": first, "last": last, "columns": (first * width, (last + 1) * width)}
        for name, (first, last) in ranges.items()
    ]


def class_latents(workspace: Workspace) -> Latents | None:
    """The vector of each class (classes, width) in a space of class embeddings; None in other spaces."""
    space = workspace.generator.space
    if not isinstance(space, MappedSpace) or workspace.space != EMBEDDING:
        return None
    count = len(space.classes)
    mapped = space.map(np.zeros((count, space.source.dim), np.float32), np.arange(count))
    return mapped.reshape(count, *space.shape)[:, 1]


def center_of(workspace: Workspace) -> Latents | None:
    """The mean (1, dim) that truncation moves latents towards; None for a space that has none."""
    space: Space = workspace.generator.space
    while isinstance(space, MappedSpace):
        if space.mean is not None:
            assert isinstance(workspace.generator.space, MappedSpace)
            return workspace.generator.space.center()
        space = space.source
    return None


def coarse_side(workspace: Workspace) -> int | None:
    """The side in pixels of the images of a model's coarse decoder; None if it has none."""
    generator = workspace.generator
    if generator.coarse is None:
        return None
    quick = replace(generator, decoder=generator.coarse)
    z = np.zeros((1, generator.space.dim), np.float32)
    return int(quick.decode(z, generator.class_numbers(1)).shape[-1])


def largest_dim(workspace: Workspace) -> int:
    """The number of dimensions of the largest latent space of a model."""
    return (workspace.model or workspace.generator).largest_dim
