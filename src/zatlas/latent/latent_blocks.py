"""Images to points, block by block: memory stays flat whatever the number of images."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Labels, Latents, Rows
from zatlas.core.progress import bar
from zatlas.data.image_dataset import SPLITS, ImageDataset
from zatlas.models.generator import Generator
from zatlas.store.latent_table import LatentBlock, LatentTable

BLOCK = 8 << 20  # bytes of images at a time
LONGEST = 1 << 15  # images at a time
LABEL = "label"


def latent_blocks(
    generator: Generator, images: ImageDataset, rows: Rows, latents: Latents | None = None
) -> Iterator[LatentBlock]:
    """The rows of the table of codes; the next images are read while these are encoded.

    Where the points of the images are known, they need no encoding.
    """
    if latents is not None:
        yield LatentBlock(LatentTable(rows, latents[rows]), columns(images, rows))
        return
    generator = accepts_bytes(generator)
    batches = int(np.clip(BLOCK // np.prod(images.shape), 1, LONGEST)) // generator.batch
    size = max(batches, 1) * generator.batch  # only whole batches: none of them small
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    with ThreadPoolExecutor(1) as pool, bar("encoding", len(rows)) as advance:
        ahead = [pool.submit(images.read_pixels, part) for part in parts[:1]]
        for number, part in enumerate(parts):
            x = ahead.pop().result()
            ahead += [pool.submit(images.read_pixels, part) for part in parts[number + 1 : number + 2]]
            result = generator.latents(x, labels_of(images, part))
            yield LatentBlock(LatentTable(part, *result), columns(images, part))
            advance(len(part))


def accepts_bytes(generator: Generator) -> Generator:
    """The generator for images as bytes: what a batch of them needs as floats fits the cache."""
    encoder = generator.encoder
    if encoder is None:
        return generator

    def encode(x: Tensor, y: Tensor | None) -> Tensor | tuple[Tensor, Tensor]:
        return encoder(x.to(torch.float32).div_(255), y)

    return replace(generator, encoder=encode)


def labels_of(images: ImageDataset, rows: Rows) -> Labels | None:
    """The labels of these rows, where there are any."""
    return None if images.labels is None else images.labels[rows]


def columns(images: ImageDataset, rows: Rows) -> dict[str, np.ndarray]:
    """What is known of these images besides their pixels, as a person would write it."""
    result = {"split": np.array(SPLITS)[images.split[rows]]}
    if images.labels is not None and images.classes:
        result[LABEL] = np.array(images.classes)[images.labels[rows]]
    taken = {"index", "split", LABEL, "z", "std"}
    return result | {
        name if name not in taken else f"{name}_": column[rows] for name, column in images.attributes.items()
    }
