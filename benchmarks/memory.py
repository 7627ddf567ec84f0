"""Peak memory while training on 10,000 and on 1,000,000 drawn 32x32 images, memory-mapped from a file.

python benchmarks/memory.py [--most 1000000]
"""

import argparse
import json
import subprocess
import sys

from common import quiet

# Two runs of the same number of steps, with different numbers of images.
MEASURED = """
import json, sys, tempfile
from pathlib import Path
from benchmarks.common import peak_memory
from zatlas.data import sources
from zatlas.training.loop import fit
from zatlas.training.recipe import make_recipe
count, epochs = int(sys.argv[1]), int(sys.argv[2])
recipe = make_recipe({
    "data": {"source": "sprites", "count": count, "size": 32},
    "net": {"name": "mlp", "widths": [256]},
    "training": {"epochs": epochs, "batch": 512, "preview": 0},
})
images = sources.load("sprites", size=32, count=count)
with tempfile.TemporaryDirectory() as folder:
    fit(recipe, images, Path(folder) / "run")
print(json.dumps({"peak": peak_memory(), "pixels": images.pixels.nbytes / 2**20}))
"""
DRAW = "import sys; from zatlas.data import sources; sources.load('sprites', size=32, count=int(sys.argv[1]))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    given = parser.parse_args()
    result = {}
    for count, epochs in ((10_000, 10), (given.most, 1)):
        # Another process draws the images first, so that only training is measured.
        subprocess.run([sys.executable, "-c", DRAW, str(count)], check=True, env=quiet())
        command = [sys.executable, "-c", MEASURED, str(count), str(epochs)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=quiet())
        result[count] = json.loads(done.stdout.splitlines()[-1])
        labelled = f"peak {result[count]['peak']:,.0f} MiB with {result[count]['pixels']:,.0f} MiB of pixels"
        print(f"{count:>9,} images: {labelled}")
    few, many = (result[count]["peak"] for count in result)
    print(f"growth: {many / few - 1:.1%}")


if __name__ == "__main__":
    main()
