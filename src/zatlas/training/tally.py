"""Running sums of the terms of a loss, on the device and exact enough to stop and go on."""

from collections.abc import Mapping

import torch
from torch import Tensor

from zatlas.models.trainable import Terms

IMAGES = "images"  # how many the sums are over


class Tally:
    """Sums of terms over images; looked at once an epoch, so that no step waits for the device."""

    def __init__(self, totals: Mapping[str, float], device: torch.device) -> None:
        self.kind = torch.float32 if device.type == "mps" else torch.float64
        self.names = [name for name in totals if name != IMAGES]
        self.images = int(totals.get(IMAGES, 0))
        values = [totals[name] for name in self.names]
        self.sums: Tensor = torch.tensor(values, dtype=self.kind, device=device)

    def add(self, terms: Terms, images: int) -> None:
        """Count the means of one batch."""
        if not self.names:
            self.names = list(terms)
            self.sums = self.sums.new_zeros(len(terms))
        self.images += images
        self.sums += torch.stack(list(terms.values())).to(self.kind) * images

    def totals(self) -> dict[str, float]:
        """The sums by name, and the number of images."""
        return {**dict(zip(self.names, self.sums.tolist(), strict=True)), IMAGES: self.images}


def means(totals: Mapping[str, float]) -> dict[str, float]:
    """The mean of each term over the images."""
    count = totals.get(IMAGES, 0)
    return {name: value / count for name, value in totals.items() if name != IMAGES}
