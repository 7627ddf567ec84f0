"""Samples of a generator as a set of images, for a model whose real images have no points or are unknown."""

import numpy as np

from zatlas.core.arrays import Labels, Pixels, Points, Rows
from zatlas.data.imageset import ImageSet, image_set
from zatlas.models.generator import Generator

NUMBERS, FEWEST, MOST = 1 << 24, 500, 5000  # of very long points fewer, but so many at least
TESTED = 5  # the first of so many parts is held out


class Decoded:
    """Pixels that are decoded when they are asked for; taken by rows, as from an array of bytes."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, generator: Generator, points: Points, labels: Labels | None) -> None:
        self.generator, self.points, self.labels = generator, points, labels
        first = None if labels is None else labels[:1]
        self.shape = (len(points), *generator.decode(points[:1], first).shape[1:])

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Rows | slice) -> Pixels:
        told = None if self.labels is None else self.labels[rows]
        images = self.generator.decode(self.points[rows], told)
        return np.rint(255 * images.clip(0, 1)).astype(np.uint8)


def samples(generator: Generator) -> Points:
    """Points of the prior that stand for the codes of images; always the same."""
    many = int(np.clip(NUMBERS // generator.space.dim, FEWEST, MOST))
    return generator.space.sample(many, seed=0)


def sample_set(generator: Generator, points: Points, model: str) -> ImageSet:
    """These samples as images; of a conditional model, each of its classes in turn."""
    labels = np.arange(len(points)) % len(generator.classes) if generator.classes else None
    pixels: Pixels = Decoded(generator, points, labels)  # type: ignore[assignment]
    split = np.zeros(len(points), np.uint8)
    split[: len(points) // TESTED] = 2
    return image_set(
        "samples",
        pixels,
        labels=labels,
        classes=generator.classes,
        split=split,
        fingerprint=f"samples of {model}",
    )
