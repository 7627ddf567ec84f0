"""What every dataset must do."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zatlas.core.registry import DATASETS
from zatlas.data.image_dataset import ImageDataset
from zatlas.data.sources import load

SIDE = 16  # pixels of resized images
MAX_COMPARED = 100  # images


def check_dataset(name: str, **options: Any) -> None:
    """Run every check of a registered dataset; `options` are those of the source, as a small `count`.

    Raises
    ------
    AssertionError
        With the rule that the dataset breaks.
    """
    for check in DATASET_CHECKS:
        check(name, options)


def describes_itself(name: str, options: Mapping[str, Any]) -> None:
    """The list of datasets has a summary and a licence, and knows whether the images are here."""
    source = DATASETS.get(name)
    assert source.summary.strip() and source.licence.strip(), "A dataset needs a summary and a licence."
    assert isinstance(source.is_available(), bool), "is_available must return True or False."


def has_images_of_one_shape(name: str, options: Mapping[str, Any]) -> None:
    """Images are uint8 (n, 1 or 3, h, w); each split has row numbers of its own, and train has images."""
    images = _images(name, options)
    shape = images.pixels.shape
    assert images.pixels.dtype == np.uint8 and len(shape) == 4 and shape[1] in (1, 3), (
        f"Pixels must be uint8 (n, 1 or 3, h, w); these are {images.pixels.dtype} {shape}."
    )
    assert len(images.rows("train")), "There is no image in the split train."
    assert len(images.split) == len(images), "The split needs one number for each image."


def labels_name_classes(name: str, options: Mapping[str, Any]) -> None:
    """Labels are numbers of classes; labels and attributes have one value for each image."""
    images = _images(name, options)
    if images.labels is not None:
        numbers = set(np.unique(images.labels).tolist())
        assert numbers <= set(range(len(images.classes))), "A label is not the number of a class."
    columns = {"labels": images.labels, **images.attributes}
    wrong = [key for key, column in columns.items() if column is not None and len(column) != len(images)]
    assert not wrong, f"{', '.join(wrong)} needs one value for each image."


def resizes(name: str, options: Mapping[str, Any]) -> None:
    """With a size, images have this side."""
    images = _images(name, {**options, "size": SIDE})
    assert images.shape[1:] == (SIDE, SIDE), f"With size={SIDE} images are {images.shape[1:]}."


def loads_the_same_again(name: str, options: Mapping[str, Any]) -> None:
    """Two loads give the same images and the same fingerprint, without numpy's global generator."""
    first = _images(name, options)
    np.random.random()  # noqa: NPY002
    second = _images(name, options)
    assert first.fingerprint == second.fingerprint, "The second load has another fingerprint."
    rows = np.arange(min(len(first), MAX_COMPARED))
    assert np.array_equal(first.read_pixels(rows), second.read_pixels(rows)), "The second load differs."


def _images(name: str, options: Mapping[str, Any]) -> ImageDataset:
    return load(name, **options)


DATASET_CHECKS: tuple[Callable[[str, Mapping[str, Any]], None], ...] = (
    describes_itself,
    has_images_of_one_shape,
    labels_name_classes,
    resizes,
    loads_the_same_again,
)
