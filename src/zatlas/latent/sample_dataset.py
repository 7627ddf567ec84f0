"""Samples of a generator as a dataset, for a model without encoder or without its dataset."""

import numpy as np

from zatlas.core.arrays import Labels, Latents, Pixels, Rows
from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.models.generator import Generator

MAX_NUMBERS = 1 << 24  # in all latents together
MIN_SAMPLES, MAX_SAMPLES = 500, 5000
TEST_PARTS = 5  # the first of 5 equal parts is the test split


class DecodedImages:
    """An array of pixels that decodes its rows when they are read."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, generator: Generator, latents: Latents, labels: Labels | None) -> None:
        self.generator, self.latents, self.labels = generator, latents, labels
        first = None if labels is None else labels[:1]
        self.shape = (len(latents), *generator.decode(latents[:1], first).shape[1:])

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, rows: Rows | slice) -> Pixels:
        labels = None if self.labels is None else self.labels[rows]
        images = self.generator.decode(self.latents[rows], labels)
        return np.rint(255 * images.clip(0, 1)).astype(np.uint8)


def samples(generator: Generator, dim: int, cloud: Latents | None = None) -> Latents:
    """Sample the prior, always the same, in place of encoded images; or return the first of `cloud`.

    The number of samples depends on `dim`, the largest dimension of the model's latent spaces, so that all
    of them have the same samples.
    """
    count = int(np.clip(MAX_NUMBERS // dim, MIN_SAMPLES, MAX_SAMPLES))
    return generator.space.sample(count, seed=0) if cloud is None else cloud[:count]


def sample_dataset(generator: Generator, latents: Latents, model: str) -> ImageDataset:
    """Return these samples as a dataset; a conditional model decodes its classes in turn."""
    labels = np.arange(len(latents)) % len(generator.classes) if generator.classes else None
    pixels: Pixels = DecodedImages(generator, latents, labels)  # type: ignore[assignment]
    split = np.zeros(len(latents), np.uint8)
    split[: len(latents) // TEST_PARTS] = 2
    return image_dataset(
        "samples",
        pixels,
        labels=labels,
        classes=generator.classes,
        split=split,
        fingerprint=f"samples of {model}",
    )
