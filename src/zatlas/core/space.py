"""A latent space: what one point looks like, and how points are distributed."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zatlas.core.arrays import Points
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream

Prior = Literal["normal", "sphere", "none"]


@dataclass(frozen=True)
class Space:
    """The space a generator decodes from.

    Every algorithm sees points as rows of a flat (n, dim) array; `shape` is what the
    net itself takes, and only the generator reshapes.
    """

    shape: tuple[int, ...]
    prior: Prior = "normal"

    @property
    def dim(self) -> int:
        """Coordinates of one flat point."""
        return math.prod(self.shape)

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Points:
        """Draw n points from the prior; temperature scales their spread."""
        if self.prior == "none":
            raise NotSupported(
                "This space has no prior to sample: an auto-encoder's points follow its data. "
                "Encode a dataset and sample among its points instead."
            )
        z = stream(seed, "prior").standard_normal((n, self.dim), dtype=np.float32)
        if self.prior == "sphere":
            return z / np.linalg.norm(z, axis=1, keepdims=True)
        return z * np.float32(temperature)
