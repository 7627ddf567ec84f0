"""Images from points: any decoder, in batches, on its device, numpy in and numpy out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Images, Labels, Points
from zatlas.core.errors import NotSupported, ShapeError, UnknownName
from zatlas.core.space import Space
from zatlas.models.trainable import Encoder

Decoder = Callable[[Tensor, Tensor | None], Tensor]  # points, labels -> images in [0, 1]

FIRST = 16  # points that are decoded to see how large an image is
ENOUGH = 8 << 20  # bytes of images in a batch


@dataclass(frozen=True)
class OneClass:
    """A conditional decoder or encoder that gets the same label for every row."""

    function: Decoder | Encoder
    label: int

    def __call__(self, x: Tensor, y: Tensor | None) -> Any:
        return self.function(x, torch.full((len(x),), self.label, device=x.device))


@dataclass(frozen=True)
class Generator:
    """A decoder, perhaps with its encoder, and the space between them.

    This is all the rest of the library knows of a model. Trained here or brought from
    elsewhere, two functions and a `Space` make one.
    """

    space: Space
    decoder: Decoder
    encoder: Encoder | None = None  # points, or their means and standard deviations
    classes: tuple[str, ...] = ()  # of a conditional model
    device: str = "cpu"
    batch: int = 256

    def for_class(self, label: int | str | None = None) -> "Generator":
        """Return an unconditional generator of one class, by its number or name (default: the first).

        An unconditional generator returns itself.
        """
        if not self.classes:
            return self
        number = self.classes.index(label) if label in self.classes else label or 0
        if not isinstance(number, int | np.integer) or not 0 <= number < len(self.classes):
            raise UnknownName("class", str(label), self.classes)
        encoder = None if self.encoder is None else OneClass(self.encoder, int(number))
        return replace(self, decoder=OneClass(self.decoder, int(number)), encoder=encoder, classes=())

    def decode(self, z: Points, y: Labels | None = None) -> Images:
        """The images of these points, in order."""
        return np.concatenate(list(self.stream(z, y)))

    def stream(self, z: Points, y: Labels | None = None) -> Iterator[Images]:
        """Decode batch by batch, for when all the images at once would not fit."""
        if z.ndim != 2 or z.shape[1] != self.space.dim:
            raise ShapeError(
                f"These points have {z.shape[-1]} coordinates; this generator's space has "
                f"{self.space.dim}. Were they encoded by another model?"
            )
        self._check_labels(z, y)
        rows, done, size = z.reshape(-1, *self.space.shape), 0, min(FIRST, self.batch)
        while done < max(len(z), 1):
            part = slice(done, done + size)
            (images,) = self._call(self.decoder, rows[part], None if y is None else y[part])
            yield images
            done += size
            # Large images go by few at a time: they are then still in the processor's cache.
            size = int(np.clip(ENOUGH // max(images[:1].nbytes, 1), 1, self.batch))

    def encode(self, x: Images, y: Labels | None = None) -> Points:
        """The points of these images, in order; of a posterior, the mean."""
        return self.codes(x, y)[0]

    def posterior(self, x: Images, y: Labels | None = None) -> tuple[Points, Points] | None:
        """Mean and standard deviation of each image's points; None for an encoder without spread."""
        mean, deviation = self.codes(x, y)
        return None if deviation is None else (mean, deviation)

    def codes(self, x: Images, y: Labels | None = None) -> tuple[Points, Points | None]:
        """Each image's point and, from an encoder that knows it, how far it may be off."""
        if self.encoder is None:
            raise NotSupported(
                "This generator has no encoder, so images have no known points. Sample its prior, or teach "
                "it one: zatlas invert RUN --learn"
            )
        self._check_labels(x, y)
        parts = [self._call(self.encoder, *pair) for pair in self._batches(x, y)]
        found = [np.concatenate(part).reshape(len(x), -1) for part in zip(*parts, strict=True)]
        return found[0], found[1] if len(found) == 2 else None

    def _check_labels(self, rows: np.ndarray, y: Labels | None) -> None:
        if y is not None and len(y) != len(rows):
            raise ShapeError(f"{len(rows)} rows came with {len(y)} labels; give one label a row.")
        if self.classes and y is not None and len(y) and not 0 <= y.min() <= y.max() < len(self.classes):
            raise ShapeError(f"Labels go from 0 to {len(self.classes) - 1} in this model.")

    def _batches(self, rows: np.ndarray, y: Labels | None) -> Iterator[tuple[np.ndarray, Labels | None]]:
        for i in range(0, max(len(rows), 1), self.batch):
            yield rows[i : i + self.batch], None if y is None else y[i : i + self.batch]

    @torch.inference_mode()
    def _call(
        self, function: Decoder | Encoder, rows: np.ndarray, y: Labels | None
    ) -> tuple[np.ndarray, ...]:
        labels = None if y is None or not self.classes else torch.as_tensor(y, device=self.device)
        found = function(torch.as_tensor(rows, device=self.device), labels)
        parts = found if isinstance(found, tuple) else (found,)
        return tuple(part.float().cpu().numpy() for part in parts)


def differentiable(generator: Generator) -> bool:
    """Whether torch knows what a small change of a point does to its image."""
    first = torch.zeros(1, dtype=torch.int64, device=generator.device)
    with torch.enable_grad():
        z = torch.ones(1, *generator.space.shape, device=generator.device, requires_grad=True)
        try:
            return generator.decoder(z, first if generator.classes else None).requires_grad
        except RuntimeError:  # it leaves torch, which a point with a slope may not
            return False


def best_device() -> str:
    """The GPU, where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
