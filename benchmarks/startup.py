"""Processor seconds from start to end of short commands: `python benchmarks/startup.py`.

Processor seconds include all threads and do not count other programs. They still grow by half on a busy
machine whose cores share caches, so the import of torch is measured in the same turns.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from common import in_turns
from zatlas.demo import unpack

COMMANDS = {
    "zatlas --help": 0.4,
    "zatlas presets": 0.4,
    "zatlas models": 0.4,
    "zatlas datasets": 0.4,
    "zatlas sample RUN": 2.3,
    "import torch": None,
}


def processor_seconds(name: str, run: Path) -> float:
    """Processor seconds of one call in a process of its own."""
    words = ["-c", name]
    if name.startswith("zatlas "):
        words = ["-m", *name.replace("RUN", str(run)).split()]
    before = os.times()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = unpack(Path(folder) / "faces-vae")
        runs = {name: partial(processor_seconds, name, run) for name in COMMANDS}
        for name in COMMANDS:
            runs[name]()  # latents are computed and files are read from the disk once
        result = in_turns(options.repeats, runs)
    print("| command | minimum, s | median, s | limit, s |\n|---|---|---|---|")
    for name, seconds in result.items():
        limit = "" if COMMANDS[name] is None else COMMANDS[name]
        print(f"| `{name}` | {min(seconds):.2f} | {median(seconds):.2f} | {limit} |")


if __name__ == "__main__":
    main()
