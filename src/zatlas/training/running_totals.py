"""Running sums of the loss terms, on the device, exact enough for a training that resumes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from zatlas.models.trainable import Terms

IMAGES_KEY = "images"  # key of the number of images in the sums


class RunningTotals:
    """Sums of terms over images. They stay on the device until the end of the epoch, so no step waits."""

    def __init__(self, totals: Mapping[str, float], device: torch.device) -> None:
        self.dtype = torch.float32 if device.type == "mps" else torch.float64
        self.names = [name for name in totals if name != IMAGES_KEY]
        self.images = int(totals.get(IMAGES_KEY, 0))
        values = [totals[name] for name in self.names]
        self.sums: Tensor = torch.tensor(values, dtype=self.dtype, device=device)

    def add(self, terms: Terms, images: int) -> None:
        """Add the means of one batch of this many images."""
        if not self.names:
            self.names = list(terms)
            self.sums = self.sums.new_zeros(len(terms))
        self.images += images
        self.sums += torch.stack(list(terms.values())).to(self.dtype) * images

    def totals(self) -> dict[str, float]:
        """Return the sums by name, and the number of images."""
        return {**dict(zip(self.names, self.sums.tolist(), strict=True)), IMAGES_KEY: self.images}


def means(totals: Mapping[str, float]) -> dict[str, float]:
    """Return the mean of each term over the images."""
    count = totals.get(IMAGES_KEY, 0)
    return {name: value / count for name, value in totals.items() if name != IMAGES_KEY}
