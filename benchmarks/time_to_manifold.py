"""Wall time of a 2-D VAE on MNIST to a test -ELBO of 150 nats or less, and of the complete demo.

python benchmarks/time_to_manifold.py [--root FOLDER]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from time import perf_counter

from common import RIVALS, call, quiet
from mnist_file import mnist_npz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    given = parser.parse_args()
    data = mnist_npz(given.root)
    for epochs in (4, 6, 8, 12, 16, 24):
        result = call(
            sys.executable,
            RIVALS / "zatlas_train.py",
            root=data.parent,
            epochs=epochs,
            dim=2,
            widths="512,256",
        )
        print(f"{epochs} epochs: test -ELBO {result['loss']:.2f} nats after {result['seconds']:.1f} s")
        if result["loss"] <= 150:
            break
    with tempfile.TemporaryDirectory() as folder:
        begun = perf_counter()
        command = [sys.executable, "-m", "zatlas", "demo", "--out", f"{folder}/demo", "--no-open"]
        # The training above counts as a busy core, which the demo would leave alone.
        cores = {"OMP_NUM_THREADS": str(os.cpu_count())}
        subprocess.run(command, check=True, env={**quiet(), **cores}, capture_output=True)
        print(f"zatlas demo: {perf_counter() - begun:.1f} s from the command to the last figure")


if __name__ == "__main__":
    main()
