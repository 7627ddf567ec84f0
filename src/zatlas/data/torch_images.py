"""Images of a dataset as a torch Dataset, for a DataLoader or another library."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zatlas.core.arrays import Labels, Pixels, Rows


class TorchImages(Dataset):
    """Items are images (c, h, w), float32 in [0, 1], or pairs (image, label) if there are labels."""

    def __init__(
        self, read: Callable[[Rows], Pixels], rows: Rows, labels: Labels | None, classes: tuple[str, ...]
    ) -> None:
        self.read, self.rows, self.labels, self.classes = read, rows, labels, classes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        row = self.rows[index]
        image = torch.from_numpy(self.read(np.array([row]))[0]).to(torch.float32).div_(255)
        return image if self.labels is None else (image, int(self.labels[row]))
