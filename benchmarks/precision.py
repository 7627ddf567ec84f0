"""Quality and speed in bfloat16 against float32, over several seeds with the same order, weights and noise.

VAEs are compared by their -ELBO on test images, auto-encoders by their loss, and GANs by the
Frechet distance of their samples (classifier features where the images have labels, else principal
components). All are computed in float32.

    python benchmarks/precision.py [--seeds 5] [--only mlp,conv,...]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from training_watch import RealImages
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.metrics.distances import frechet
from zatlas.metrics.features import feature_tables
from zatlas.models.description import generator, load_weights
from zatlas.training.loop import fit
from zatlas.training.precision import native_bfloat16
from zatlas.training.recipe import make_recipe

PRECISIONS = ("32-true", "bf16-mixed")
FACES = {"source": "faces", "count": 1500, "size": 32}
CLOTHES = {"source": "fashion-mini"}
KINDS: dict[str, dict[str, Any]] = {
    "mlp": {"data": CLOTHES, "model": {"dim": 16}, "net": {"name": "mlp"}, "training": {"epochs": 20}},
    "conv": {"data": FACES, "model": {"dim": 16}, "net": {"name": "conv"}, "training": {"epochs": 20}},
    "conv-patch": {
        "data": FACES,
        "model": {"dim": 16},
        "net": {"name": "conv-patch"},
        "training": {"epochs": 20},
    },
    "conv-resize": {
        "data": FACES,
        "model": {"dim": 16},
        "net": {"name": "conv-resize"},
        "training": {"epochs": 20},
    },
    "conv-deep": {
        "data": FACES,
        "model": {"dim": 16},
        "net": {"name": "conv-deep", "width": 8, "blocks": 1},
        "training": {"epochs": 10},
    },
    "ae mlp": {
        "data": CLOTHES,
        "model": {"family": "ae", "dim": 16},
        "net": {"name": "mlp"},
        "training": {"epochs": 20},
    },
    "ae conv": {
        "data": FACES,
        "model": {"family": "ae", "dim": 16},
        "net": {"name": "conv"},
        "training": {"epochs": 20},
    },
    "gan": {
        "data": CLOTHES,
        "model": {"family": "gan"},
        "net": {"name": "conv-resize"},
        "training": {"epochs": 8},
    },
    "gan mlp": {
        "data": CLOTHES,
        "model": {"family": "gan"},
        "net": {"name": "mlp"},
        "training": {"epochs": 10, "rate": 2e-4},
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default=",".join(KINDS))
    given = parser.parse_args()
    import torch

    print(f"bfloat16: {native_bfloat16(torch.device('cpu')) or 'not native here'}; {given.seeds} seeds")
    print("| kind | metric | float32 | bfloat16 | difference | standard error | time ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in given.only.split(","):
        print(row(name, KINDS[name], given.seeds), flush=True)


def row(name: str, tables: dict[str, Any], seeds: int) -> str:
    """A row of the table; the time is that of the processor, in training only."""
    images = sources.load(
        tables["data"]["source"], **{k: v for k, v in tables["data"].items() if k != "source"}
    )
    real = RealImages(images) if name.startswith("gan") else None
    results = [[trained(images, tables, seed, each, real) for each in PRECISIONS] for seed in range(seeds)]
    quality, seconds = np.moveaxis(np.array(results), 2, 0)
    full, half = quality.T
    # The standard error of float32: how much the metric depends on the seed.
    error = full.std(ddof=1) / np.sqrt(seeds)
    ratio = np.median(seconds[:, 0] / seconds[:, 1])
    metric = "Frechet" if real else "loss" if name.startswith("ae") else "-ELBO"
    values = " | ".join(
        f"{value:.4g}" for value in (full.mean(), half.mean(), half.mean() - full.mean(), error)
    )
    return f"| {name} | {metric} | {values} | {ratio:.2f} |"


def trained(
    images: ImageDataset, tables: dict[str, Any], seed: int, precision: str, real: RealImages | None
) -> tuple[float, float]:
    """The metric of one training, and its processor seconds."""
    training = {**tables["training"], "precision": precision, "preview": 0}
    recipe = make_recipe(
        {**tables, "training": training, "seed": seed}, images.shape, len(images.rows("train"))
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = fit(recipe, images, Path(folder) / "run")
        seconds = time.process_time() - begun
        if real is None:
            return json.loads(run.result_file.read_text())["test"]["loss"], seconds
        made = generator(*load_weights(run.weights))
        z = made.space.sample(len(real.table), seed=0)
        return frechet(real.table, feature_tables(made.decode_batches(z), real.features)[0]), seconds


if __name__ == "__main__":
    main()
