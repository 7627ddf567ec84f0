"""The latent space: the shape of a latent, and the prior distribution."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream

Prior = Literal["normal", "sphere", "none"]


@dataclass(frozen=True)
class Space:
    """The latent space of a generator.

    All algorithms use latents as rows (n, dim). `shape` is the latent shape of the net; only the
    generator reshapes.

    Examples
    --------
    >>> zatlas.Space((4, 8, 8)).dim
    256
    """

    shape: tuple[int, ...]
    prior: Prior = "normal"

    @property
    def dim(self) -> int:
        """The number of latent dimensions.

        >>> zatlas.Space((100,)).dim
        100
        """
        return math.prod(self.shape)

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Latents:
        """Sample latents from the prior.

        Parameters
        ----------
        n : int
            Number of latents.
        seed : int
            Random seed.
        temperature : float
            Factor on the samples of a normal prior.

        Returns
        -------
        array (n, dim)

        Raises
        ------
        NotSupported
            The space has no prior.

        Examples
        --------
        >>> zatlas.Space((2,)).sample(5, seed=0).shape
        (5, 2)
        """
        if self.prior == "none":
            raise NotSupported(
                "This latent space has no prior to sample from, since an auto-encoder has none. "
                "Encode a dataset, and sample from a density of its latents."
            )
        z = stream(seed, "prior").standard_normal((n, self.dim), dtype=np.float32)
        if self.prior == "sphere":
            return z / np.linalg.norm(z, axis=1, keepdims=True)
        return z * np.float32(temperature)
