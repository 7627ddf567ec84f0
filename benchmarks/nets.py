"""Test -ELBO of a VAE against training time, for the nets that a recipe can choose.

Each net trains with its own default batch and rate, for each number of epochs, in the precision of the
machine. The time is that of the processor on one thread. A star marks a net that no other beats in both.

    python benchmarks/nets.py [--data faces:count=3000] [--size 64] [--epochs 10,30] [--batch 64]
                              [--only conv,conv-patch]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from common import machine_line
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.training.loop import fit
from zatlas.training.recipe import make_recipe

NETS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp"},
    "conv": {"name": "conv"},
    "conv without hidden layer": {"name": "conv", "hidden": 0},
    "conv-patch": {"name": "conv-patch"},
    "conv-patch with hidden layer": {"name": "conv-patch", "hidden": 256},
    "conv-patch of 2x2 pixels": {"name": "conv-patch", "patch": 2, "width": 16},
    "conv-patch with 48 channels": {"name": "conv-patch", "width": 48},
    "conv-resize": {"name": "conv-resize"},
    "conv-deep with 8 channels": {"name": "conv-deep", "width": 8, "blocks": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="faces:count=3000")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", default="10,30")
    parser.add_argument("--batch", type=int, help="instead of each net's own")
    parser.add_argument("--only", default=",".join(NETS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    source, options = sources.resolve(given.data)
    data = {"source": source, "size": given.size, **options}
    images = sources.load(source, size=given.size, **options)
    print(f"{machine_line()}; {images.describe()}", flush=True)
    results = []
    for name in given.only.split(","):
        for epochs in map(int, given.epochs.split(",")):
            training = {"epochs": epochs, **({"batch": given.batch} if given.batch else {})}
            results.append((name, epochs, *trained(images, data, NETS[name], training)))
            print(*results[-1], flush=True)
    print("\n| net | epochs | seconds | test -ELBO | |\n|---|---|---|---|---|")
    for name, epochs, seconds, loss in results:
        best = not any(other[2] < seconds and other[3] < loss for other in results)
        print(f"| {name} | {epochs} | {seconds:.0f} | {loss:,.0f} | {'*' if best else ''} |")


def trained(
    images: ImageDataset, data: dict[str, Any], net: dict[str, Any], training: dict[str, Any]
) -> tuple[float, float]:
    """The processor seconds of one training, and its -ELBO on the test images."""
    tables = {"data": data, "model": {"dim": 32}, "net": net, "training": {**training, "preview": 0}}
    recipe = make_recipe(tables, images.shape, len(images.rows("train")))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = fit(recipe, images, Path(folder) / "run")
        seconds = time.process_time() - begun
        return seconds, json.loads(run.result_file.read_text())["test"]["loss"]


if __name__ == "__main__":
    main()
