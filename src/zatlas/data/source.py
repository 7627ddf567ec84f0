"""Sources of images: what each is called, where it comes from, and how it is opened."""

from collections.abc import Callable
from dataclasses import dataclass

from zatlas.core.errors import BadRecipe
from zatlas.data.image_dataset import ImageDataset


def always_available() -> bool:
    """For what is shipped or drawn: it is on every machine."""
    return True


@dataclass(frozen=True)
class DataSource:
    """A dataset known by name.

    `load(*, size: int | None, **options)` gives the set, its images resized and centre-cropped to
    size x size where a size is asked for; its further keyword arguments are the source's options.
    """

    summary: str
    images: str  # how many, in words
    size: str
    licence: str
    load: Callable[..., ImageDataset]
    is_available: Callable[[], bool] = always_available
    synthetic: bool = False  # by zatlas itself, from its options alone: never private
    # Columns, and perhaps "label", from which alone each image was drawn: nothing else makes it differ.
    factors: tuple[str, ...] = ()


def check_count(count: int | None) -> None:
    """Refuse to take no images, or fewer."""
    if count is not None and count < 1:
        raise BadRecipe(f"count is how many images to take, from 1 on, not {count!r}.")
