"""Make the image file of fashion-mini: python make_fashion_mini.py fashion_mnist.npz page.png"""

import sys

import numpy as np
from PIL import Image

TRAIN, TEST, SIDE, ACROSS = 500, 100, 28, 100


def choose(pixels: np.ndarray, labels: np.ndarray, kind: int, count: int) -> np.ndarray:
    """Return `count` random images of a class; the class is the seed."""
    rows = np.flatnonzero(labels == kind)
    return pixels[np.sort(np.random.default_rng(kind).choice(rows, count, replace=False))]


def main(full: str, page: str) -> None:
    with np.load(full, allow_pickle=False) as arrays:
        train = arrays["x_train"], arrays["y_train"]
        test = arrays["x_test"], arrays["y_test"]
    parts = [p for kind in range(10) for p in (choose(*train, kind, TRAIN), choose(*test, kind, TEST))]
    tiles = np.concatenate(parts).reshape(-1, ACROSS, SIDE, SIDE)
    image = tiles.transpose(0, 2, 1, 3).reshape(len(tiles) * SIDE, ACROSS * SIDE)
    Image.fromarray(image).save(page, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
