"""A tenth of Fashion-MNIST, shipped with the package under its MIT licence.

Xiao, Rasul and Vollgraf 2017, https://arxiv.org/abs/1708.07747
`examples/make_fashion_mini.py` selects the images.
"""

from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.data.mnist import FASHION_CLASSES
from zatlas.data.npz import resize_pixels
from zatlas.data.source import DataSource

TRAIN, TEST = 500, 100  # of each class
SIDE = 28


def load(*, size: int | None = None) -> ImageDataset:
    """Return 5,000 training and 1,000 test images, equally many of each class."""
    path = Path(str(resources.files("zatlas.data") / "shipped" / "fashion_mini.png"))
    with Image.open(path) as page:
        pixels = cut_tiles(np.asarray(page))
    # A row of the page has 100 images; the classes follow each other, 600 images each.
    count = TRAIN + TEST
    labels = np.repeat(np.arange(len(FASHION_CLASSES)), count)
    split = np.tile(np.repeat(np.array([0, 2], np.uint8), [TRAIN, TEST]), len(FASHION_CLASSES))
    if size is not None:
        pixels = resize_pixels(pixels, size)
    return image_dataset("fashion-mini", pixels, labels=labels, classes=FASHION_CLASSES, split=split)


def cut_tiles(page: np.ndarray) -> np.ndarray:
    """Return the images of a page of SIDE x SIDE tiles, row by row."""
    down, across = page.shape[0] // SIDE, page.shape[1] // SIDE
    tiles = page.reshape(down, SIDE, across, SIDE).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiles.reshape(-1, 1, SIDE, SIDE))


SOURCE = DataSource(
    summary="clothes of ten kinds, a tenth of Fashion-MNIST",
    images="5,000 + 1,000",
    size="28x28 grey",
    licence="MIT, Zalando SE",
    load=load,
)
