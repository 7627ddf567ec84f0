"""Datasets that are known by name: description, licence and function to load them."""

from collections.abc import Callable
from dataclasses import dataclass

from zatlas.core.errors import BadRecipe
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
    images: str  # number of images, as text
    size: str
    licence: str
    load: Callable[..., ImageDataset]
    is_available: Callable[[], bool] = always_available
    synthetic: bool = False  # rendered by zatlas from the options, so never private
    # Columns, or "label", that completely determine each image.
    factors: tuple[str, ...] = ()


def check_count(count: int | None) -> None:
    """Raise `BadRecipe` unless count is positive or None."""
    if count is not None and count < 1:
        raise BadRecipe(f"count must be a positive number of images, not {count!r}.")
