"""What images look like, as a few numbers: principal components of small copies of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Images, Latents
from zatlas.core.errors import ShapeError
from zatlas.core.progress import bar

SIDE = 16  # largest side of a small copy, in pixels
COMPONENTS = 36  # principal components
BATCH = 32  # latents that are decoded at a time

Table = Float32[np.ndarray, "n k"]
Decode = Callable[[Latents], Images]


@dataclass(frozen=True)
class PixelFeatures:
    """A projection of small copies of images onto their principal components."""

    mean: Float32[np.ndarray, " p"]
    components: Float32[np.ndarray, "k p"]

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.components.ndim != 2 or len(self.mean) != self.components.shape[1]:
            raise ShapeError(
                f"The components of pixels have shape {self.components.shape}, and their mean has shape "
                f"{self.mean.shape}. Both need the same number of pixels."
            )

    def __call__(self, pixels: Table) -> Table:
        """Return the features (n, k) of the pixels (n, p) of small copies."""
        return ((pixels - self.mean) @ self.components.T).astype(np.float32)


def fit_features(pixels: Table, count: int = COMPONENTS) -> PixelFeatures:
    """Return the projection onto the first principal components of these pixels (n, p)."""
    mean = pixels.mean(axis=0, dtype=np.float64)
    centered = pixels - mean
    components = np.linalg.eigh(centered.T @ centered)[1][:, ::-1].T
    components = components[: min(count, len(pixels), pixels.shape[1])]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], 1)
    signed = components * np.where(largest < 0, -1, 1)
    return PixelFeatures(mean.astype(np.float32), signed.astype(np.float32))


def small_pixels(images: Images) -> Table:
    """Return the pixels (n, p) of small copies, whose pixels are means over areas of the images."""
    for axis in (2, 3):
        size = images.shape[axis]
        edges = np.linspace(0, size, min(size, SIDE) + 1).astype(int)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        images = np.add.reduceat(images, edges[:-1], axis=axis) / np.diff(edges).reshape(shape)
    return images.reshape(len(images), -1).astype(np.float32)


def decoded_pixels(decode: Decode, z: Latents) -> Table:
    """Return the pixels of small copies of the decoded images, of which few are in memory at a time."""
    parts = []
    with bar("decoding", len(z), show=len(z) > BATCH) as advance:
        for start in range(0, len(z), BATCH):
            parts.append(small_pixels(decode(z[start : start + BATCH])))
            advance(len(parts[-1]))
    return np.concatenate(parts)
