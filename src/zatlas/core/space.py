"""The latent space: the shape of a latent, and the prior distribution."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from zatlas.core.arrays import Labels, Latents
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream

Prior = Literal["normal", "sphere", "none"]
CENTER_SAMPLES = 1024  # samples whose mean is the center of a mapped space


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
    prior: Prior | Literal["mapped"] = "normal"

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


@dataclass(frozen=True)
class MappedSpace(Space):
    """A latent space inside a model, to which it maps another one: the w of a StyleGAN.

    Its samples are mapped samples, so sample 7 decodes to the same image in both spaces.

    Parameters
    ----------
    source : Space
        The space that is mapped.
    map : function
        Takes latents (n, source.dim) and class numbers (n,) or None; returns latents (n, dim).
    classes : tuple of str
        The classes of a conditional model, which have samples of their own.
    mean : array (1, dim)
        The center of all samples, if the model stores it.
    """

    prior: Literal["mapped"] = "mapped"
    source: Space = field(kw_only=True)
    map: Callable[[Latents, Labels | None], Latents] = field(kw_only=True, repr=False, compare=False)
    classes: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    mean: Latents | None = field(default=None, kw_only=True, repr=False, compare=False)

    def sample(self, n: int, *, seed: int, temperature: float = 1.0, label: int | None = None) -> Latents:
        """Map samples of the source; those of a conditional model belong to its classes in turn.

        Parameters
        ----------
        n : int
            Number of latents.
        seed : int
            Random seed.
        temperature : float
            Factor on the distance from the center: the truncation psi of a StyleGAN.
        label : int
            One class for all samples. Their center is then that of the class.

        Returns
        -------
        array (n, dim)
        """
        if isinstance(self.source, MappedSpace):
            result = self.map(self.source.sample(n, seed=seed, label=label), None)
        else:
            labels = np.arange(n) % len(self.classes) if label is None and self.classes else None
            labels = np.full(n, label) if label is not None else labels
            result = self.map(self.source.sample(n, seed=seed), labels)
        if temperature == 1:
            return result
        center = self.center(label)
        return center + np.float32(temperature) * (result - center)

    def center(self, label: int | None = None) -> Latents:
        """Return the center (1, dim) of all samples, or of those of one class."""
        if self.mean is not None and label is None:
            return self.mean
        if isinstance(self.source, MappedSpace):
            return self.map(self.source.center(label), None)
        samples = self.sample(CENTER_SAMPLES, seed=0, label=label)
        return samples.mean(axis=0, keepdims=True)


def no_class(space: Space) -> NotSupported:
    """Return the error for a class that is given where latents of this space decode without one."""
    if isinstance(space, MappedSpace) and space.classes:
        return NotSupported(
            "In this latent space the class is part of the latent, so images decode without a label. Omit it "
            "(--label; in Python: label=), and name samples of a class, such as class:2."
        )
    return NotSupported(
        "This model is not conditional, so it takes no class. Omit the label (--label; in Python: label=)."
    )
