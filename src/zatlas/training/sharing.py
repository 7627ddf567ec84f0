"""Several processes on one model: what each holds of it, and how it is put together again.

By DDP each holds all; by FSDP the weights, their slopes and the optimizer's memory are cut into as
many pieces as there are processes.
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

from zatlas.core.company import Company
from zatlas.core.errors import BadRecipe, PeerLost
from zatlas.core.shell import shell_command
from zatlas.models.trainable import Trainable
from zatlas.training import checkpoint
from zatlas.training.recipe import Recipe

PATIENCE = timedelta(minutes=10)  # that one process waits for another; it must outlast a save
LOST = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe")


def strategy_of(recipe: Recipe, company: Company, players: int) -> Strategy | str:
    """The strategy for Fabric; `players` is the number of players of the model."""
    if company.size == 1:
        return "auto"
    if recipe.training.strategy == "fsdp":
        return ModelParallelStrategy(
            _shard, data_parallel_size=company.size, tensor_parallel_size=1, timeout=PATIENCE
        )
    # Players take turns, so at each step the weights of the other players have no gradient.
    return DDPStrategy(find_unused_parameters=players > 1, timeout=PATIENCE)


def in_pieces(fabric: Fabric) -> bool:
    """Whether each process holds but a piece of each weight."""
    return isinstance(fabric.strategy, ModelParallelStrategy)


def check(model: nn.Module, fabric: Fabric) -> None:
    """Refuse to cut up a model whose players would have to be put together in turn."""
    players = cast(Trainable, model).players()
    if in_pieces(fabric) and len(players) > 1:
        raise BadRecipe(
            f"FSDP cannot train {' and '.join(players)} of one model in turns. "
            "Use the other way: --set training.strategy=ddp"
        )


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; of one in pieces, every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cut_as(tensor: Tensor, own: Tensor) -> Tensor:
    """A whole tensor as `own` is: this process's piece of it, where that is one."""
    if not isinstance(own, DTensor) or tensor.shape != own.shape:
        return tensor
    near = tensor.to(own.device)
    return distribute_tensor(near, own.device_mesh, own.placements, src_data_rank=None)


def local(tensor: Tensor) -> Tensor:
    """What this process holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@contextmanager
def not_deserted(fabric: Fabric, folder: Path) -> Iterator[None]:
    """Raise `PeerLost` where torch reports that another process is lost."""
    try:
        with warnings.catch_warnings():
            # FSDP warns about views that are changed in place. No net does that to a module's output.
            warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
            yield
    except RuntimeError as error:
        told = isinstance(error, torch.distributed.DistError) or any(w in str(error) for w in LOST)
        if fabric.world_size == 1 or not told:
            raise
        good = checkpoint.steps(folder / "checkpoints")
        kept = f"The last checkpoint is step {good[-1]:,}" if good else "Nothing was saved yet"
        more = f"; go on with: {shell_command('train', '--resume', folder)}" if good else "."
        raise PeerLost(
            f"Process {fabric.global_rank} of {fabric.world_size} stops, for another one of this "
            f"training has ended or cannot be reached. {kept}{more}"
        ) from error


def leave(mesh: DeviceMesh | None) -> None:
    """Leave the others for good; a thread of gloo that is at work when Python ends aborts the process."""
    # Caches of torch keep a mesh of FSDP, and it would keep the groups and with them their threads.
    getattr(mesh, "_pg_registry", {}).clear()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    gc.collect()


def _shard(net: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Cut up each part that is called as a whole; what is left belongs to the net itself."""
    row = mesh["data_parallel"]
    for part in net.children():
        if type(part).forward is not nn.Module.forward:
            fully_shard(part, mesh=row)
    fully_shard(net, mesh=row)
    register_fsdp_forward_method(net, "loss")
    return net
