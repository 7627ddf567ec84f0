"""Synthetic datasets: any number of images of any size, with their true factors."""

from collections.abc import Callable

import numpy as np

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadRecipe
from zatlas.core.progress import bar
from zatlas.data import faces, sprites
from zatlas.data.faces.face_factors import RANGES as FACE_RANGES
from zatlas.data.image_dataset import Column, ImageDataset, Split
from zatlas.data.pixel_cache import CachedTable, cached
from zatlas.data.source import DataSource

MAX_IMAGES = 1_000_000
BLOCK = 4096  # images that are drawn at a time
# Names of the boolean factors of faces in the table of attributes.
FACE_ATTRIBUTES = ("Male", "Bald", "Bangs", "No_Beard", "Eyeglasses", "Wearing_Earrings")
DRAWING = 1  # increase it if a drawing changes, so that cached images are not used

Factors = dict[str, np.ndarray]


def load_faces(
    *,
    size: int | None = None,
    count: int = 20_000,
    seed: int = 0,
    correlated: bool = False,
    turned: bool = True,
) -> ImageDataset:
    """Return portraits, 64x64 by default; `correlated` factors depend on each other as in real faces.

    With `turned=False` all faces look straight ahead, which is easier to model.
    """
    _check_request(count, size or 64)
    key: dict[str, object] = {"count": count, "size": size or 64, "seed": seed, "correlated": correlated}
    if not turned:
        key["turned"] = False

    def factors() -> Factors:
        result = faces.factors(count, seed=seed, correlated=correlated)
        if not turned:
            for name in ("pose_x", "pose_y"):
                result[name][:] = 0
        return result

    return _draw("faces", key, factors, lambda rows: faces.draw(rows, size or 64), faces.attributes)


def load_sprites(*, size: int | None = None, count: int = 20_000, seed: int = 0) -> ImageDataset:
    """Return white shapes on black, 32x32 by default."""
    _check_request(count, size or 32)
    return _draw(
        "sprites",
        {"count": count, "size": size or 32, "seed": seed},
        lambda: sprites.factors(count, seed=seed),
        lambda rows: sprites.draw(rows, size or 32),
        sprites.attributes,
        label="shape",
    )


def _draw(
    name: str,
    key: dict[str, object],
    make_factors: Callable[[], Factors],
    draw: Callable[[Factors], Pixels],
    attributes: Callable[[Factors], dict[str, Column]],
    label: str | None = None,
) -> ImageDataset:
    def build(write: Callable[[Pixels], None]) -> CachedTable:
        factors = make_factors()
        count = len(next(iter(factors.values())))
        with bar(f"drawing {name}", count) as advance:
            for start in range(0, count, BLOCK):
                block = {key: column[start : start + BLOCK] for key, column in factors.items()}
                pixels = draw(block)
                write(pixels)
                advance(len(pixels))
        columns = attributes(factors)
        labels = columns.pop(label) if label else None
        return CachedTable(labels=labels, attributes=columns, split=_split(count))

    return cached(name, {"drawing": DRAWING, **key}, build)


def _split(count: int) -> Split:
    """Return a split with every tenth image in the test part; all images are random."""
    split = np.zeros(count, np.uint8)
    split[9::10] = 2
    return split


def _check_request(count: int, size: int) -> None:
    if not 1 <= count <= MAX_IMAGES:
        raise BadRecipe(f"count must be from 1 to {MAX_IMAGES:,}, not {count:,}.")
    if not 8 <= size <= 1024:
        raise BadRecipe(f"The size of synthetic images must be from 8 to 1024 pixels, not {size}.")


FACES = DataSource(
    summary="synthetic portraits with known factors and the attribute names of CelebA",
    images="any number (20,000)",
    size="any size, colour (64x64)",
    licence="MIT, drawn by zatlas",
    load=load_faces,
    synthetic=True,
    factors=(*FACE_RANGES, *FACE_ATTRIBUTES, "hair_colour"),
)
SPRITES = DataSource(
    summary="a square, ellipse or heart of known position, scale and rotation",
    images="any number (20,000)",
    size="any size, grey (32x32)",
    licence="MIT, drawn by zatlas",
    load=load_sprites,
    synthetic=True,
    factors=("label", *sprites.RANGES),
)
