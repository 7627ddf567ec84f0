"""Likelihood of MNIST's test digits (black and white) under the presets, and training time.

python benchmarks/metrics/likelihood.py [--root FOLDER] [--runs FOLDER] [--only PRESET]

Each preset is trained in its own run under --runs; a finished run is only measured, and a stopped one is
resumed. pythae's README reports 89.78 for its VAE and 86.82 for its IWAE with 50 samples.
"""

import argparse
import sys
from pathlib import Path

import torch

from zatlas import create
from zatlas.core.errors import NotFound
from zatlas.metrics.elbo import likelihood_metrics
from zatlas.workspace import Workspace

MOST = {"mnist-dynamic": 89.0, "mnist-likelihood": 86.0, "mnist-plane": 136.0}  # nats an image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--runs", type=Path, default=Path("runs/likelihood"))
    parser.add_argument("--only", choices=MOST)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=5000)
    given = parser.parse_args()
    for name in [given.only] if given.only else MOST:
        workspace = trained(name, given.runs / name, given.root)
        result = {
            figure.name: figure
            for figure in likelihood_metrics(
                workspace, images=given.images, draws=given.draws, treatment="dynamic"
            )
        }
        bound, elbo = result["importance_bound"], result["elbo"]
        row = workspace.run.metrics()[-1]
        print(
            f"{name}: -log p {-bound.value:.2f} (standard error {bound.error:.2f}; {bound.n:,} images, "
            f"{given.draws:,} draws), -ELBO {-elbo.value:.2f}, after {row['epoch']} epochs in "
            f"{row['seconds'] / 60:.1f} minutes on {torch.get_num_threads()} threads; "
            f"at most {MOST[name]:g}: {-bound.value <= MOST[name]}",
            flush=True,
        )


def trained(name: str, folder: Path, root: str) -> Workspace:
    """The run of this preset: opened, resumed, or trained."""
    if not folder.exists():
        data = f"mnist:root={root}" if root else "mnist"
        return create.train(data, preset=name, out=folder)
    if not (folder / "result.json").exists():
        print(f"{folder} was stopped; resuming it", file=sys.stderr)
        return create.resume(folder)
    return Workspace.open(folder)


if __name__ == "__main__":
    try:
        main()
    except NotFound as error:
        sys.exit(str(error))
