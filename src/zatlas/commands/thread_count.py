"""Set the number of threads of this process, which only the command line does.

On a machine where other programs are busy, a thread without a core of its own makes all others wait.
"""

import os
from pathlib import Path

from zatlas.core.errors import BadRecipe, ZatlasError
from zatlas.core.logs import LOG
from zatlas.core.process_group import process_group
from zatlas.core.system import SYSTEM

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # set by a user or a launcher who chose the number
MAX_THREADS = 1024


def use_threads(threads: int | None, run: Path | None = None) -> None:
    """Set the number of threads: the given one, that of the run to resume, or one for each idle core.

    The last two leave a number alone that the environment or a launcher of several processes has set.
    """
    import torch

    if threads is not None:
        if not 1 <= threads <= MAX_THREADS:
            raise BadRecipe(f"--threads takes a whole number from 1 to {MAX_THREADS:,}, not {threads}.")
        torch.set_num_threads(threads)
        return
    if any(os.environ.get(name) for name in VARIABLES) or process_group().world_size > 1:
        return
    cores = torch.get_num_threads()
    chosen = idle_cores(cores, SYSTEM.busy_cores()) if run is None else _threads_of(run) or cores
    if chosen == cores:
        return
    torch.set_num_threads(chosen)
    reason = "other programs use the other cores" if run is None else f"{run} was trained with that number"
    plural = "s" if chosen > 1 else ""
    LOG.info(f"Using {chosen} thread{plural}, because {reason}. For another number: --threads")


def idle_cores(cores: int, busy: float) -> int:
    """Return how many of the cores are idle, at least 1, if programs use `busy` of them."""
    return max(1, min(cores, round(cores - busy)))


def _threads_of(run: Path) -> int | None:
    """Return the number of threads that a run was trained with; None if its file does not say."""
    from zatlas.store.run import Run

    try:
        threads = Run(run).provenance().get("threads")
    except (OSError, ValueError, AttributeError, ZatlasError):
        return None  # resuming reports what is wrong with the run
    return threads if isinstance(threads, int) and 1 <= threads <= MAX_THREADS else None
