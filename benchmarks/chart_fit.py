"""Time of the default layout against umap-learn and others: imports and compiling in, fresh processes.

python benchmarks/chart_fit.py [--root FOLDER] [--points 20000] [--repeats 3] [--all]

The points are MNIST's first 64 principal coordinates. Trustworthiness is scikit-learn's, over 15
neighbours of the same 5,000 points; 1 is best. With --all, also programs that we chose between.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.manifold import trustworthiness

from common import RIVALS, call, environment
from mnist_file import mnist_npz

PROGRAMS = {"zatlas-umap": (), "umap-learn": ("umap-learn==0.5.12",), "zatlas-tsne": ()}
OTHERS = {
    "fastumap": ("fastumap==0.2.30",),
    "pacmap": ("pacmap==0.9.1",),
    "openTSNE": ("openTSNE==1.0.4",),
    "sklearn-tsne": ("scikit-learn",),
}
COORDINATES, SAMPLE, NEIGHBORS = 64, 5000, 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    latents = principal(mnist_npz(given.root), given.points)
    programs = {**PROGRAMS, **(OTHERS if given.all else {})}
    result: dict[str, list[dict]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "points.npy", Path(folder) / "places.npy"
        np.save(table, latents)
        for turn in range(given.repeats):
            for name, packages in programs.items():
                python = environment(name, *packages) if packages else sys.executable
                one = call(python, RIVALS / "lay.py", name=name, points=table, out=out)
                one["trust"] = trust(latents, np.load(out))
                result[name].append(one)
                told = f"{one['seconds']:.1f} s, trust {one['trust']:.4f}"
                print(f"  turn {turn + 1}: {name} {told}", file=sys.stderr)
    middle = {
        name: {key: median(one[key] for one in all_of) for key in all_of[0]}
        for name, all_of in result.items()
    }
    print(f"{len(latents):,} points of {COORDINATES} coordinates")
    for name, one in middle.items():
        told = f"{one['seconds']:6.1f} s {one['memory']:6.0f} MB  trustworthiness {one['trust']:.4f}"
        print(f"{name:14} {told}")
    ours, theirs = middle["zatlas-umap"], middle["umap-learn"]
    print(f"time, umap-learn / zatlas: {theirs['seconds'] / ours['seconds']:.1f}")
    print(f"memory, umap-learn / zatlas: {theirs['memory'] / ours['memory']:.1f}")
    print(f"trustworthiness, zatlas - umap-learn: {ours['trust'] - theirs['trust']:+.4f}")


def principal(path: Path, count: int) -> np.ndarray:
    """The images' coordinates along their principal axes."""
    with np.load(path) as arrays:
        pixels = arrays["x_train"][:count].reshape(count, -1).astype(np.float32) / 255
    pixels -= pixels.mean(axis=0)
    axes = np.linalg.eigh(pixels.T @ pixels)[1][:, ::-1][:, :COORDINATES]
    return np.ascontiguousarray(pixels @ axes, np.float32)


def trust(latents: np.ndarray, places: np.ndarray) -> float:
    """Trustworthiness over the same few points for all."""
    rows = np.random.default_rng(0).permutation(len(latents))[:SAMPLE]
    return float(trustworthiness(latents[rows], places[rows], n_neighbors=NEIGHBORS))


if __name__ == "__main__":
    main()
