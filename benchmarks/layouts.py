"""Compare our layouts with umap-learn and scikit-learn's t-SNE: neighborhoods, time and memory.

python benchmarks/layouts.py [--root FOLDER] [--rows 10000 20000] [--repeats 3] [--all]

The rows are MNIST images, reduced to 50 dimensions by PCA. Each layout runs in a fresh process, so its
time includes imports and compilation, except for what numba has in its cache. CPU seconds depend less on
other work of the machine than seconds. k-NN preservation is the share of the 15 nearest neighbors in 50
dimensions that are among the 15 nearest on the plane; trustworthiness is scikit-learn's, for 15 neighbors
of the same 5,000 rows. 1 is best for both. With --all, also other packages.
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
from zatlas.latent.neighbors import nearest_others

UMAP = ("umap-learn==0.5.12",)
PROGRAMS = {
    "zatlas-pca": (),
    "zatlas-grid_umap": (),
    "umap-learn": UMAP,
    "umap-learn-seeded": UMAP,
    "zatlas-grid_tsne": (),
    "sklearn-tsne": (),
}
OTHERS = {"fastumap": ("fastumap==0.2.30",), "pacmap": ("pacmap==0.9.1",), "openTSNE": ("openTSNE==1.0.4",)}
DIM, SAMPLE, NEIGHBORS = 50, 5000, 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 20_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    programs = {**PROGRAMS, **(OTHERS if given.all else {})}
    for count in given.rows:
        latents = principal(mnist_npz(given.root), count)
        result = measured(latents, programs, given.repeats)
        print(f"{len(latents):,} rows of {DIM} dimensions")
        print(f"{'':18} {'k-NN':>6} {'trust':>6} {'seconds':>8} {'CPU s':>6} {'MB':>6}")
        for name, row in result.items():
            quality = f"{row['preserved']:6.3f} {row['trust']:6.3f}"
            print(f"{name:18} {quality} {row['seconds']:8.1f} {row['cpu']:6.1f} {row['memory']:6.0f}")
        for ours, theirs in (("zatlas-grid_umap", "umap-learn"), ("zatlas-grid_tsne", "sklearn-tsne")):
            wall, cpu = (result[theirs][key] / result[ours][key] for key in ("seconds", "cpu"))
            print(f"{theirs} / {ours}: {wall:.1f} in seconds, {cpu:.1f} in CPU seconds", flush=True)


def measured(latents: np.ndarray, programs: dict[str, tuple], repeats: int) -> dict[str, dict[str, float]]:
    """The medians of each program's measurements; the programs take turns."""
    runs: dict[str, list[dict]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "latents.npy", Path(folder) / "positions.npy"
        pythons: dict[str, Path | str] = {}
        np.save(table, latents[:1000])
        for name, packages in programs.items():
            pythons[name] = environment(packages[0].split("=")[0], *packages) if packages else sys.executable
            if packages:  # fills the cache of numba
                call(pythons[name], RIVALS / "lay.py", name=name, latents=table, out=out)
        np.save(table, latents)
        for turn in range(repeats):
            for name in programs:
                run = call(pythons[name], RIVALS / "lay.py", name=name, latents=table, out=out)
                runs[name].append({**run, **quality(latents, np.load(out))})
                print(f"  turn {turn + 1}: {name} {run['seconds']:.1f} s", file=sys.stderr)
    return {name: {key: median(run[key] for run in rows) for key in rows[0]} for name, rows in runs.items()}


def principal(path: Path, count: int) -> np.ndarray:
    """The first images, reduced by PCA."""
    with np.load(path) as arrays:
        pixels = arrays["x_train"][:count].reshape(count, -1).astype(np.float32) / 255
    pixels -= pixels.mean(axis=0)
    components = np.linalg.eigh(pixels.T @ pixels)[1][:, ::-1][:, :DIM]
    return np.ascontiguousarray(pixels @ components, np.float32)


def quality(latents: np.ndarray, positions: np.ndarray) -> dict[str, float]:
    """k-NN preservation of all rows, and trustworthiness of the same sample for every program."""
    near, true = (nearest_others(table.astype(np.float32), NEIGHBORS)[0] for table in (positions, latents))
    preserved = (near[:, :, None] == true[:, None]).any(axis=2).mean()
    rows = np.random.default_rng(0).permutation(len(latents))[:SAMPLE]
    trust = trustworthiness(latents[rows], positions[rows], n_neighbors=NEIGHBORS)
    return {"preserved": float(preserved), "trust": float(trust)}


if __name__ == "__main__":
    main()
