"""Train one model in several processes.

With DDP each process holds all weights. With FSDP each process holds one shard of the weights, of their
gradients and of the optimizer's state.
Zhao et al. 2023, https://arxiv.org/abs/2304.11277
"""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from zatlas.core.errors import BadRecipe, PeerLost
from zatlas.core.process_group import ProcessGroup
from zatlas.core.shell import how_to_set, shell_command
from zatlas.models.trainable import Trainable
from zatlas.training import checkpoint
from zatlas.training.recipe import Recipe

TIMEOUT = timedelta(minutes=10)  # longest time that one process waits for another; longer than a save
LOST_PEER_ERRORS = (  # parts of the error messages where another process has ended
    "gloo",
    "NCCL",
    "Connection closed",
    "Connection reset",
    "Broken pipe",
)


def choose_strategy(recipe: Recipe, process_group: ProcessGroup, players: int) -> Strategy | str:
    """Return the strategy for Fabric; `players` is the number of players of the model."""
    if process_group.world_size == 1:
        return "auto"
    if recipe.training.strategy == "fsdp":
        return ModelParallelStrategy(
            _shard, data_parallel_size=process_group.world_size, tensor_parallel_size=1, timeout=TIMEOUT
        )
    # Players take turns, so at each step the weights of the other players have no gradient.
    return DDPStrategy(find_unused_parameters=players > 1, timeout=TIMEOUT)


def is_sharded(fabric: Fabric) -> bool:
    """Whether each process holds only a shard of each weight."""
    return isinstance(fabric.strategy, ModelParallelStrategy)


def check_strategy(model: nn.Module, fabric: Fabric) -> None:
    """Raise `BadRecipe` for FSDP and a model of several players: only one player has gradients at a time."""
    players = cast(Trainable, model).networks()
    if is_sharded(fabric) and len(players) > 1:
        raise BadRecipe(
            f"FSDP cannot train {' and '.join(players)} of one model in turns. "
            f"Use DDP: {how_to_set('training.strategy', 'ddp')}"
        )


def full_tensor(tensor: Tensor) -> Tensor:
    """Return all of a tensor. All processes must call this together for a sharded tensor."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shard_like(tensor: Tensor, own: Tensor) -> Tensor:
    """Return this process's shard of a full tensor if `own` is a shard, else the tensor."""
    if not isinstance(own, DTensor) or tensor.shape != own.shape:
        return tensor
    moved = tensor.to(own.device)
    return distribute_tensor(moved, own.device_mesh, own.placements, src_data_rank=None)


def local_part(tensor: Tensor) -> Tensor:
    """Return this process's shard of a sharded tensor, else the tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@contextmanager
def explain_lost_peer(fabric: Fabric, folder: Path) -> Iterator[None]:
    """Raise `PeerLost` where torch reports that another process is lost."""
    try:
        with warnings.catch_warnings():
            # FSDP warns about views that are changed in place. No net does that to a module's output.
            warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
            yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) or any(
            w in str(error) for w in LOST_PEER_ERRORS
        )
        if fabric.world_size == 1 or not lost:
            raise
        steps = checkpoint.steps(folder / "checkpoints")
        saved = f"The last checkpoint is step {steps[-1]:,}" if steps else "Nothing was saved yet"
        advice = f". Resume with: {shell_command('train', '--resume', folder)}" if steps else "."
        raise PeerLost(
            f"Process {fabric.global_rank} of {fabric.world_size} stops, because another process of this "
            f"training has ended or cannot be reached. {saved}{advice}"
        ) from error


def leave_process_group(mesh: DeviceMesh | None) -> None:
    """Destroy the process group. A thread of gloo that still runs when Python ends aborts the process."""
    # Caches of torch hold the mesh of FSDP, which holds the groups and their threads.
    getattr(mesh, "_pg_registry", {}).clear()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    gc.collect()


def _shard(net: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Shard each child module that has a forward method, then the remaining weights of the net."""
    row = mesh["data_parallel"]
    for part in net.children():
        if type(part).forward is not nn.Module.forward:
            fully_shard(part, mesh=row)
    fully_shard(net, mesh=row)
    register_fsdp_forward_method(net, "loss")
    return net
