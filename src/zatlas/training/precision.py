"""The precision of a training's arithmetic: float32, or bfloat16 where the machine computes it natively.

Weights, the optimizer's state, losses and their sums are float32 in both.
Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740
Kalamkar et al. 2019, https://arxiv.org/abs/1905.12322  (bfloat16 needs no scaling of the loss)
"""

import copy
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import torch
from torch import nn

from zatlas.core.registry import MODELS, NETS
from zatlas.models.nets import Shape
from zatlas.models.noise import SharedNoise
from zatlas.models.trainable import Trainable
from zatlas.training.recipe import Recipe

MEASURED_FROM = 2000  # steps of a training from which on the gain is measured
REPEATS = 3  # of each precision, in turns


@dataclass(frozen=True)
class Precision:
    """The type in which layers multiply, and the reason for it."""

    dtype: torch.dtype
    reason: str
    device: str  # its type

    @property
    def name(self) -> str:
        """Return "float32" or "bfloat16"."""
        return str(self.dtype).removeprefix("torch.")

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a block in which layers multiply in this precision."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.dtype == torch.bfloat16)


def choose_precision(recipe: Recipe, device: torch.device) -> Precision:
    """Return the precision that the recipe sets; for "auto", the one that suits model, net and device.

    The choice depends on no measurement, so that the same machine always gives the same bits.
    """
    setting = recipe.training.precision
    if setting != "auto":
        dtype = torch.bfloat16 if setting == "bf16-mixed" else torch.float32
        return Precision(dtype, f"training.precision is {setting}", device.type)
    for kind, name in ((MODELS.get(recipe.family), recipe.family), (NETS.get(recipe.net), recipe.net)):
        if not getattr(kind, "BFLOAT16", False):
            return Precision(torch.float32, f"{name} is not known to gain from bfloat16", device.type)
    native = native_bfloat16(device)
    reason = f"{native} multiplies bfloat16" if native else "the device has no native bfloat16"
    return Precision(torch.bfloat16 if native else torch.float32, reason, device.type)


def native_bfloat16(device: torch.device) -> str:
    """Return the name of the device's unit for bfloat16; empty if it has none."""
    if device.type == "cuda":
        return "the GPU" if torch.cuda.is_bf16_supported(including_emulation=False) else ""
    if device.type != "cpu":
        return ""
    if torch.cpu._is_amx_tile_supported():
        return "AMX"
    return "AVX512-BF16" if torch.cpu._is_avx512_bf16_supported() else ""


def bfloat16_gain(
    model: nn.Module, recipe: Recipe, shape: Shape, steps: int, device: torch.device
) -> float | None:
    """Return the time of a step in float32 over that in bfloat16, measured.

    It is None if the training takes few steps or uses float32. The model and the random state stay as they
    are.
    """
    used = choose_precision(recipe, device)
    if used.dtype != torch.bfloat16 or steps < MEASURED_FROM:
        return None
    duplicate = copy.deepcopy(model).to(device)
    x = torch.rand(recipe.training.batch, *shape, generator=torch.Generator().manual_seed(0)).to(device)
    kinds = (Precision(torch.float32, "", device.type), used)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seconds = [[_seconds(duplicate, x, kind) for kind in kinds] for _ in range(REPEATS + 1)][1:]
    full, half = (min(times) for times in zip(*seconds, strict=True))
    return round(full / half, 2)


def _seconds(model: nn.Module, x: torch.Tensor, precision: Precision) -> float:
    """Return how long the losses of all players and their gradients take."""
    trainable, noise = cast(Trainable, model), SharedNoise(x.device)
    y = torch.zeros(len(x), dtype=torch.int64, device=x.device) if trainable.classes else None
    started = perf_counter()
    for player in trainable.networks():
        with precision.autocast():
            loss = trainable.loss(x, y, player, noise, 0.0)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad()
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
    return perf_counter() - started
