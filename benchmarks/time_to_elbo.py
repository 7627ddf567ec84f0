"""Wall time to the test -ELBO that pythae's trainer reaches in 10 epochs: the same network on MNIST.

python benchmarks/time_to_elbo.py [--root FOLDER] [--repeats 3]
"""

import argparse
import sys
from statistics import median

from common import RIVALS, call, environment
from mnist_file import mnist_npz

EPOCHS, RATE = 4, 1.6e-2  # of zatlas; pythae has 10 epochs at batch 64 and rate 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    data = mnist_npz(given.root)
    rival = environment("pythae", "torch==2.13.0", "pythae==0.1.2", "pillow")
    pythae, ours = [], []
    for turn in range(given.repeats):
        theirs = RIVALS / "pythae_train.py"
        pythae.append(call(rival, theirs, data=data, epochs=10, batch=64, rate=1e-3, seed=turn))
        mine = RIVALS / "zatlas_train.py"
        ours.append(call(sys.executable, mine, root=data.parent, epochs=EPOCHS, rate=RATE, seed=turn))
        for name, result in (("pythae", pythae[-1]), ("zatlas", ours[-1])):
            labelled = f"{result['loss']:.2f} nats in {result['seconds']:.1f} s"
            print(f"  turn {turn + 1}: {name} {labelled}", file=sys.stderr)
    center = {
        name: {key: median(one[key] for one in results) for key in ("loss", "seconds")}
        for name, results in (("pythae", pythae), ("zatlas", ours))
    }
    for name, result in center.items():
        print(f"{name}: test -ELBO {result['loss']:.2f} nats after {result['seconds']:.1f} s")
    print(f"time, pythae / zatlas: {center['pythae']['seconds'] / center['zatlas']['seconds']:.2f}")
    print(f"zatlas reached it: {center['zatlas']['loss'] <= center['pythae']['loss']}")


if __name__ == "__main__":
    main()
