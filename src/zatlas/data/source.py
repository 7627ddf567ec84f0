"""Datasets that are known by name: description, licence and function to load them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Rows
from zatlas.core.errors import BadRecipe
from zatlas.core.seeds import stream
from zatlas.data.image_dataset import ImageDataset


def always_available() -> bool:
    """Return True, for datasets that are shipped or synthetic."""
    return True


@dataclass(frozen=True)
class DataSource:
    """A dataset known by name.

    `load(*, size: int | None, **options)` returns it, with images centre-cropped and resized to size x size
    if a size is given. The other keyword arguments are the options of the source.
    """

    summary: str
    load: Callable[..., ImageDataset]
    images: str = ""  # number of images, as text
    size: str = ""
    licence: str = "unknown"
    is_available: Callable[[], bool] = always_available
    synthetic: bool = False  # rendered by zatlas from the options, so never private
    # Columns, or "label", that completely determine each image.
    factors: tuple[str, ...] = ()


def check_count(count: int | None) -> None:
    """Raise `BadRecipe` unless count is positive or None."""
    if count is not None and count < 1:
        raise BadRecipe(f"count must be a positive number of images, not {count!r}.")


def random_order(total: int, seed: int) -> Rows:
    """Return the numbers below `total` in the random order in which a `count` takes images.

    A smaller count takes a part of what a larger count takes.
    """
    return stream(seed, "subset").permutation(total)


def random_rows(total: int, count: int | None, seed: int) -> Rows:
    """Return `count` sorted random rows of `total`; all rows if there are no more, or without a count."""
    if count is None or count >= total:
        return np.arange(total)
    return np.sort(random_order(total, seed)[:count])
