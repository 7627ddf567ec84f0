"""One measurement in its own process, to measure its peak memory; JSON on stdout.

python -m benchmarks.scale.parts PART COUNT [--dim 16] [--folder FOLDER]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import perf_counter
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.common import peak_memory

Told = dict[str, float]
DIM = 16
GROUPS = 50
SETTINGS = {"net.name": "mlp", "training.preview": 0, "training.batch": 1024}
PAGE = ("table.arrow", "latents.f16", "vectors.f32", "normals.f32", "weights.f32")


def codes(count: int, dim: int = DIM) -> tuple[np.ndarray, np.ndarray]:
    """Latents in groups, like those of images, and the group of each."""
    rng = np.random.default_rng(0)
    middles = 2 * rng.standard_normal((GROUPS, dim), dtype=np.float32)
    kinds = rng.integers(0, GROUPS, count)
    return middles[kinds] + rng.standard_normal((count, dim), dtype=np.float32), kinds


def train(count: int, dim: int, folder: Path) -> Told:
    """One epoch of a small VAE of drawn 32x32 images."""
    from zatlas import create
    from zatlas.data import sources

    data = f"sprites:count={count}"
    sources.load(data, size=32)  # drawn once, then memory-mapped
    begun = perf_counter()
    create.train(
        data, size=32, dim=dim, epochs=1, out=folder / f"train-{count}", verbose=False, settings=SETTINGS
    )
    return {"seconds": perf_counter() - begun}


def encode(count: int, dim: int, folder: Path, on: str = "here") -> Told:
    """Drawn images to a folder of latents, with the encoder of an existing run."""
    from zatlas.data import sources
    from zatlas.encode import encode as encoded
    from zatlas.workspace import Workspace

    workspace, data = Workspace.open(run_of(folder, dim)), f"sprites:count={count}"
    sources.load(data, size=32)  # drawn once
    out = folder / f"{on}-{count}.parquet"
    begun = perf_counter()
    encoded(workspace, data, on=on, out=out)  # type: ignore[arg-type]
    return {"seconds": perf_counter() - begun}


def ray(count: int, dim: int, folder: Path) -> Told:
    """The same with Ray's processes, and the memory of the largest of them."""
    peaks, ended = [0.0], Event()

    def look() -> None:
        while not ended.wait(0.2):
            peaks.append(largest("ray::MapWorker"))

    watch = Thread(target=look)
    watch.start()
    try:
        return encode(count, dim, folder, "ray") | {"worker": max(peaks)}
    finally:
        ended.set()
        watch.join()


def largest(name: str) -> float:
    """Peak megabytes of the largest process of this name."""
    result = [0.0]
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes().startswith(name.encode()):
                result.append(peak_memory(path.name))
        except OSError:  # it has exited
            continue
    return max(result)


def chart(count: int, dim: int, folder: Path) -> Told:
    """A UMAP of 20,000 landmarks, and the positions of all latents among them."""
    from zatlas.latent.chart import make_chart
    from zatlas.latent.landmarks import landmarks, write_positions
    from zatlas.store.latent_table import LatentTable

    z, _ = codes(count, dim)
    begun = perf_counter()
    created = make_chart(z[landmarks(count)])
    fitted = perf_counter()
    blocks = (
        LatentTable(np.arange(i, min(i + 100_000, count)), z[i : i + 100_000])
        for i in range(0, count, 100_000)
    )
    write_positions(created, folder / f"places-{count}.parquet", blocks, count, {})
    return {"seconds": perf_counter() - fitted, "landmarks": fitted - begun}


def tiles(count: int, dim: int, folder: Path) -> Told:
    """The squares of a chart of `count` points, with the counts of fifty classes."""
    from zatlas.site.quadtree import quadtree as tiled

    z, kinds = codes(count, 2)
    begun = perf_counter()
    result = tiled(z, np.stack([z.min(axis=0), z.max(axis=0)]), count // 10, {"label": kinds})
    return {"seconds": perf_counter() - begun, "tiles": len(list(result))}


def serve(count: int, dim: int, folder: Path) -> Told:
    """The page of a run of latents: made, loaded up to the first view, and its tiles fetched."""
    from zatlas.server.serve import serving

    z, kinds = codes(count, 2)
    np.savez(folder / f"codes-{count}.npz", codes=z, label=kinds)
    from zatlas.create import import_model

    workspace = import_model(folder / f"codes-{count}.npz", folder / f"codes-{count}", verbose=False)
    begun = perf_counter()
    with serving([workspace]) as server:
        created = perf_counter() - begun
        get = reader(server.url)
        manifest = get("data/manifest.json")
        run = json.loads(manifest)["runs"][0]
        chart = run["charts"][0]
        urls = [f"data/a/{name}" for name in PAGE] + [chart["lattice"]["url"], chart["coverage"]]
        first = len(manifest) + sum(len(get(url)) for url in urls)
        waits, squares = [], list((chart["tiles"] or {"squares": []})["squares"])
        for square in squares[:50]:
            name = "-".join(str(square[key]) for key in ("level", "x", "y"))
            requested = perf_counter()
            get(f"{chart['tiles']['url']}{name}.arrow")
            waits.append(1000 * (perf_counter() - requested))
    result = {"seconds": created, "first_view": first / 1e6}
    return result | ({"tile_ms": median(waits)} if waits else {})


def reader(address: str) -> Callable[[str], bytes]:
    """A client of a server, which identifies itself by the cookie of the first answer."""
    with urlopen(address) as answer:
        cookie = (answer.headers.get("set-cookie") or "").split(";")[0]
    root = address.split("?")[0]

    def get(url: str) -> bytes:
        with urlopen(Request(root + url, headers={"Cookie": cookie})) as result:
            return bytes(result.read())

    return get


def run_of(folder: Path, dim: int) -> Path:
    """A run whose encoder is measured."""
    from zatlas import create

    run = folder / "encoder"
    if not run.exists():
        data = "sprites:count=20000"
        create.train(data, size=32, dim=dim, epochs=1, out=run, verbose=False, settings=SETTINGS)
    return run


PARTS: dict[str, Callable[[int, int, Path], Told]] = {
    "train": train,
    "encode": encode,
    "ray": ray,
    "chart": chart,
    "tiles": tiles,
    "serve": serve,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("count", type=int)
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = PARTS[given.part](given.count, given.dim, given.folder or Path(folder))
    result["rss"] = peak_memory()
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
