"""Full MNIST as one npz file, for other software."""

import os
import sys
from pathlib import Path

import numpy as np

from zatlas.core.errors import NotFound
from zatlas.core.system import SYSTEM
from zatlas.data import sources


def mnist_npz(root: str = "") -> Path:
    """The mnist.npz of `root` or $ZATLAS_DATA, or a new one from the MNIST that zatlas finds.

    Without MNIST the benchmark ends with one sentence.
    """
    folder = Path(root or os.environ.get("ZATLAS_DATA", "data"))
    if (folder / "mnist.npz").exists():
        return (folder / "mnist.npz").resolve()
    try:
        images = sources.load("mnist", **({"root": root} if root else {}))
    except NotFound:
        sys.exit(
            f"{folder} has no MNIST: give the folder of mnist.npz with --root FOLDER or ZATLAS_DATA=FOLDER."
        )
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
