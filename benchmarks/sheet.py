"""A plane decoded at 15 x 15 positions, against one decoder call and one subplot per position.

The slower method is that of most tutorials: for each position it calls the decoder and `imshow` in a
subplot, and then `savefig`.

    python benchmarks/sheet.py [--repeats 5]
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot

from common import in_turns, medians, timed
from zatlas.models.description import Description, generator
from zatlas.models.generator import Generator
from zatlas.render.pixels import save
from zatlas.render.sheet import Axis, sheet

PLACES, SIDE = 15, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    matplotlib.use("agg")
    described = Description("vae", {"dim": 2}, "conv", {}, (3, SIDE, SIDE))
    decoder = generator(described, described.build().eval())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        directions = {
            "zatlas, PNG": lambda: draw(decoder, path / "ours.png"),
            "zatlas, SVG": lambda: draw(decoder, path / "ours.svg"),
            "subplots": lambda: subplots(decoder, path / "theirs.png"),
        }
        for direction in directions.values():  # imports do not count
            direction()
        result = medians(
            in_turns(given.repeats, {name: lambda way=mode: timed(way) for name, mode in directions.items()})
        )
    for name, seconds in result.items():
        print(f"{name:12} {seconds:8.3f} s")
    print(f"subplots / zatlas, PNG: {result['subplots'] / result['zatlas, PNG']:.1f}")


def draw(decoder: Generator, path: Path) -> None:
    """One decoder call for the plane, one image with axes."""
    marks = np.linspace(-2, 2, PLACES, dtype=np.float32)
    right, up = np.meshgrid(marks, marks[::-1])
    images = decoder.decode(np.stack([right.ravel(), up.ravel()], axis=1))
    axes = (Axis("first axis", marks), Axis("second axis", marks))
    save(sheet(images, PLACES, title="The latent plane", axes=axes), path)


def subplots(decoder: Generator, path: Path) -> None:
    """The code of most tutorials."""
    marks = np.linspace(-2, 2, PLACES, dtype=np.float32)
    figure, axes = pyplot.subplots(PLACES, PLACES, figsize=(10, 10))
    for row, y in enumerate(marks[::-1]):
        for column, x in enumerate(marks):
            image = decoder.decode(np.array([[x, y]], np.float32))[0]
            axes[row, column].imshow(image.transpose(1, 2, 0))
            axes[row, column].axis("off")
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
