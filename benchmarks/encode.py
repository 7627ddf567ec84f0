"""Images per second from a mapped file to the table of latents, against the encoder only; peak memory.

python benchmarks/encode.py [--most 1000000] [--repeats 5]

The baseline calls the encoder with the same batches, already floats in memory. Memory is that of a process
that encodes 10,000 and of one that encodes 1,000,000 drawn 32x32 images.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from common import in_turns, medians, quiet

RUN = """
import sys
from zatlas.create import train
train(f"sprites:count={sys.argv[1]}", size=32, dim=16, epochs=1, out=sys.argv[2], verbose=False,
      settings={"net.name": sys.argv[3], "training.preview": 0, "training.batch": 1024})
"""
MEASURED = """
import json, sys
from benchmarks.common import peak_memory
from zatlas.workspace import Workspace
Workspace.open(sys.argv[1]).encode("train")
print(json.dumps(peak_memory()))
"""


def python(latent: str, *words: object) -> str:
    command = [sys.executable, "-c", latent, *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=quiet())
    return done.stdout


def rates(folder: Path, repeats: int) -> None:
    from zatlas.models.device import images_per_batch
    from zatlas.workspace import Workspace

    for net in ("mlp", "conv"):
        run = folder / net
        python(RUN, 20_000, run, net)
        workspace = Workspace.open(run)
        rows = workspace.rows("train")
        complete = workspace.dataset.images(rows)
        generator = workspace.generator
        workspace.encode("train")  # warm up for both

        def to_table(workspace=workspace, rows=rows) -> float:
            path = workspace.encode("train")
            path.unlink()
            begun = perf_counter()
            workspace.encode("train")
            return len(rows) / (perf_counter() - begun)

        size = images_per_batch(complete[0].size, generator.device, generator.batch)

        def bare(generator=generator, complete=complete, size=size) -> float:
            begun = perf_counter()
            for start in range(0, len(complete), size):
                generator._call(generator.encoder, complete[start : start + size], None)
            return len(complete) / (perf_counter() - begun)

        result = medians(in_turns(repeats, {"to the table": to_table, "the encoder alone": bare}))
        share = result["to the table"] / result["the encoder alone"]
        labelled = ", ".join(f"{name} {rate:,.0f}" for name, rate in result.items())
        print(f"{net}: images a second: {labelled}; share {share:.0%}")


def memory(folder: Path, most: int) -> None:
    peaks = []
    for count in (10_000, most):
        run = folder / f"of-{count}"
        python(RUN, count, run, "mlp")
        peaks.append(float(json.loads(python(MEASURED, run).splitlines()[-1])))
        print(f"{count:>9,} images: peak {peaks[-1]:,.0f} MiB")
    print(f"memory: {peaks[1] / peaks[0]:.3f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates(Path(folder), given.repeats)
        memory(Path(folder), given.most)


if __name__ == "__main__":
    main()
