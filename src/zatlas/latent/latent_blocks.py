"""Encode a dataset block by block, so that memory does not grow with the number of images."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zatlas.core.arrays import Labels, Latents, Rows
from zatlas.core.progress import bar
from zatlas.data.image_dataset import SPLITS, ImageDataset
from zatlas.models.generator import Generator
from zatlas.store.latent_table import LatentBlock, LatentTable

BLOCK = 2 << 20  # bytes of images at a time; more of them if that is less than `FEW` images
FEW, LARGE_BLOCK = 512, 8 << 20  # each block is a row group of the table, with data of its own
MAX_IMAGES = 1 << 15  # images at a time
LABEL = "label"


def latent_blocks(
    generator: Generator, images: ImageDataset, rows: Rows, latents: Latents | None = None
) -> Iterator[LatentBlock]:
    """Yield blocks of the latent table; the next images are read while these are encoded.

    If `latents` of the images are given, nothing is encoded.
    """
    if latents is not None:
        yield LatentBlock(LatentTable(rows, latents[rows]), columns(images, rows))
        return
    values = math.prod(images.shape)
    count = max(min(BLOCK // values, MAX_IMAGES), min(LARGE_BLOCK // values, FEW))
    size = max(count // generator.batch, 1) * generator.batch  # a multiple of the batch size
    blocks = [rows[i : i + size] for i in range(0, len(rows), size)]
    with ThreadPoolExecutor(1) as pool, bar("encoding", len(rows)) as advance:
        ahead = [pool.submit(images.read_pixels, part) for part in blocks[:1]]
        for number, part in enumerate(blocks):
            x = ahead.pop().result()
            ahead += [pool.submit(images.read_pixels, part) for part in blocks[number + 1 : number + 2]]
            result = generator.latents(x, labels_of(images, part) if generator.classes else None)
            yield LatentBlock(LatentTable(part, *result), columns(images, part))
            advance(len(part))


def labels_of(images: ImageDataset, rows: Rows) -> Labels | None:
    """Return the labels of these rows; None if there are none."""
    return None if images.labels is None else images.labels[rows]


def columns(images: ImageDataset, rows: Rows) -> dict[str, np.ndarray]:
    """Return split, label and attributes of these images, as columns of a table."""
    result = {"split": np.array(SPLITS)[images.split[rows]]}
    if images.labels is not None and images.classes:
        result[LABEL] = np.array(images.classes)[images.labels[rows]]
    reserved = {"index", "split", LABEL, "z", "std"}
    return result | {
        name if name not in reserved else f"{name}_": column[rows]
        for name, column in images.attributes.items()
    }
