"""The process group of this process, from the environment variables of torchrun or srun."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from zatlas.core.errors import NotSupported

INTERACTIVE_JOBS = ("bash", "interactive")  # names of interactive SLURM jobs


@dataclass(frozen=True)
class ProcessGroup:
    """The rank of this process, the number of processes on each machine, and the number of machines."""

    rank: int = 0
    local_world_size: int = 1
    machines: int = 1

    @property
    def world_size(self) -> int:
        """The number of processes on all machines."""
        return self.local_world_size * self.machines

    @property
    def is_main(self) -> bool:
        """Whether this process prints messages and writes shared files."""
        return self.rank == 0


def process_group(environment: Mapping[str, str] = os.environ) -> ProcessGroup:
    """Return the process group that torchrun or srun started; a group of one process without them."""
    if "TORCHELASTIC_RUN_ID" in environment:
        here, size = int(environment["LOCAL_WORLD_SIZE"]), int(environment["WORLD_SIZE"])
        if size % here:
            raise _uneven(size, "torchrun", "--nproc-per-node")
        return ProcessGroup(int(environment["RANK"]), here, size // here)
    # The process of a batch file has SLURM's variables too, but no step.
    if "SLURM_STEP_ID" in environment and environment.get("SLURM_JOB_NAME") not in INTERACTIVE_JOBS:
        size, machines = int(environment.get("SLURM_NTASKS", "1")), int(environment.get("SLURM_NNODES", "1"))
        here = int(environment.get("SLURM_NTASKS_PER_NODE", "1" if size == 1 else "0"))
        if here * machines != size:
            raise _uneven(size, "srun", "--ntasks-per-node")
        return ProcessGroup(int(environment.get("SLURM_PROCID", "0")), here, machines)
    return ProcessGroup()


def _uneven(size: int, launcher: str, option: str) -> NotSupported:
    return NotSupported(
        f"{launcher} started {size} processes, and does not report the same number for each machine. "
        f"Start the same number on each: {launcher} {option}=N."
    )
