"""Full MNIST as one npz file, for other software."""

from pathlib import Path

import numpy as np

from zatlas.core.system import SYSTEM
from zatlas.data import sources


def mnist_npz(root: str = "") -> Path:
    """A folder's mnist.npz, or a new one from the MNIST that zatlas finds."""
    if root and (Path(root) / "mnist.npz").exists():
        return (Path(root) / "mnist.npz").resolve()
    images = sources.load("mnist", **({"root": root} if root else {}))
    path = SYSTEM.cache_folder().parent / "zatlas-benchmarks" / "mnist.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    test = images.split == 2
    np.savez(
        path,
        x_train=images.pixels[~test, 0],
        y_train=images.labels[~test],
        x_test=images.pixels[test, 0],
        y_test=images.labels[test],
    )
    return path
