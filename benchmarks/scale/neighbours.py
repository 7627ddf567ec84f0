"""At which number of latents a saved index pays: exact search against cells, and the recall.

python -m benchmarks.scale.neighbours [--counts 10000 100000 1000000] [--dims 16 64]

For each size: seconds to build the index, milliseconds of both searches for the 10 nearest of one latent
and of 1,000, the recall, the peak memory of a process with each search, and how many single queries
amortize the index.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.common import peak_memory, quiet
from benchmarks.scale.parts import codes
from zatlas.latent.neighbor_index import IndexedNeighbors
from zatlas.latent.neighbors import ExactNeighbors

K, MANY = 10, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dims", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--search", choices=["exact", "index"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.search:
        print(json.dumps(searched(given.search, given.counts[0], given.dims[0], given.file)))
        return
    print(
        "| dimensions | latents | build | one, exact | one, index | 1,000, exact | 1,000, index | recall@10 "
        "| memory, exact | memory, index | queries to amortize the index |"
    )
    print("|" + "---|" * 11)
    for dim in given.dims:
        for count in given.counts:
            print(row(dim, count), flush=True)


def row(dim: int, count: int) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "codes.0.cells.npz"
        z, _ = codes(count, dim)
        begun = perf_counter()
        index = IndexedNeighbors(z, file)
        index.search(z[:1], K)  # builds it
        built = perf_counter() - begun
        query = asked(z)
        true, result = ExactNeighbors(z).search(query, K)[0], index.search(query, K)[0]
        recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(true, result, strict=True)])
        del index
        exact, saved = (apart(how, count, dim, file) for how in ("exact", "index"))
    gain = (exact["one"] - saved["one"]) / 1000
    worth = f"{built / gain:,.0f}" if gain > 0 else "never"
    return (
        f"| {dim} | {count:,} | {built:,.1f} s | {exact['one']:.2f} ms | {saved['one']:.2f} ms "
        f"| {exact['many']:,.0f} ms | {saved['many']:,.0f} ms | {recall:.3f} "
        f"| {exact['rss']:,.0f} MB | {saved['rss']:,.0f} MB | {worth} |"
    )


def apart(how: str, count: int, dim: int, file: Path) -> dict[str, float]:
    """The same in its own process."""
    command = [sys.executable, "-m", "benchmarks.scale.neighbours", "--search", how]
    command += ["--counts", str(count), "--dims", str(dim), "--file", str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=quiet())
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def searched(how: str, count: int, dim: int, file: Path) -> dict[str, float]:
    """Milliseconds for one query and for a thousand, and this process's peak memory."""
    z, _ = codes(count, dim)
    near = ExactNeighbors(z) if how == "exact" else IndexedNeighbors(z, file)
    query = asked(z)
    near.search(query[:1], K)  # what is made once
    one = min(milliseconds(partial(near.search, query[i : i + 1], K)) for i in range(9))
    many = milliseconds(partial(near.search, query, K))
    return {"one": one, "many": many, "rss": peak_memory()}


def asked(z: np.ndarray) -> np.ndarray:
    """Queries near latents, like those of a pointer on a map."""
    rng = np.random.default_rng(1)
    near = z[rng.integers(0, len(z), MANY)]
    return near + 0.3 * rng.standard_normal(near.shape, dtype=np.float32)


def milliseconds(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return 1000 * (perf_counter() - begun)


if __name__ == "__main__":
    main()
