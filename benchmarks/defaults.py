"""Compare default settings: held-out -ELBO after the same wall time on the same images.

A short run sets the number of epochs of each candidate, so that its one-cycle schedule fits the time.

    python benchmarks/defaults.py [--seconds 25] [--data fashion-mini] [--dims 2,16]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--data", default="fashion-mini")
    parser.add_argument("--dims", default="2,16")
    given = parser.parse_args()
    images = sources.load(given.data)
    for dim in map(int, given.dims.split(",")):
        result = {}
        for name, tables in CANDIDATES.items():
            _, seconds, _ = trained(images, given.data, tables, dim, 1)
            epochs = max(int(given.seconds / seconds), 1)
            loss, seconds, rate = trained(images, given.data, tables, dim, epochs)
            result[name] = loss
            labelled = f"{epochs:4} epochs {seconds:6.1f} s {rate:8,.0f} images/s"
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
