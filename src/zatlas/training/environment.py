"""The processes, devices, versions and random state of a training."""

import atexit
import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from zatlas.core.errors import TooLarge
from zatlas.core.logs import log_level
from zatlas.core.process_group import process_group
from zatlas.core.seeds import derive
from zatlas.core.shell import how_to_set
from zatlas.core.system import SYSTEM
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.description import Description
from zatlas.models.device import resolve_device
from zatlas.models.trainable import Trainable
from zatlas.store.run import FORMAT
from zatlas.training.precision import bfloat16_gain, choose_precision
from zatlas.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def launch(recipe: Recipe, description: Description, device: str = "auto") -> "Fabric":
    """Start Fabric on a device, in this process or in each process that torchrun or srun started."""
    from lightning_fabric import Fabric  # slow to import, as is torch.distributed
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    from zatlas.training.distributed import choose_strategy, leave_process_group

    group = process_group()
    # Without this, Fabric takes the process of a SLURM batch file for the first of several.
    plugins: Any = [LightningEnvironment()] if group.world_size == 1 else None
    players = 1 if group.world_size == 1 else count_players(description)
    with log_level("lightning_fabric", logging.WARNING if group.world_size > 1 else logging.NOTSET):
        fabric = Fabric(
            accelerator=resolve_device(device),
            devices=group.local_world_size,
            num_nodes=group.machines,
            strategy=choose_strategy(recipe, group, players),
            plugins=plugins,
        )
        fabric.launch()
    if group.world_size > 1:
        atexit.register(leave_process_group, getattr(fabric.strategy, "device_mesh", None))
    return fabric


def count_players(description: Description) -> int:
    """Return the number of players of a model, which take turns in training; 2 for a GAN."""
    with torch.random.fork_rng(devices=[]):
        return len(cast(Trainable, description.build()).networks())


@contextmanager
def deterministic(seed: int, fabric: "Fabric") -> Iterator[None]:
    """Seed torch and use its deterministic algorithms inside the block, and restore both after it."""
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    cuda = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(derive(seed, "weights"))
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = False  # it takes time, and no tensor is read before it is written
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warn_only)
            memory.fill_uninitialized_memory = fill


@contextmanager
def explain_out_of_memory(recipe: Recipe) -> Iterator[None]:
    """Raise `TooLarge`, which says what to make smaller, where memory is full."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
            raise
        smaller = how_to_set("training.batch", max(recipe.training.batch // 2, 1))
        raise TooLarge(
            "The model and a batch do not fit into memory. Use smaller images (--size; in Python: size=), a "
            f"smaller net, or smaller batches: {smaller}. The checkpoints are unchanged."
        ) from error


def machine(recipe: Recipe, fabric: "Fabric") -> dict[str, Any]:
    """Return what two trainings must have in common to give the same bits."""
    from zatlas.training.distributed import is_sharded

    cuda = fabric.device.type == "cuda"
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(fabric.device) if cuda else str(fabric.device),
        "processor": SYSTEM.processor_name(),
        "threads": torch.get_num_threads(),
        "precision": choose_precision(recipe, fabric.device).name,
        "processes": fabric.world_size,
        "strategy": "single process" if fabric.world_size == 1 else "fsdp" if is_sharded(fabric) else "ddp",
    }


def provenance(recipe: Recipe, images: ImageDataset, fabric: "Fabric", model: nn.Module) -> dict[str, Any]:
    """Return the contents of a run's made.json: versions, seed, data, machine, and the precision's reason."""
    steps = recipe.training.epochs * -(-len(images.rows("train")) // recipe.training.batch)
    single = fabric.world_size == 1
    return {
        "format": FORMAT,
        "zatlas": version("zatlas"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "seed": recipe.seed,
        "dataset": images.describe(),
        "fingerprint": images.fingerprint,
        **machine(recipe, fabric),
        "precision_reason": choose_precision(recipe, fabric.device).reason,
        "bfloat16_gain": bfloat16_gain(model, recipe, images.shape, steps, fabric.device) if single else None,
    }
