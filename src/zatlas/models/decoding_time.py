"""How long a decoder takes for an image, so that long work can say beforehand how long it takes."""

from collections.abc import Callable
from time import perf_counter

from zatlas.core.arrays import Images, Labels, Latents
from zatlas.core.progress import announce
from zatlas.models.generator import Generator

TIMED_IMAGES = 8
MAX_FIRST_SECONDS = 1.0  # a decoder that takes longer for its first image is timed on one more
BUDGET_SECONDS = 60.0  # that a task without an option for its number of images may decode
PASSES = 4  # that a gradient step takes for each image: two forward, and one backward that counts twice

Measure = Callable[[Images], object]


def announce_decoding(
    task: str,
    images: float,
    generator: Generator,
    latents: Latents,
    *,
    labels: Labels | None = None,
    measure: Measure | None = None,
    advice: str = "--samples N (in Python: samples=) takes fewer images.",
) -> None:
    """Print how long a task takes that decodes this number of images, if that is long.

    The decoder is timed on a few of the latents, with `measure`, which the task does with each image.
    """
    announce(task, images * seconds_per_image(generator, latents, labels, measure), advice)


def affordable(
    limit: int, least: int, generator: Generator, latents: Latents, labels: Labels | None = None
) -> int:
    """Return how many images decode within `BUDGET_SECONDS`: `limit`, a half, a quarter ... or `least`."""
    seconds, count = seconds_per_image(generator, latents, labels), limit
    while count > least and count * seconds > BUDGET_SECONDS:
        count = max(count // 2, least)
    return count


def seconds_per_image(
    generator: Generator, latents: Latents, labels: Labels | None = None, measure: Measure | None = None
) -> float:
    """Return the seconds to decode one image and to `measure` it, from one small batch.

    The first image is not counted, because a decoder prepares itself for it. A slow decoder is timed on a
    second image only.
    """
    first = _seconds(generator, latents[:1], labels, measure)
    count = 1 if first > MAX_FIRST_SECONDS else TIMED_IMAGES
    return _seconds(generator, latents[:count], labels, measure)


def _seconds(generator: Generator, z: Latents, labels: Labels | None, measure: Measure | None) -> float:
    start = perf_counter()
    images = generator.decode(z, None if labels is None else labels[: len(z)])
    if measure is not None:
        measure(images)
    return (perf_counter() - start) / len(z)
