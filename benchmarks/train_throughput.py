"""Images per second of training a 784-512-16 VAE on MNIST, against pythae's trainer and a DataLoader.

python benchmarks/train_throughput.py [--root FOLDER] [--repeats 3]
"""

import argparse
import sys
from pathlib import Path

from common import RIVALS, call, environment, in_turns, matrix_product_rate, medians
from mnist_file import mnist_npz

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

    result = medians(
        in_turns(
            given.repeats,
            {
                "zatlas, batch 128": lambda: rate(sys.executable, ours, batch=128, epochs=4, **root),
                "zatlas, default batch": lambda: rate(sys.executable, ours, epochs=4, **root),
                "pythae, batch 128": lambda: rate(rival, theirs, data=data, epochs=3, batch=128),
                "loader, batch 128": lambda: rate(rival, plain, data=data, epochs=2, batch=128),
                "matrix product, GFLOP/s": lambda: matrix_product_rate() / 1e9,
            },
        )
    )
    for name, value in result.items():
        print(f"{name:28} {value:10,.0f}" + ("" if "GFLOP" in name else " images/s"))
    zatlas, peak = result["zatlas, batch 128"], result["matrix product, GFLOP/s"] * 1e9
    print(f"zatlas / pythae, batch 128          {zatlas / result['pythae, batch 128']:.2f}")
    print(f"zatlas / loader, batch 128          {zatlas / result['loader, batch 128']:.2f}")
    default = result["zatlas, default batch"] / result["pythae, batch 128"]
    print(f"zatlas default batch / pythae       {default:.2f}")
    print(f"share of the matrix product's rate  {zatlas * OPERATIONS / peak:.0%}")


if __name__ == "__main__":
    main()
