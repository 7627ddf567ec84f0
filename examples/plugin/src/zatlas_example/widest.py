"""A layout: the two dimensions with the largest variance."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Widest:
    """The two widest dimensions. Fields are settings: `--set scale=2`."""

    scale: float = 1.0

    def __call__(self, latents: np.ndarray, labels: np.ndarray | None, seed: int) -> np.ndarray:
        """Return positions (n, 2) of centered latents (n, d); `labels` (n,) if the chart is supervised."""
        padded = np.pad(latents, ((0, 0), (0, 1)))  # at least two dimensions
        widest = np.argsort(-padded.astype(np.float64).var(axis=0), kind="stable")[:2]
        return self.scale * padded[:, np.sort(widest)]
