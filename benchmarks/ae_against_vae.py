"""Whether auto-encoders are emptier between their images than VAEs, over data sets, dimensions and seeds.

python benchmarks/ae_against_vae.py [--root FOLDER] [--runs FOLDER] [--seeds 5] [--first 0]

Trains an auto-encoder and a VAE with the same net, epochs and seed on digits (1,797 images of 8x8),
fashion-mini, and 4,000 images of MNIST, in 2 and in 16 dimensions. Prints the means over seeds of the
measures of `zatlas compare`, in how many pairs the auto-encoder has the larger value, and p of a two-sided
sign test. Runs that exist in the folder are measured only.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.stats import binomtest

from distance_roc import few_digits
from mnist_file import mnist_npz
from zatlas.create import train
from zatlas.metrics.latent_gaps import LatentGaps, latent_gaps
from zatlas.workspace import Workspace

SMALL_NET = {"net.name": "mlp", "net.widths": [256], "training.batch": 100, "training.rate": 2e-3}
SETTINGS = {"digits": (40, {}), "fashion-mini": (10, SMALL_NET), "mnist": (10, SMALL_NET)}  # epochs, others
DIMENSIONS = (2, 16)
MEASURES = ("empty", "detour", "samples", "overlap")
Pair = tuple[LatentGaps, LatentGaps]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = given.runs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        digits = folder / "mnist-4000.npz"
        if not digits.exists():
            few_digits(Path(mnist_npz(given.root)), digits)
        pairs: dict[tuple[str, int], list[Pair]] = {}
        for data in SETTINGS:
            for dim in DIMENSIONS:
                seeds = range(given.first, given.first + given.seeds)
                chosen = [pair(folder, data, dim, seed, digits) for seed in seeds]
                pairs[data, dim] = chosen
                print(f"{data}, {dim} dimensions", *(summary(chosen, name) for name in MEASURES), sep=" | ")
    for dim in DIMENSIONS:
        chosen = [one for (_, other), group in pairs.items() if other == dim for one in group]
        print(f"all data, {dim} dimensions", *(summary(chosen, name) for name in MEASURES), sep=" | ")


def pair(folder: Path, data: str, dim: int, seed: int, digits: Path) -> Pair:
    """The measures of an auto-encoder and of a VAE."""
    epochs, settings = SETTINGS[data]
    result = []
    for model in ("ae", "vae"):
        out = folder / f"{data}-{model}-{dim}-{seed}"
        if not (out / "made.json").exists():
            source = digits if data == "mnist" else data
            words = {"model": model, "dim": dim, "epochs": epochs, "seed": seed, "out": out}
            train(source, settings={"training.preview": 0, **settings}, verbose=False, **words)
        result.append(latent_gaps(Workspace.open(out)))
    return result[0], result[1]


def summary(pairs: list[Pair], measure: str) -> str:
    """The means of both models, the pairs in which the first is larger, and p of the sign test."""
    values = np.array([[getattr(gaps, measure).value for gaps in one] for one in pairs])
    larger = int((values[:, 0] > values[:, 1]).sum())
    p = binomtest(larger, len(pairs)).pvalue
    first, second = values.mean(axis=0)
    return f"{measure} {first:.3f} {second:.3f} ({larger}/{len(pairs)}, p {p:.2g})"


if __name__ == "__main__":
    main()
