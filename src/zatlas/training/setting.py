"""Where and with what a training runs: processes, devices, versions, and the chance it starts from."""

import atexit
import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from zatlas.core.company import company
from zatlas.core.errors import TooLarge
from zatlas.core.logs import log_level
from zatlas.core.seeds import derive
from zatlas.data.imageset import ImageSet
from zatlas.models.description import Description
from zatlas.models.trainable import Trainable
from zatlas.store.run import FORMAT
from zatlas.training.recipe import Recipe
from zatlas.training.sharing import in_pieces, leave, strategy_of


def launch(recipe: Recipe, description: Description) -> Fabric:
    """Start Fabric in this process, or in each process that torchrun or srun started."""
    who = company()
    # Fabric would take a batch file's own process for the first of several.
    plugins = [LightningEnvironment()] if who.size == 1 else None
    players = 1 if who.size == 1 else count_players(description)
    with log_level("lightning_fabric", logging.WARNING if who.size > 1 else logging.NOTSET):
        fabric = Fabric(
            devices=who.here,
            num_nodes=who.machines,
            strategy=strategy_of(recipe, who, players),
            precision=recipe.training.precision,
            plugins=plugins,
        )
        fabric.launch()
    if who.size > 1:
        atexit.register(leave, getattr(fabric.strategy, "device_mesh", None))
    return fabric


def count_players(description: Description) -> int:
    """The number of players that take turns in training a model of this description."""
    with torch.random.fork_rng(devices=[]):
        return len(cast(Trainable, description.build()).players())


@contextmanager
def exactly(seed: int, fabric: Fabric) -> Iterator[None]:
    """Chance from the seed alone, and sums in one order, within the block; afterwards all is as it was."""
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    cuda = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(derive(seed, "weights"))
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = False  # writes much, and nobody reads it
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warn_only)
            memory.fill_uninitialized_memory = fill


@contextmanager
def within_memory(recipe: Recipe) -> Iterator[None]:
    """Turn the refusal of memory into a sentence that says what to make smaller."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = str(error).lower()
        if not isinstance(error, MemoryError) and "memory" not in words:
            raise
        raise TooLarge(
            "Model and batch do not fit into memory. Make smaller images (--size), smaller batches "
            f"(--set training.batch={max(recipe.training.batch // 2, 1)}) or a smaller net. "
            "Checkpoints that were saved are untouched."
        ) from error


def machine(fabric: Fabric) -> dict[str, Any]:
    """What must be the same for two trainings to be the same to the bit."""
    cuda = fabric.device.type == "cuda"
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(fabric.device) if cuda else str(fabric.device),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "processes": fabric.world_size,
        "strategy": "alone" if fabric.world_size == 1 else "fsdp" if in_pieces(fabric) else "ddp",
    }


def made(recipe: Recipe, images: ImageSet, fabric: Fabric) -> dict[str, Any]:
    """How a run is made, for its made.json."""
    return {
        "format": FORMAT,
        "zatlas": version("zatlas"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "seed": recipe.seed,
        "images": images.describe(),
        "data": images.fingerprint,
        **machine(fabric),
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()
