"""The cost of following a training with the explorer and an open page: its time, and its weights.

python benchmarks/explorer_follow.py [--epochs 90] [--repeats 3]

Each training is timed without and with a follower, in turn, by its own clock, from a third of its epochs
on: by then the explorer has started. The weights must be identical to the bit.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from common import in_turns, quiet

SEEN: set[str] = set()  # digests of the weights
SHARES: list[float] = []  # shares of one core that the explorer used after its start
STATES: list[int] = []  # number of states of the run that the page received


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zatlas-follow-") as folder:
        path = Path(folder)
        result = in_turns(
            given.repeats,
            {
                "alone": lambda: train(path, given.epochs, followed=False),
                "followed": lambda: train(path, given.epochs, followed=True),
            },
        )
    alone, followed = median(result["alone"]), median(result["followed"])
    print(f"not followed {alone:.1f} s, followed {followed:.1f} s: slower by {followed / alone - 1:+.1%}")
    print(f"of one core, the explorer took {', '.join(f'{share:.1%}' for share in SHARES)}")
    print(f"weights: {len(SEEN)} kind(s); states that a page received: {STATES}")


def train(path: Path, epochs: int, *, followed: bool) -> float:
    """Seconds of the epochs of one training."""
    run = path / f"run-{time.monotonic_ns()}"
    words = ["train", "fashion-mini", "--dim", 12, "--epochs", epochs, "--out", run]
    words += ["--set", "training.preview=0", "--set", "net.name=mlp"]
    command = [sys.executable, "-m", "zatlas", *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet()
    ) as training:
        while not (run / "made.json").exists():
            assert training.poll() is None
            time.sleep(0.05)
        if followed:
            watch(run, training)
        training.wait()
    SEEN.add(hashlib.sha256((run / "weights.safetensors").read_bytes()).hexdigest())
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return rows[-1]["seconds"] - rows[len(rows) // 3]["seconds"]


def watch(run: Path, training: subprocess.Popen) -> None:
    """Explore the run and request its manifest like a page, until the training ends."""
    command = [sys.executable, "-m", "zatlas", "explore", str(run), "--no-open"]
    pipe, stamps = subprocess.PIPE, []
    with subprocess.Popen(
        command, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=quiet()
    ) as explorer:
        url = explorer.stdout.readline().strip()
        json.load(urlopen(f"{url}data/manifest.json"))  # this file shows that it has started
        begun, before = time.monotonic(), processor(explorer.pid)
        while training.poll() is None:
            result = json.load(urlopen(f"{url}data/manifest.json"))["runs"][0]
            if result["stamp"] not in stamps:
                stamps.append(result["stamp"])
                urlopen(url + result["table"]).read()
            time.sleep(1)
        taken = processor(explorer.pid) - before
        SHARES.append(taken / (time.monotonic() - begun))
        explorer.terminate()
    STATES.append(len(stamps))


def processor(process: int) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
