"""What each thing costs as images become more: rate, peak memory, bytes of a first view, and how they grow.

python -m benchmarks.scale [--parts train encode ray chart tiles serve] [--largest 6]

Each size of each part is measured in a process of its own. The growth is the slope between the logarithms
of time and count, from the smallest size to the largest; 1 is linear. The tables are markdown, as they
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
    "landmarks": "seconds for the landmarks", "tiles": "tiles", "first_view": "MB of the first view",
    "tile_ms": "ms a tile", "worker": "MB of the largest worker",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--largest", type=int, default=6, help="power of ten")
    given = parser.parse_args()
    print("| what | images | seconds | a second | peak memory | beside it |")
    print("|---|---|---|---|---|---|")
    slopes, seconds = {}, {}
    with tempfile.TemporaryDirectory() as room:
        for part in given.parts:
            found = {}
            for power in range(SMALLEST, given.largest + 1):
                found[power] = measured(part, 10**power, room)
                print(row(part, 10**power, found[power]), flush=True)
            seconds[part] = {power: told["seconds"] for power, told in found.items()}
            slopes[part] = slope(seconds[part])
    print("\n| what | growth of the time |\n|---|---|")
    for part, value in slopes.items():
        print(f"| {WORDS[part]} | {value:.2f} |")
    if {"encode", "ray"} <= set(seconds) and given.largest > SMALLEST:
        here, ray = (beyond_start(seconds[part]) for part in ("encode", "ray"))
        print(f"\nBeyond what it takes to start, ray encodes at {here / ray:.2f} of the rate here.")


def measured(part: str, count: int, room: str) -> dict[str, Any]:
    """What a process of its own says of this part at this size."""
    command = [sys.executable, "-m", "benchmarks.scale.parts", part, str(count), "--room", room]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=quiet())
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(part: str, count: int, told: dict[str, Any]) -> str:
    """One line of the table."""
    beside = ", ".join(f"{told[key]:,.3g} {words}" for key, words in EXTRA.items() if key in told)
    rate = count / told["seconds"]
    return (
        f"| {WORDS[part]} | {count:,} | {told['seconds']:,.2f} | {rate:,.0f} "
        f"| {told['rss']:,.0f} MB | {beside} |"
    )


def beyond_start(seconds: dict[int, float]) -> float:
    """What the images of the largest size took that the smallest size has not."""
    return seconds[max(seconds)] - seconds[min(seconds)]


def slope(seconds: dict[int, float]) -> float:
    """How the time grows with the count from the smallest size to the largest: 1 is linear."""
    low, high = min(seconds), max(seconds)
    return (log10(seconds[high]) - log10(seconds[low])) / max(high - low, 1)


if __name__ == "__main__":
    main()
