"""The loss of a model, compiled by torch: a step then reads and writes memory fewer times.

`benchmarks/compiled.py` measures what that gains, and how long compiling takes.
"""

import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from zatlas.core.errors import first_line
from zatlas.core.registry import NETS
from zatlas.models.nets import Shape
from zatlas.models.noise import Draw, DrawnNoise, NoiseRecord, SharedNoise, part_of
from zatlas.models.trainable import Terms, Trainable
from zatlas.training.precision import Precision
from zatlas.training.recipe import Recipe

LONG = 30_000  # steps of a training that gains more time than compiling takes
COMPILERS = ("g++", "clang++", "cl")


@dataclass(frozen=True)
class CompiledLoss:
    """The loss of a model, compiled for batches of one size; a smaller batch gets the loss as it is."""

    model: Trainable
    compiled: Any
    draws: Sequence[Draw]  # of random numbers in one call, in their order
    batch: int

    def __call__(self, x: Tensor, y: Tensor | None, player: str, noise: SharedNoise, epoch: float) -> Terms:
        """Return the terms of `Trainable.loss`, with the same random numbers."""
        if len(x) != self.batch:
            return self.model.loss(x, y, player, noise, epoch)
        terms: Terms = self.compiled(x, y, player, DrawnNoise(draw(noise) for draw in self.draws), epoch)
        return terms


def is_worth_compiling(recipe: Recipe, model: Trainable, device: torch.device, steps: int) -> bool:
    """Return whether this training is long enough to gain from it, and a C++ compiler is there."""
    quicker = getattr(NETS.get(recipe.net), "COMPILES", False) and len(model.networks()) == 1
    compiler = os.environ.get("CXX") or any(map(shutil.which, COMPILERS))
    return bool(quicker and device.type == "cpu" and steps >= LONG and compiler)


def compile_loss(
    model: Trainable, batch: int, shape: Shape, precision: Precision, device: torch.device
) -> CompiledLoss | str:
    """Compile the loss and its gradient for batches of this size; where torch cannot, return why not."""
    import torch._dynamo as dynamo  # slow

    module = cast(nn.Module, model)
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    x = torch.zeros(batch, *shape, device=device)
    y = torch.zeros(batch, dtype=torch.int64, device=device) if model.classes else None
    player, noise, record = next(iter(model.networks())), SharedNoise(device), NoiseRecord(device)
    noise.part = record.part = part_of(batch)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), precision.autocast():
        model.loss(x, y, player, record, 0.0)
        dynamo.reset()  # or the losses of earlier trainings would count as variants of this one
        compiled = torch.compile(model.loss, dynamic=False, fullgraph=True)
        loss = CompiledLoss(model, compiled, (*record.draws,), batch)
        try:
            with dynamo.config.patch(error_on_recompile=True), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of torch about itself
                for epoch in (0.0, 0.5):  # a loss that depends on the epoch would be compiled at each step
                    loss(x, y, player, noise, epoch)["loss"].backward()  # type: ignore[no-untyped-call]
        except dynamo.exc.RecompileError:
            return "it depends on the epoch"
        except (RuntimeError, OSError, ImportError) as error:
            return first_line(error)
        finally:
            module.zero_grad()
            for buffer, value in buffers:
                buffer.copy_(value)
    return loss
