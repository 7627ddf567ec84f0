"""Compare default settings on the same images.

`networks`: held-out -ELBO after the same wall time. A short run sets the number of epochs of each candidate,
so that its one-cycle schedule fits the time.
`gan`: Frechet distance of samples against processor seconds, on one thread.
`likelihoods`: reconstruction error and Frechet distance after the same number of steps, on colour images.
`norms`: the same with and without a norm after each convolution.
`dims`: the same with different numbers of latent dimensions.
`lengths`: reconstruction error after trainings of different numbers of steps.

    python benchmarks/defaults.py networks [--seconds 25] [--data fashion-mini] [--dims 2,16]
    python benchmarks/defaults.py gan [--seconds 240] [--data fashion-mini] [--only "default,as before"]
    python benchmarks/defaults.py likelihoods [--data faces:count=1500] [--size 32] [--steps 600]
    python benchmarks/defaults.py norms [--steps 600] [--data faces:count=1500] [--size 64]
    python benchmarks/defaults.py dims [--dims 8,16,32,64] [--steps 600] [--data faces:count=1500] [--size 64]
    python benchmarks/defaults.py lengths [--data FOLDER] [--size 128] [--only 240,1000,2000]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from training_watch import RealImages, Watch, watched
from zatlas.data import sources
from zatlas.training.loop import fit
from zatlas.training.recipe import make_recipe

WIDE = {"name": "mlp", "widths": [512, 256]}
CANDIDATES = {
    "mlp 512": {"net": {"name": "mlp", "widths": [512]}},
    "mlp 512-256": {"net": WIDE},
    "mlp 512-256-128": {"net": {"name": "mlp", "widths": [512, 256, 128]}},
    "mlp 1024-512": {"net": {"name": "mlp", "widths": [1024, 512]}},
    "mlp 512-256, rate 2e-3": {"net": WIDE, "training": {"rate": 2e-3}},
    "mlp 512-256, rate 6e-3": {"net": WIDE, "training": {"rate": 6e-3}},
    "mlp 512-256, constant 1e-3": {"net": WIDE, "training": {"schedule": "constant", "rate": 1e-3}},
    "mlp 512-256, beta2 0.999": {"net": WIDE, "training": {"beta2": 0.999}},
    "mlp 512-256, batch 256": {"net": WIDE, "training": {"batch": 256}},
    "mlp 512-256, batch 256, rate 6e-3": {"net": WIDE, "training": {"batch": 256, "rate": 6e-3}},
    "mlp 512-256, batch 256, rate 1e-2": {"net": WIDE, "training": {"batch": 256, "rate": 1e-2}},
    "mlp 512-256, batch 64": {"net": WIDE, "training": {"batch": 64}},
    "mlp 512-256, grey start": {"net": WIDE, "model": {"mean_start": False}},
    "mlp 512-256, silu": {"net": {**WIDE, "activation": "silu"}},
    "conv 16": {"net": {"name": "conv", "width": 16}},
    "conv 32": {"net": {"name": "conv", "width": 32}},
    "conv-deep 16": {"net": {"name": "conv-deep", "width": 16, "blocks": 1}},
}


BEFORE = {
    "net.name": "conv",
    "model.r1": 1.0,
    "model.r1_part": 1.0,
    "model.augment": False,
    "training.rate": 2e-4,
}
GANS: dict[str, dict[str, Any]] = {
    "default": {},
    "as before": BEFORE,
    "as before with rate 1e-3": {**BEFORE, "training.rate": 1e-3},
    "wider": {"net.width": 12, "net.hidden": 256},
    "no hidden layer": {"net.width": 12, "net.hidden": 0, "training.rate": 1e-3, "model.r1": 0.1},
    "no hidden layer with rate 3e-3": {"net.width": 12, "net.hidden": 0, "training.rate": 3e-3},
    "augmented": {"model.augment": True},
    "as for small images": {"training.rate": 2e-3, "model.r1": 0.3},
    "rate 1e-3": {"training.rate": 1e-3},
    "r1 3": {"model.r1": 3.0},
}
LIKELIHOODS: dict[str, dict[str, Any]] = {
    "bernoulli": {"model.likelihood": "bernoulli"},
    "gaussian with fitted std": {"model.likelihood": "gaussian"},
    "gaussian with std 0.1": {"model.likelihood": "gaussian", "model.sigma": 0.1},
    "mse": {"model.likelihood": "mse"},
}
NORMS: dict[str, dict[str, Any]] = {
    "group": {},
    "none": {"net.norm": "none"},
    "none with rate 1e-3": {"net.norm": "none", "training.rate": 1e-3},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["networks", "gan", "likelihoods", "norms", "dims", "lengths"])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--data")
    parser.add_argument("--size", type=int)
    parser.add_argument("--dims")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--only")
    given = parser.parse_args()
    only = given.only.split(",") if given.only else None
    if given.what == "networks":
        dims = [int(dim) for dim in (given.dims or "2,16").split(",")]
        networks(given.data or "fashion-mini", given.seconds or 25, dims)
        return
    torch.set_num_threads(1)
    if given.what == "gan":
        seconds = given.seconds or 240
        limits = {"seconds": seconds, "every": seconds / 4}
        compare(given.data or "fashion-mini", given.size, GANS, only, {"model.family": "gan"}, limits)
    elif given.what in ("likelihoods", "norms", "dims"):
        dims = (given.dims or "8,16,32,64").split(",")
        candidates, size = {
            "likelihoods": (LIKELIHOODS, 32),
            "norms": (NORMS, 64),
            "dims": ({f"{dim} dimensions": {"model.dim": int(dim)} for dim in dims}, 64),
        }[given.what]
        common = {"model.dim": 32, "net.name": "conv"}
        limits = {"steps": given.steps, "each": given.steps}
        compare(given.data or "faces:count=1500", given.size or size, candidates, only, common, limits)
    else:
        for steps in map(int, only or ("240", "500", "1000", "2000")):
            limits = {"steps": steps, "each": steps}
            compare(
                given.data or "faces:count=500", given.size or 128, {f"{steps:,} steps": {}}, None, {}, limits
            )


def compare(
    data: str,
    size: int | None,
    candidates: Mapping[str, Mapping[str, Any]],
    only: Sequence[str] | None,
    common: Mapping[str, Any],
    limits: Mapping[str, Any],
) -> None:
    """Train each candidate on one thread, and print its quality."""
    source, options = sources.resolve(data)
    real = RealImages(sources.load(source, size=size, **options), pixels="model.family" not in common)
    for name, settings in candidates.items():
        if only is None or name in only:
            watched(data, {"data.size": size, **common, **settings}, Watch(name, real, **limits))


def networks(data: str, seconds: float, dims: Sequence[int]) -> None:
    """Print the held-out loss of each net, by the dimensions of the latent space."""
    images = sources.load(data)
    for dim in dims:
        result = {}
        for name, tables in CANDIDATES.items():
            _, once, _ = trained(images, data, tables, dim, 1)
            epochs = max(int(seconds / once), 1)
            loss, spent, rate = trained(images, data, tables, dim, epochs)
            result[name] = loss
            labelled = f"{epochs:4} epochs {spent:6.1f} s {rate:8,.0f} images/s"
            print(f"dim {dim:3}  {name:34} -elbo {loss:8.2f}  {labelled}", flush=True)
        best = min(result, key=lambda name: result[name])
        print(f"dim {dim:3}  best: {best}", flush=True)


def trained(images, source, tables, dim, epochs) -> tuple[float, float, float]:
    """Held-out loss, seconds of the epochs, and images per second."""
    labelled = {key: dict(value) for key, value in tables.items()}
    labelled["data"] = {"source": source}
    labelled["model"] = {"dim": dim, **labelled.get("model", {})}
    labelled["training"] = {"epochs": epochs, "preview": 0, **labelled.get("training", {})}
    with tempfile.TemporaryDirectory() as folder:
        run = fit(make_recipe(labelled), images, Path(folder) / "run")
        result = json.loads((run.folder / "result.json").read_text())
        rows = run.metrics()
        return result["best"]["valid/loss"], rows[-1]["seconds"], rows[-1]["images_per_second"]


if __name__ == "__main__":
    sys.exit(main())
