"""Samples of a generator as a set of images, for a model whose real images have no points or are unknown."""

import numpy as np

from zatlas.core.arrays import Labels, Latents, Pixels, Rows
from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.models.generator import Generator

MAX_NUMBERS, MIN_SAMPLES, MAX_SAMPLES = 1 << 24, 500, 5000  # of very long points fewer, but so many at least
TEST_SHARE = 5  # the first of so many parts is held out


class DecodedImages:
    """Pixels that are decoded when they are asked for; taken by rows, as from an array of bytes."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, generator: Generator, latents: Latents, labels: Labels | None) -> None:
        self.generator, self.latents, self.labels = generator, latents, labels
        first = None if labels is None else labels[:1]
        self.shape = (len(latents), *generator.decode(latents[:1], first).shape[1:])

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, rows: Rows | slice) -> Pixels:
        told = None if self.labels is None else self.labels[rows]
        images = self.generator.decode(self.latents[rows], told)
        return np.rint(255 * images.clip(0, 1)).astype(np.uint8)


def samples(generator: Generator) -> Latents:
    """Points of the prior that stand for the codes of images; always the same."""
    many = int(np.clip(MAX_NUMBERS // generator.space.dim, MIN_SAMPLES, MAX_SAMPLES))
    return generator.space.sample(many, seed=0)


def sample_dataset(generator: Generator, latents: Latents, model: str) -> ImageDataset:
    """These samples as images; of a conditional model, each of its classes in turn."""
    labels = np.arange(len(latents)) % len(generator.classes) if generator.classes else None
    pixels: Pixels = DecodedImages(generator, latents, labels)  # type: ignore[assignment]
    split = np.zeros(len(latents), np.uint8)
    split[: len(latents) // TEST_SHARE] = 2
    return image_dataset(
        "samples",
        pixels,
        labels=labels,
        classes=generator.classes,
        split=split,
        fingerprint=f"samples of {model}",
    )
