"""A dataset: grey images of a ring with a random radius."""

import numpy as np

from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.data.source import DataSource


def load(*, size: int | None = None, count: int = 1000, seed: int = 0) -> ImageDataset:
    """Return `count` rings. Their radius is an attribute, and whether they are large is the label."""
    side = size or 16
    radius = np.random.default_rng(seed).uniform(0.3, 0.9, count)
    line = np.linspace(-1, 1, side)
    distance = np.hypot(line[:, None], line)
    images = np.exp(-(((distance - radius[:, None, None]) / 0.15) ** 2))
    pixels = (255 * images[:, None]).astype(np.uint8)  # (count, 1, side, side)
    split = np.where(np.arange(count) % 5 == 4, 2, 0).astype(np.uint8)  # 0 is train, 2 is test
    return image_dataset(
        "rings",
        pixels,
        labels=(radius > 0.6).astype(int),
        classes=("small", "large"),
        attributes={"radius": radius},
        split=split,
    )


SOURCE = DataSource(summary="rings of any radius", load=load, licence="MIT", synthetic=True)
