"""Images per second of training a 784-512-16 VAE on MNIST, against pythae's trainer and a DataLoader.

python benchmarks/train_throughput.py [--root FOLDER] [--repeats 3]
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import torch

from common import RIVALS, call, environment, in_turns, machine_line, matrix_product_rate, medians
from mnist_file import mnist_npz
from zatlas.training.precision import choose_precision
from zatlas.training.recipe import make_recipe

# Forward, the gradients of the weights, and those of all inputs except the image.
FORWARD = 2 * (784 * 512 + 512 * 32 + 16 * 512 + 512 * 784)
OPERATIONS = 3 * FORWARD - 2 * 784 * 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    data: Path = mnist_npz(given.root)
    rival = environment("pythae", "torch==2.13.0", "pythae==0.1.2", "pillow")
    ours, plain = RIVALS / "zatlas_train.py", RIVALS / "loader_train.py"
    theirs = RIVALS / "pythae_train.py"
    root = {"root": str(data.parent)}

    def rate(python: Path | str, script: Path, **options: object) -> float:
        return float(call(python, script, **options)["rate"])

    auto = choose_precision(make_recipe({"data": {"source": "mnist"}}), torch.device("cpu")).name
    precisions = ("float32",) if auto == "float32" else ("float32", auto)
    setting = {"float32": "32-true", "bfloat16": "bf16-mixed"}
    variants = {
        "batch 128": {"batch": 128},
        "default batch": {},
        "batch 128, compiled": {"batch": 128, "compile": "on"},
        "default batch, compiled": {"compile": "on"},
    }
    runs = {
        f"zatlas, {name}, {label}": partial(
            rate, sys.executable, ours, epochs=4, precision=setting[name], **options, **root
        )
        for name in precisions
        for label, options in variants.items()
    }
    runs["pythae, batch 128"] = partial(rate, rival, theirs, data=data, epochs=3, batch=128)
    runs["loader, batch 128"] = partial(rate, rival, plain, data=data, epochs=2, batch=128)
    for name in precisions:
        product = partial(matrix_product_rate, half=name != "float32")
        runs[f"matrix product, {name}, GFLOP/s"] = lambda product=product: product() / 1e9
    report(medians(in_turns(given.repeats, runs)), precisions, variants)


def report(result: dict[str, float], precisions: Sequence[str], variants: Iterable[str]) -> None:
    """The rates as a table, and the ratios."""
    print(machine_line())
    for name, value in result.items():
        print(f"{name:46} {value:10,.0f}" + ("" if "GFLOP" in name else " images/s"))
    print(f"\n{'':36} {'/ pythae':>9} {'/ loader':>9} {'share of the matrix product rate':>33}")
    for name in precisions:
        peak = result[f"matrix product, {name}, GFLOP/s"] * 1e9
        for label in variants:
            zatlas = result[f"zatlas, {name}, {label}"]
            ratios = [zatlas / result[f"{other}, batch 128"] for other in ("pythae", "loader")]
            share = f"{zatlas * OPERATIONS / peak:.0%}"
            print(f"{f'{name}, {label}':36} {ratios[0]:9.2f} {ratios[1]:9.2f} {share:>33}")


if __name__ == "__main__":
    main()
