"""Handwritten digits of 43 people at 8x8, from scikit-learn.

Alpaydin and Kaynak 1998, https://doi.org/10.24432/C50P49
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from zatlas.core.errors import NotFound
from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.data.npz import resize_pixels
from zatlas.data.source import DataSource


def load(*, size: int | None = None) -> ImageDataset:
    """Return 1,797 digits; every fifth of each class is in the test split."""
    table = np.loadtxt(_digits_file(), delimiter=",", dtype=np.uint8)
    labels = table[:, -1]
    # Grey levels from 0 to 16.
    pixels = np.rint(table[:, :-1].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    if size is not None:
        pixels = resize_pixels(pixels, size)
    split = np.zeros(len(pixels), np.uint8)
    for kind in range(10):
        split[np.flatnonzero(labels == kind)[4::5]] = 2
    return image_dataset("digits", pixels, labels=labels, classes=tuple("0123456789"), split=split)


def _digits_file() -> Path:
    """Return the file inside scikit-learn, without the slow import of the package."""
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("digits comes with scikit-learn: pip install scikit-learn")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"


SOURCE = DataSource(
    summary="real handwritten digits, small",
    images="1,797",
    size="8x8 grey",
    licence="CC BY 4.0",
    load=load,
    is_available=lambda: find_spec("sklearn") is not None,
)
