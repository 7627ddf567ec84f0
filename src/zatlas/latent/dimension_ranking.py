"""Which axes matter: how much the picture changes when one of them moves."""

import numpy as np

from zatlas.core.arrays import Labels, Latents, Rows, Values
from zatlas.core.seeds import stream
from zatlas.models.generator import Generator

MAX_IMAGES = 2048  # images decoded to rank the axes
MAX_DIMENSIONS = 512  # axes that are compared; of more, those that vary most


def rank_dimensions(
    generator: Generator, latents: Latents, labels: Labels | None = None, *, seed: int = 0
) -> tuple[Rows, Values]:
    """Axes from the one that changes the image most, and the change of each.

    The change is the root mean square of the pixels' difference between one standard deviation of
    the codes below and one above, over codes of the data.
    """
    std = latents.std(axis=0)
    axes = np.argsort(-std)[:MAX_DIMENSIONS]
    count = int(np.clip(MAX_IMAGES // (2 * len(axes)), 2, min(64, max(len(latents), 2))))
    rows = stream(seed, "axes").choice(len(latents), count, replace=len(latents) < count)
    told = None if labels is None else np.repeat(labels[rows], 2)
    changes = np.empty(len(axes), np.float32)
    for index, axis in enumerate(axes):
        ends = np.repeat(latents[rows], 2, axis=0)
        ends[0::2, axis] -= std[axis]
        ends[1::2, axis] += std[axis]
        images = generator.decode(ends, told)
        changes[index] = np.sqrt(((images[1::2] - images[0::2]) ** 2).mean())
    order = np.argsort(-changes, kind="stable")
    return axes[order], changes[order]
