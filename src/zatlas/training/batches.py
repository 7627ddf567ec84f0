"""Batches: bytes gathered by whole batches and made floats on the device, in an order that is a
pure function of seed and epoch, so that only the number of the batch need ever be saved.
"""

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Rows
from zatlas.core.seeds import stream
from zatlas.data.imageset import ImageSet
from zatlas.models.noise import Part, part_of

SHARE = 0.25  # of the device's free memory that the images may take
ENOUGH = 8192  # images to take a mean of


class Batches:
    """The images of some rows, dealt out to one of several processes."""

    def __init__(
        self,
        images: ImageSet,
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
        self.pixels = _near(torch.from_numpy(images.pixels), device)
        self.reader = images.reader if self.pixels.device.type == "cpu" else None
        told = images.labels if labelled else None
        self.labels = None if told is None else torch.from_numpy(told)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def order(self, seed: int, epoch: int) -> Rows:
        """The rows in the order of this epoch."""
        return stream(seed, "order", epoch).permutation(self.rows)

    def flips(self, seed: int, epoch: int) -> Tensor:
        """Which images of the whole set are mirrored in this epoch."""
        return torch.from_numpy(stream(seed, "flip", epoch).random(len(self.images)) < 0.5)

    def whole(self, order: Rows, index: int) -> Rows:
        """The rows of one batch, over all processes."""
        return order[index * self.size : (index + 1) * self.size]

    def part(self, index: int) -> Part:
        """Which of them are this process's."""
        left = len(self.rows) - index * self.size
        return part_of(min(self.size, left), self.rank, self.world)

    def chosen(self, order: Rows, index: int) -> Rows:
        """The rows of one batch that are this process's part of it."""
        return self.whole(order, index)[self.part(index).rows]

    def take(self, rows: Rows, flips: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """These images as floats in [0, 1] on the device, and their labels, if they are wanted."""
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
        """The mean of the images, or of enough of them."""
        some = self.rows[:: max(len(self.rows) // ENOUGH, 1)][:ENOUGH]
        parts = [self.take(some[i : i + 512])[0].sum(0) for i in range(0, len(some), 512)]
        return torch.stack(parts).sum(0) / len(some)


def _near(pixels: Tensor, device: torch.device) -> Tensor:
    """On the device where they fit well, else where they are."""
    if device.type != "cuda":
        return pixels
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.to(device) if pixels.nbytes < SHARE * free else pixels
