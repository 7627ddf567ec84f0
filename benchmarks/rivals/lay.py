"""Compute a layout with one package; print wall and CPU seconds, imports included, and the peak memory."""

from time import perf_counter, process_time

BEGUN = perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402


def lay(name: str, latents: np.ndarray) -> np.ndarray:
    """Return the positions; n_neighbors and min_dist as in grid_umap, the rest as each package's default."""
    if name.startswith("zatlas-"):
        from zatlas.latent.layouts import compute_layout

        return compute_layout(name.removeprefix("zatlas-"), latents)
    if name.startswith("umap-learn"):
        import umap

        seeded = (
            {"random_state": 0, "n_jobs": 1} if name.endswith("seeded") else {}
        )  # a seed needs one thread
        return umap.UMAP(n_neighbors=25, min_dist=0.1, **seeded).fit_transform(latents)
    if name == "fastumap":
        import fastumap

        return fastumap.umap_project(latents, 2, n_neighbors=25, min_dist=0.1)
    if name == "pacmap":
        import pacmap

        return pacmap.PaCMAP(n_neighbors=25).fit_transform(latents)
    if name == "openTSNE":
        import openTSNE

        return np.asarray(openTSNE.TSNE(n_jobs=-1).fit(latents))
    from sklearn.manifold import TSNE

    return TSNE(n_jobs=-1).fit_transform(latents)


parser = argparse.ArgumentParser()
parser.add_argument("--name", required=True)
parser.add_argument("--latents", required=True)
parser.add_argument("--out", required=True)
given = parser.parse_args()
positions = lay(given.name, np.load(given.latents))
seconds = perf_counter() - BEGUN
np.save(given.out, positions)
# getrusage would count the memory of the parent process too.
lines = Path("/proc/self/status").read_text().splitlines()
memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": seconds, "cpu": process_time(), "memory": memory}))
