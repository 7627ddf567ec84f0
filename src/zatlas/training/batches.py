"""Batches of images as float tensors on the device.

The order is a pure function of seed and epoch, so a checkpoint stores only the number of the batch.
"""

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Rows
from zatlas.core.seeds import stream
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.noise import BatchPart, part_of

MEMORY_SHARE = 0.25  # largest part of the free device memory that the images may take
MEAN_IMAGES = 8192  # largest number of images in a mean


class Batches:
    """The batches that one of several processes reads; `rank` and `world` are in `share`."""

    def __init__(
        self,
        images: ImageDataset,
        rows: Rows,
        size: int,
        device: torch.device,
        share: tuple[int, int] = (0, 1),
        *,
        labelled: bool = True,
    ) -> None:
        self.images, self.size, self.device = images, size, device
        self.rows = rows.astype(np.int32) if len(images) < 2**31 else rows
        self.rank, self.world = share
        self.pixels = _on_device(torch.from_numpy(images.pixels), device)
        self.reader = images.reader if self.pixels.device.type == "cpu" else None
        labels = images.labels if labelled else None
        self.labels = None if labels is None else torch.from_numpy(labels)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def order(self, seed: int, epoch: int) -> Rows:
        """Return the rows in the order of this epoch."""
        return stream(seed, "order", epoch).permutation(self.rows)

    def flips(self, seed: int, epoch: int) -> Tensor:
        """Return one flag for each image of the dataset: whether this epoch mirrors it."""
        return torch.from_numpy(stream(seed, "flip", epoch).random(len(self.images)) < 0.5)

    def batch(self, order: Rows, index: int) -> Rows:
        """Return the rows of one batch, over all processes."""
        return order[index * self.size : (index + 1) * self.size]

    def part(self, index: int) -> BatchPart:
        """Return which part of this batch belongs to this process."""
        remaining = len(self.rows) - index * self.size
        return part_of(min(self.size, remaining), self.rank, self.world)

    def own_rows(self, order: Rows, index: int) -> Rows:
        """Return the rows of one batch that belong to this process."""
        return self.batch(order, index)[self.part(index).rows]

    def select(self, rows: Rows, flips: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return images as floats in [0, 1] on the device, and their labels (None for no labels)."""
        index = torch.from_numpy(rows.astype(np.int64))
        if self.reader is not None:
            bytes_ = torch.from_numpy(self.reader.read(rows))
        else:
            bytes_ = self.pixels.index_select(0, index.to(self.pixels.device))
        x = bytes_.to(self.device, non_blocking=True).to(torch.float32).div_(255)
        if flips is not None:
            mirrored = flips.index_select(0, index).to(self.device)[:, None, None, None]
            x = torch.where(mirrored, x.flip(3), x)
        y = None if self.labels is None else self.labels.index_select(0, index).to(self.device)
        return x, y

    def mean(self) -> Tensor:
        """Return the mean image, over at most `MEAN_IMAGES` images."""
        rows = self.rows[:: max(len(self.rows) // MEAN_IMAGES, 1)][:MEAN_IMAGES]
        sums = [self.select(rows[i : i + 512])[0].sum(0) for i in range(0, len(rows), 512)]
        return torch.stack(sums).sum(0) / len(rows)


def _on_device(pixels: Tensor, device: torch.device) -> Tensor:
    """Copy the pixels to a GPU if they take at most `MEMORY_SHARE` of its free memory."""
    if device.type != "cuda":
        return pixels
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.to(device) if pixels.nbytes < MEMORY_SHARE * free else pixels
