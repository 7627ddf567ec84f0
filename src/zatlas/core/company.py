"""The processes that work together, as the launcher that started them says in the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from zatlas.core.errors import NotSupported

BY_HAND = ("bash", "interactive")  # names of SLURM jobs in which a person types


@dataclass(frozen=True)
class Company:
    """This process's number among all, how many there are on each machine, and how many machines."""

    rank: int = 0
    here: int = 1
    machines: int = 1

    @property
    def size(self) -> int:
        """How many processes there are in all."""
        return self.here * self.machines

    @property
    def speaks(self) -> bool:
        """Whether this is the one that tells people and writes what is shared."""
        return self.rank == 0


def company(said: Mapping[str, str] = os.environ) -> Company:
    """The company that torchrun or srun has started; a process that is alone makes one of its own."""
    if "TORCHELASTIC_RUN_ID" in said:
        here, size = int(said["LOCAL_WORLD_SIZE"]), int(said["WORLD_SIZE"])
        if size % here:
            raise _uneven(size, "torchrun", "--nproc-per-node")
        return Company(int(said["RANK"]), here, size // here)
    # A batch file's own process has SLURM's variables too, but no number of a step.
    if "SLURM_STEP_ID" in said and said.get("SLURM_JOB_NAME") not in BY_HAND:
        size, machines = int(said.get("SLURM_NTASKS", "1")), int(said.get("SLURM_NNODES", "1"))
        here = int(said.get("SLURM_NTASKS_PER_NODE", "1" if size == 1 else "0"))
        if here * machines != size:
            raise _uneven(size, "srun", "--ntasks-per-node")
        return Company(int(said.get("SLURM_PROCID", "0")), here, machines)
    return Company()


def _uneven(size: int, launcher: str, option: str) -> NotSupported:
    return NotSupported(
        f"{launcher} has started {size} processes, and not equally many on each machine, as far as "
        f"is said. Start the same number on each: {launcher} {option}=N."
    )
