"""A chart laid out in a process of its own, at a low priority, so that a server stays quick meanwhile."""

import io
import os
import subprocess
import sys

import numpy as np

from zatlas.core.arrays import Labels, Latents
from zatlas.core.errors import BadData, TooLarge, ZatlasError
from zatlas.latent import chart as charts
from zatlas.latent.chart import Chart

NICENESS = 15  # of that process
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # it has one
PROGRAM = "from zatlas.latent.subprocess_layout import work; work()"
FAILED = 3  # its status, with a sentence on stderr


def make_in_subprocess(latents: Latents, layout: str, labels: Labels | None = None) -> Chart:
    """The same chart as `chart.make` gives, made by another process."""
    given = {"points": latents} if labels is None else {"points": latents, "labels": labels}
    # Without -P, Python would look for modules in the working directory first.
    command = [sys.executable, "-P", "-c", PROGRAM, layout]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    done = subprocess.run(command, input=_packed(**given), capture_output=True, env=environment)
    if done.returncode == FAILED:
        raise BadData(done.stderr.decode(errors="replace").strip())
    if done.returncode:
        raise TooLarge(
            f"The process that laid out the chart {layout!r} ended with status {done.returncode}; it may "
            "have run out of memory. Show fewer points: --points"
        )
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as result:
        frame = result["frame"] if "frame" in result.files else None
        made = {"seed": 0, "labels": labels is not None, "settings": {}}
        return Chart(latents, result["places"], layout, made, frame)


def main() -> None:
    """What that process does: arrays on stdin become arrays on stdout."""
    if os.name == "posix":
        os.nice(NICENESS)
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        latents, labels = given["points"], given["labels"] if "labels" in given.files else None
    try:
        made = charts.make_chart(latents, sys.argv[1], labels)
    except ZatlasError as error:
        sys.stderr.write(str(error))
        sys.exit(FAILED)
    result = {"places": made.positions} if made.components is None else vars(made)
    sys.stdout.buffer.write(_packed(**{k: result[k] for k in ("places", "frame") if k in result}))


def _packed(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()
