"""A folder of 10,000 JPEGs of 178x218 to a 64x64 dataset: first start, second start, and a plain Pillow loop.

Also prints how many faces and sprites are drawn per second.

    python benchmarks/data.py [--files 10000] [--repeats 3]
"""

import argparse
import os
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from common import in_turns, medians
from zatlas.data import faces, sources, sprites


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        make(path / "photos", given.files)
        turns = iter(range(10**6))

        def first() -> float:
            os.environ["ZATLAS_CACHE"] = str(path / f"cache-{next(turns)}")
            return timed(lambda: sources.load(str(path / "photos"), size=64))

        def second() -> float:
            return timed(lambda: sources.load(str(path / "photos"), size=64))

        result = medians(
            in_turns(
                given.repeats,
                {
                    "plain Pillow loop": lambda: timed(lambda: plain(path / "photos")),
                    "first start": first,
                    "second start": second,
                },
            )
        )
    for name, seconds in result.items():
        print(f"{name:20} {seconds:8.2f} s  {given.files / seconds:10,.0f} images/s")
    print(f"plain / first start: {result['plain Pillow loop'] / result['first start']:.2f}")
    for name, draw, size in (
        ("faces 64x64", lambda n: faces.draw(faces.factors(n, seed=0), 64), 4000),
        ("sprites 32x32", lambda n: sprites.draw(sprites.factors(n, seed=0), 32), 100_000),
    ):
        draw(100)
        print(f"{name:20} {size / timed(lambda draw=draw, size=size: draw(size)):,.0f} drawn a second")


def make(folder: Path, count: int) -> None:
    """Smooth images with some noise, like photographs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:218, :178]
    for index in range(count):
        a, b, c, d = rng.uniform(0.01, 0.06, 4)
        waves = [np.sin(a * x + b * y + c * 100), np.sin(c * x - d * y), np.cos(b * x * y / 60)]
        image = np.stack(waves, axis=2) * 90 + 128 + rng.normal(0, 6, (218, 178, 1))
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:06d}.jpg", quality=90)


def plain(folder: Path) -> np.ndarray:
    """The usual Pillow loop."""
    images = []
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert("RGB")
        side = min(image.size)
        image = image.resize((image.width * 64 // side, image.height * 64 // side), Image.Resampling.LANCZOS)
        left, top = (image.width - 64) // 2, (image.height - 64) // 2
        images.append(np.asarray(image.crop((left, top, left + 64, top + 64))))
    return np.stack(images)


def timed(work) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


if __name__ == "__main__":
    main()
