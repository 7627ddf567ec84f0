"""The losses of the latest step, copied from the device without a wait for the steps after it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class LatestLosses:
    """Losses of one step. On a GPU they are copied while it computes the next step."""

    def __init__(self, device: torch.device) -> None:
        self.event: Any = torch.cuda.Event() if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self.values: Tensor | None = None

    def put(self, losses: Sequence[Tensor]) -> None:
        """Replace the losses by those of the step that was just started."""
        stacked = torch.stack([loss.float() for loss in losses])
        if self.event is None:
            self.values = stacked
            return
        if self.values is None:
            self.values = torch.empty(len(losses), pin_memory=True)
        self.values.copy_(stacked, non_blocking=True)
        self.event.record()

    def is_finite(self) -> bool:
        """Wait for that step, and return whether all its losses are finite; true before the first step."""
        if self.values is None:
            return True
        if self.event is not None:
            self.event.synchronize()
        return bool(torch.isfinite(self.values).all())
