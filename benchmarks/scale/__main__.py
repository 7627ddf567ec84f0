"""Cost of each step against the number of images: rate, memory, size of the first view, and growth.

python -m benchmarks.scale [--parts train encode ray chart tiles serve] [--largest 6]

Each size of each step is measured in its own process. The growth is the exponent from the smallest size to
the largest; 1 is linear. A line through the two largest sizes extrapolates to sizes that were not
measured. The tables are those of docs/scale.md. Nearest neighbours have their own benchmark:
benchmarks/scale/neighbours.py.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from math import log10
from typing import Any

from benchmarks.common import quiet
from benchmarks.scale.parts import PARTS

SMALLEST = 4  # powers of ten
WORDS = {
    "train": "training, an epoch of a small VAE, 32x32 images",
    "encode": "encoding in one process, 32x32 images, 16 dimensions",
    "ray": "encoding with Ray on this machine",
    "chart": "positions among 20,000 landmarks, 16 dimensions",
    "tiles": "tiles of a chart, with counts of 50 classes",
    "serve": "making a page",
}
EXTRA = {
    "landmarks": "s for the landmarks",
    "tiles": "tiles",
    "first_view": "MB in the first view",
    "tile_ms": "ms a tile",
    "worker": "MB of the largest worker",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--largest", type=int, default=6, choices=range(5, 10), help="power of ten")
    given = parser.parse_args()
    print("| what | images | seconds | images/s | peak memory | also |")
    print("|---|---|---|---|---|---|")
    seconds: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in given.parts:
            seconds[part] = {}
            for power in range(SMALLEST, given.largest + 1):
                labelled = measured(part, 10**power, folder)
                seconds[part][10**power] = labelled["seconds"]
                print(row(part, 10**power, labelled), flush=True)
    print("\n| what | exponent | start | per image | 10^8, extrapolated | 10^9, extrapolated |")
    print("|---|---|---|---|---|---|")
    for part, result in seconds.items():
        print(fitted_row(part, result))
    here, ray = (fitted(seconds[part])[1] if part in seconds else 0 for part in ("encode", "ray"))
    if here > 0 and ray > 0:
        print(f"\nWithout the start, Ray encodes at {here / ray:.2f} of the rate of one process.")


def measured(part: str, count: int, folder: str) -> dict[str, Any]:
    """The result of a separate process for this step at this size."""
    command = [sys.executable, "-m", "benchmarks.scale.parts", part, str(count), "--folder", folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=quiet())
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def row(part: str, count: int, output: dict[str, Any]) -> str:
    """One line of the table."""
    other = ", ".join(f"{output[key]:,.3g} {words}" for key, words in EXTRA.items() if key in output)
    rate = count / output["seconds"]
    return (
        f"| {WORDS[part]} | {count:,} | {output['seconds']:,.2f} | {rate:,.0f} "
        f"| {output['rss']:,.0f} MB | {other} |"
    )


def fitted_row(part: str, seconds: dict[int, float]) -> str:
    """Growth of the time of a step, and the extrapolation of its line."""
    start, each = fitted(seconds)
    head = f"| {WORDS[part]} | {slope(seconds):.2f} |"
    if each <= 0:  # only the start was measured
        return f"{head} {max(seconds.values()):,.1f} s | too little to tell | | |"
    far = " | ".join(duration(start + each * count) for count in (10**8, 10**9))
    return f"{head} {start:,.1f} s | {1e6 * each:,.2f} us | {far} |"


def fitted(seconds: dict[int, float]) -> tuple[float, float]:
    """Seconds to start, and per image, from the two largest sizes."""
    less, most = sorted(seconds)[-2:]
    each = (seconds[most] - seconds[less]) / (most - less)
    return max(seconds[most] - each * most, 0.0), each


def slope(seconds: dict[int, float]) -> float:
    """Exponent of the time against the count, from the smallest size to the largest; 1 is linear."""
    least, most = min(seconds), max(seconds)
    return log10(seconds[most] / seconds[least]) / log10(most / least)


def duration(seconds: float) -> str:
    """Seconds in a readable unit."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


if __name__ == "__main__":
    main()
