"""What each thing costs as images become more: rate, peak memory, bytes of a first view, and how they grow.

python -m benchmarks.scale [--parts train encode ray chart tiles serve] [--largest 6]

Each size of each part is measured in a process of its own. The growth is the slope between the logarithms
of time and count, from the smallest size to the largest; 1 is linear. A line through the two largest sizes
is followed to sizes that were not measured. The tables are markdown, as they
stand in docs/scale.md. Neighbours have a benchmark of their own: benchmarks/scale/neighbours.py.
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
    "encode": "encoding here, 32x32 images, 16 axes",
    "ray": "encoding by ray on this machine",
    "chart": "places among 20,000 landmarks, 16 axes",
    "tiles": "tiles of a chart, with counts of 50 classes",
    "serve": "a page made",
}
EXTRA = {
    "landmarks": "seconds for the landmarks",
    "tiles": "tiles",
    "first_view": "MB of the first view",
    "tile_ms": "ms a tile",
    "worker": "MB of the largest worker",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--largest", type=int, default=6, choices=range(5, 10), help="power of ten")
    given = parser.parse_args()
    print("| what | images | seconds | a second | peak memory | beside it |")
    print("|---|---|---|---|---|---|")
    seconds: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in given.parts:
            seconds[part] = {}
            for power in range(SMALLEST, given.largest + 1):
                told = measured(part, 10**power, folder)
                seconds[part][10**power] = told["seconds"]
                print(row(part, 10**power, told), flush=True)
    print(
        "\n| what | growth | to start | each image | 10^8, extrapolated | 10^9 |\n|---|---|---|---|---|---|"
    )
    for part, result in seconds.items():
        print(fitted_row(part, result))
    here, ray = (fitted(seconds[part])[1] if part in seconds else 0 for part in ("encode", "ray"))
    if here > 0 and ray > 0:
        print(f"\nBeyond what it takes to start, ray encodes at {here / ray:.2f} of the rate here.")


def measured(part: str, count: int, folder: str) -> dict[str, Any]:
    """What a process of its own says of this part at this size."""
    command = [sys.executable, "-m", "benchmarks.scale.parts", part, str(count), "--room", folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=quiet())
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def row(part: str, count: int, told: dict[str, Any]) -> str:
    """One line of the table."""
    beside = ", ".join(f"{told[key]:,.3g} {words}" for key, words in EXTRA.items() if key in told)
    rate = count / told["seconds"]
    return (
        f"| {WORDS[part]} | {count:,} | {told['seconds']:,.2f} | {rate:,.0f} "
        f"| {told['rss']:,.0f} MB | {beside} |"
    )


def fitted_row(part: str, seconds: dict[int, float]) -> str:
    """How the time of a part grows, and what the line through its two largest sizes leads to."""
    start, each = fitted(seconds)
    head = f"| {WORDS[part]} | {slope(seconds):.2f} |"
    if each <= 0:  # the start is all that was seen
        return f"{head} {max(seconds.values()):,.1f} s | too little to tell | | |"
    far = " | ".join(duration(start + each * count) for count in (10**8, 10**9))
    return f"{head} {start:,.1f} s | {1e6 * each:,.2f} us | {far} |"


def fitted(seconds: dict[int, float]) -> tuple[float, float]:
    """Seconds to start, and for each image, by the two largest sizes."""
    less, most = sorted(seconds)[-2:]
    each = (seconds[most] - seconds[less]) / (most - less)
    return max(seconds[most] - each * most, 0.0), each


def slope(seconds: dict[int, float]) -> float:
    """How the time grows with the count from the smallest size to the largest: 1 is linear."""
    least, most = min(seconds), max(seconds)
    return log10(seconds[most] / seconds[least]) / log10(most / least)


def duration(seconds: float) -> str:
    """Seconds in words that one can picture."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


if __name__ == "__main__":
    main()
