"""Charts fitted in a process of low priority, so that a server stays responsive."""

import io
import os
import subprocess
import sys

import numpy as np

from zatlas.core.arrays import Labels, Latents
from zatlas.core.errors import BadData, TooLarge, ZatlasError
from zatlas.core.system import SYSTEM
from zatlas.latent.chart import Chart, make_chart

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # set to 1 there
PROGRAM = "from zatlas.latent.subprocess_layout import main; main()"
FAILED = 3  # exit status of the process, with a message on stderr


def make_in_subprocess(latents: Latents, layout: str, labels: Labels | None = None) -> Chart:
    """Return the chart that `make_chart` returns, fitted by another process."""
    given = {"latents": latents} if labels is None else {"latents": latents, "labels": labels}
    # Without -P, Python would look for modules in the working directory first.
    command = [sys.executable, "-P", "-c", PROGRAM, layout]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    process = subprocess.run(command, input=_packed(**given), capture_output=True, env=environment)
    if process.returncode == FAILED:
        raise BadData(process.stderr.decode(errors="replace").strip())
    if process.returncode:
        raise TooLarge(
            f"The process that fitted the chart {layout!r} ended with status {process.returncode}. It may "
            "have run out of memory. Show fewer latents: --points (in Python: points=)"
        )
    with np.load(io.BytesIO(process.stdout), allow_pickle=False) as result:
        components = result["components"] if "components" in result.files else None
        parameters = {"seed": 0, "labels": labels is not None, "settings": {}}
        return Chart(latents, result["positions"], layout, parameters, components)


def main() -> None:
    """Read latents from stdin, and write the positions of their chart to stdout."""
    SYSTEM.lower_process_priority()
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        latents, labels = given["latents"], given["labels"] if "labels" in given.files else None
    try:
        chart = make_chart(latents, sys.argv[1], labels)
    except ZatlasError as error:
        sys.stderr.write(str(error))
        sys.exit(FAILED)
    components = {} if chart.components is None else {"components": chart.components}
    sys.stdout.buffer.write(_packed(positions=chart.positions, **components))


def _packed(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()
