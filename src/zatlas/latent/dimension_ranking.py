"""Latent dimensions ranked by how much the image changes with each."""

import numpy as np

from zatlas.core.arrays import Labels, Latents, Rows, Values
from zatlas.core.progress import late_bar
from zatlas.core.seeds import stream
from zatlas.models.decoding_time import affordable
from zatlas.models.generator import Generator

MAX_IMAGES, MIN_IMAGES = 2048, 64  # decoded for the ranking
MAX_DIMENSIONS = 512  # dimensions that are ranked: those with the largest std


def images_to_rank(generator: Generator, latents: Latents, labels: Labels | None, rows: int) -> int:
    """Return how many images `rank_dimensions` decodes for this number of rows."""
    number, count = _sizes(generator, latents, labels, rows)
    return 2 * number * count


def _sizes(generator: Generator, latents: Latents, labels: Labels | None, rows: int) -> tuple[int, int]:
    """Return how many dimensions are ranked, and how many latents are moved along each."""
    images = affordable(MAX_IMAGES, MIN_IMAGES, generator, latents, labels)
    number = min(generator.space.dim, MAX_DIMENSIONS, images // 4)
    return number, int(np.clip(images // (2 * number), 2, min(64, max(rows, 2))))


def rank_dimensions(
    generator: Generator, latents: Latents, labels: Labels | None = None, *, seed: int = 0
) -> tuple[Rows, Values]:
    """Return the dimensions, the one that changes the image most first, and the change of each.

    The change is the root mean squared difference of the pixels between one std below and one std above
    a latent of the data.
    """
    std = latents.std(axis=0)
    number, count = _sizes(generator, latents, labels, len(latents))
    dimensions = np.argsort(-std)[:number]
    rows = stream(seed, "axes").choice(len(latents), count, replace=len(latents) < count)
    repeated = None if labels is None else np.repeat(labels[rows], 2)
    changes = np.empty(len(dimensions), np.float32)
    with late_bar("ranking dimensions", len(dimensions), "dimensions") as advance:
        for index, dimension in enumerate(dimensions):
            ends = np.repeat(latents[rows], 2, axis=0)
            ends[0::2, dimension] -= std[dimension]
            ends[1::2, dimension] += std[dimension]
            decoded = generator.decode(ends, repeated)
            changes[index] = np.sqrt(((decoded[1::2] - decoded[0::2]) ** 2).mean())
            advance(1)
    order = np.argsort(-changes, kind="stable")
    return dimensions[order], changes[order]
