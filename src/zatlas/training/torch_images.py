"""Images of a dataset as a torch Dataset, for a DataLoader or another library."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zatlas.core.arrays import Rows
from zatlas.data.image_dataset import ImageDataset


class TorchImages(Dataset):
    """Items are images (c, h, w), float32 in [0, 1], or pairs (image, label) if there are labels."""

    def __init__(self, images: ImageDataset, rows: Rows) -> None:
        self.images, self.rows, self.classes = images, rows, images.classes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        row = self.rows[index]
        labels = self.images.labels
        image = torch.from_numpy(self.images.images(np.array([row]))[0])
        return image if labels is None else (image, int(labels[row]))
