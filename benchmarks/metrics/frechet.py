"""Check the order of Frechet distances and their baseline: real images against real, blurred, noise.

python benchmarks/metrics/frechet.py [DATA ...] [--seed 0]

Held-out images are compared with as many training images (the baseline), with the same images blurred by
one and two pixels, and with noise, in the features of `zatlas evaluate`. Also prints the kernel distance,
precision, recall, density and coverage. All rows of a dataset use the same number of images.
"""

import argparse

import numpy as np
from scipy.ndimage import gaussian_filter

from zatlas.core.seeds import stream
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.metrics.distances import coverage, density, frechet, kernel_distance, precision
from zatlas.metrics.features import dataset_features, principal_pixels
from zatlas.metrics.sample_quality import MAX_IMAGES, held_out_and_training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=["digits", "fashion-mini"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.data:
        source, options = sources.resolve(name)
        report(sources.load(source, **options), given.seed)


def report(images: ImageDataset, seed: int) -> None:
    """The table of one dataset."""
    trained = dataset_features(images)
    features = principal_pixels(images) if trained is None else trained.features
    held, train = (images.images(rows) for rows in held_out_and_training(images, MAX_IMAGES, seed=seed))
    created = {
        "real (the baseline)": train,
        "blurred by 1 pixel": gaussian_filter(train, (0, 0, 1, 1)),
        "blurred by 2 pixels": gaussian_filter(train, (0, 0, 2, 2)),
        "noise": stream(seed, "noise").random(train.shape, dtype=np.float32),
    }
    print(f"{images.name}, {len(held):,} images each, in {features.about}")
    names = ("frechet", "kernel_distance", "its error", "precision", "recall", "density", "coverage")
    print(f"{'':20}" + "".join(f"{name:>10}" for name in names))
    real, distances = features(held), []
    for name, x in created.items():
        other = features(x)
        shares = (precision(real, other), precision(other, real), density(real, other), coverage(real, other))
        row = [frechet(real, other), *kernel_distance(real, other), *(float(s.mean()) for s in shares)]
        distances.append(row[0])
        print(f"{name:20}" + "".join(f"{value:10.3f}" for value in row))
    rightly = "yes" if distances == sorted(distances) else "NO"
    print(
        f"Frechet distances ordered rightly: {rightly}; baseline {distances[0]:.3f}, "
        f"blurred {distances[1] / distances[0]:.1f} and noise {distances[3] / distances[0]:.1f} times that\n"
    )


if __name__ == "__main__":
    main()
