"""All that changes while a model is trained, as named tensors: what a checkpoint holds."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from zatlas.core.errors import Damaged
from zatlas.core.seeds import derive
from zatlas.models.trainable import Terms, Trainable
from zatlas.training.recipe import Recipe, Training


class Learner:
    """A model with its optimizers, the average of its weights, and the noise it is fed."""

    def __init__(self, fabric: Fabric, model: nn.Module, recipe: Recipe) -> None:
        self.fabric, self.training = fabric, recipe.training
        self.module = fabric.setup_module(model)
        self.module.mark_forward_method("loss")
        self.net: nn.Module = model
        self.model = cast(Trainable, model)
        self.players = self.model.players()
        self.optimizers: dict[str, Any] = {
            name: fabric.setup_optimizers(_optimizer(recipe.training, weights))
            for name, weights in self.players.items()
        }
        self.weights: list[Tensor] = [p for weights in self.players.values() for p in weights]
        self.average = [p.detach().clone() for p in self.weights] if self.training.average else []
        self.noise = torch.Generator(fabric.device)
        self.noise.manual_seed(derive(recipe.seed, "noise", fabric.global_rank))
        self.steps = 0

    def step(self, x: Tensor, y: Tensor | None, epoch: float, rate: float) -> Terms | None:
        """Move every player once; the terms of their losses, or None if one is no longer a number.

        Nothing has moved by a loss that is not a number.
        """
        shown: Terms = {}
        told = y if self.model.classes else None
        for name, optimizer in self.optimizers.items():
            self._only(name)
            optimizer.zero_grad()
            terms = self.module.loss(x, told, name, self.noise, epoch)
            loss = terms["loss"]
            if not math.isfinite(loss.item()):
                return None
            self.fabric.backward(loss)
            if self.training.clip:
                self.fabric.clip_gradients(self.module, optimizer, max_norm=self.training.clip)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            prefix = f"{name}/" if len(self.players) > 1 else ""
            shown |= {prefix + key: term.detach() for key, term in terms.items()}
        self.steps += 1
        self._average()
        return shown

    @contextmanager
    def at_rest(self) -> Iterator[Trainable]:
        """The model as it is used: with averaged weights, and no dropout."""
        self.net.eval()
        self._swap()
        try:
            yield self.model
        finally:
            self._swap()
            self.net.train()

    def tensors(self) -> dict[str, Tensor]:
        """Copies of everything, by name."""
        found = {f"model.{name}": t for name, t in self.net.state_dict().items()}
        found |= {f"average.{i}": t for i, t in enumerate(self.average)}
        for player, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                found |= {f"optimizer.{player}.{index}.{k}": _tensor(v) for k, v in slots.items()}
        found |= {"chance.noise": self.noise.get_state(), "chance.torch": torch.get_rng_state()}
        if self.fabric.device.type == "cuda":
            found["chance.cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        return {name: t.detach().cpu().clone().contiguous() for name, t in found.items()}

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Be again what `tensors` told of."""
        parts = _split(tensors)
        try:
            self.net.load_state_dict(parts["model"])
        except (RuntimeError, KeyError) as error:
            raise Damaged(f"The checkpoint is of another model: {error}") from error
        for i, average in enumerate(self.average):
            average.copy_(parts["average"][str(i)])
        for player, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in parts.get("optimizer", {}).items():
                owner, index, slot = key.rsplit(".", 2)
                if owner == player:
                    state.setdefault(int(index), {})[slot] = value
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.noise.set_state(parts["chance"]["noise"])
        torch.set_rng_state(parts["chance"]["torch"])
        if "cuda" in parts["chance"]:
            torch.cuda.set_rng_state(parts["chance"]["cuda"], self.fabric.device)
        self.steps = steps

    def _only(self, player: str) -> None:
        """Spare the others the work of slopes that nobody uses."""
        if len(self.players) > 1:
            for name, weights in self.players.items():
                for weight in weights:
                    weight.requires_grad_(name == player)

    @torch.no_grad()
    def _average(self) -> None:
        if self.average:
            # A young average forgets faster, so that it is not full of the start.
            keep = min(self.training.average, self.steps / (self.steps + 10))
            torch._foreach_lerp_(self.average, self.weights, 1 - keep)

    @torch.no_grad()
    def _swap(self) -> None:
        for average, weight in zip(self.average, self.weights, strict=False):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)


def averaged_state(tensors: Mapping[str, Tensor], learner: Learner) -> dict[str, Tensor]:
    """The weights to be used, out of a checkpoint's tensors: the averaged ones where there are some."""
    parts = _split(tensors)
    state = dict(parts["model"])
    if "average" in parts:
        names = {id(weight): name for name, weight in learner.net.named_parameters()}
        for i, weight in enumerate(learner.weights):
            state[names[id(weight)]] = parts["average"][str(i)]
    return state


def _split(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensor
    return parts


def _optimizer(training: Training, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    betas = (training.beta1, training.beta2)
    if training.optimizer == "adamw":
        return torch.optim.AdamW(
            weights, training.rate, betas, weight_decay=training.weight_decay, fused=True
        )
    return torch.optim.Adam(weights, training.rate, betas, fused=True)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value)
