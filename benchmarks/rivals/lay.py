"""Lay points on a plane by one program; prints the seconds, with its imports, and the peak of memory."""

from time import perf_counter

BEGUN = perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402


def lay(name: str, latents: np.ndarray) -> np.ndarray:
    """The places; neighbours and closeness as in zatlas' default, the rest as each program has it."""
    if name.startswith("zatlas-"):
        from zatlas.latent.layouts import lay_out

        return lay_out(name.removeprefix("zatlas-"), latents)
    if name == "umap-learn":
        import umap

        return umap.UMAP(n_neighbors=25, min_dist=0.1).fit_transform(latents)
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
parser.add_argument("--points", required=True)
parser.add_argument("--out", required=True)
given = parser.parse_args()
places = lay(given.name, np.load(given.points))
seconds = perf_counter() - BEGUN
np.save(given.out, places)
# The system's own peak of a process counts what its parent held when it was started.
lines = Path("/proc/self/status").read_text().splitlines()
memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": seconds, "memory": memory}))
