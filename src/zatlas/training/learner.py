"""All that changes while a model is trained, as named tensors: what a checkpoint holds."""

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from zatlas.core.errors import Damaged
from zatlas.core.seeds import derive
from zatlas.models.noise import Dealt, Part
from zatlas.models.trainable import Terms, Trainable
from zatlas.training import sharing
from zatlas.training.recipe import Recipe, Training


class Learner:
    """A model with its optimizers, the average of its weights, and the noise it is fed."""

    def __init__(self, fabric: Fabric, model: nn.Module, recipe: Recipe) -> None:
        self.fabric, self.training, self.seed = fabric, recipe.training, recipe.seed
        # Where each process holds pieces, what is looked at is put together in a model that trains not.
        self.twin = copy.deepcopy(model).to("meta") if sharing.in_pieces(fabric) else None
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
        self.names = {id(weight): name for name, weight in model.named_parameters()}
        self.average = [p.detach().clone() for p in self.weights] if self.training.average else []
        self.noise = Dealt(fabric.device)
        self.noise.manual_seed(derive(recipe.seed, "noise", 0))
        self.steps = 0

    def step(self, x: Tensor, y: Tensor | None, part: Part, epoch: float, rate: float) -> Terms | None:
        """Move every player once by this part of a batch; the terms of their losses over all parts, or
        None if a loss is no longer a number. Nothing has moved by a loss that is not a number.
        """
        shown: Terms = {}
        self.noise.part = part
        world = self.fabric.world_size
        weight = part.images * world / part.whole  # slopes are averaged over the processes
        if world > 1:  # what draws by torch's own generator (dropout) differs, and can be resumed
            torch.manual_seed(derive(self.seed, "torch", self.steps, self.fabric.global_rank))
        told = y if self.model.classes else None
        for name, optimizer in self.optimizers.items():
            self._only(name)
            optimizer.zero_grad()
            terms = self.module.loss(x, told, name, self.noise, epoch)
            seen = self._over_all(terms, part)
            if not math.isfinite(seen["loss"].item()):
                return None
            self.fabric.backward(terms["loss"] if weight == 1 else terms["loss"] * weight)
            if self.training.clip:
                self.fabric.clip_gradients(self.module, optimizer, max_norm=self.training.clip)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            prefix = f"{name}/" if len(self.players) > 1 else ""
            shown |= {prefix + key: term for key, term in seen.items()}
        self.steps += 1
        self._average()
        return shown

    @contextmanager
    def at_rest(self) -> Iterator[Trainable]:
        """The model as it is used: with averaged weights, and no dropout. All processes must ask."""
        if self.twin is not None:
            with self._together(self.twin) as model:
                yield model
            return
        if self.fabric.world_size > 1:  # each has seen other images: those of the first count
            for buffer in self.net.buffers():
                dist.broadcast(buffer, 0)
        self.net.eval()
        self._swap()
        try:
            yield self.model
        finally:
            self._swap()
            self.net.train()

    def tensors(self) -> dict[str, Tensor]:
        """Copies of everything, by name, for the first process; all must ask."""
        found = {f"model.{name}": t for name, t in self.net.state_dict().items()}
        found |= {f"average.{i}": t for i, t in enumerate(self.average)}
        for player, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                found |= {f"optimizer.{player}.{index}.{k}": _tensor(v) for k, v in slots.items()}
        found |= {"chance.noise": self.noise.get_state(), "chance.torch": torch.get_rng_state()}
        if self.fabric.device.type == "cuda":
            found["chance.cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        kept = {}
        for name in sorted(found):  # in one order everywhere, for pieces are put together by all
            tensor = sharing.whole(found[name].detach())
            if self.fabric.is_global_zero:
                kept[name] = tensor.cpu().clone().contiguous()
        return kept

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Be again what `tensors` told of."""
        try:
            self._restore(_split(tensors))
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            if self.fabric.world_size > 1 or "memory" in str(error).lower():
                raise  # another process or the memory may be the cause
            raise Damaged(f"The checkpoint is of another model: {error}") from error
        self.steps = steps

    def _restore(self, parts: Mapping[str, Mapping[str, Tensor]]) -> None:
        self._load(parts["model"])
        for i, average in enumerate(self.average):
            average.copy_(sharing.cut_as(parts["average"][str(i)], average))
        for player, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in parts.get("optimizer", {}).items():
                owner, index, slot = key.rsplit(".", 2)
                if owner == player:
                    own = self.players[player][int(index)]
                    state.setdefault(int(index), {})[slot] = sharing.cut_as(value, own)
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.noise.set_state(parts["chance"]["noise"])
        torch.set_rng_state(parts["chance"]["torch"])
        if "cuda" in parts["chance"]:
            torch.cuda.set_rng_state(parts["chance"]["cuda"], self.fabric.device)

    def settle(self, state: Mapping[str, Tensor]) -> None:
        """Be these weights from now on, with no average beside them."""
        self._load(state)
        self.average = []

    def summed(self, parts: Terms) -> Terms:
        """The sums over all processes of what each has."""
        if self.fabric.world_size == 1 or not parts:
            return parts
        sums = torch.stack([term.double() for term in parts.values()])
        dist.all_reduce(sums)
        return dict(zip(parts, sums.unbind(), strict=True))

    def _over_all(self, terms: Terms, part: Part) -> Terms:
        """The means over the whole batch, of those over each part."""
        if self.fabric.world_size == 1:
            return {name: term.detach() for name, term in terms.items()}
        share = part.images / part.whole
        return self.summed({name: term.detach() * share for name, term in terms.items()})

    def _load(self, state: Mapping[str, Tensor]) -> None:
        own = self.net.state_dict()
        try:
            self.net.load_state_dict({n: sharing.cut_as(t, own[n]) for n, t in state.items()})
        except (RuntimeError, KeyError) as error:
            raise Damaged(f"The checkpoint is of another model: {error}") from error

    @contextmanager
    def _together(self, twin: nn.Module) -> Iterator[Trainable]:
        """All weights in one model, for as long as it is looked at."""
        state = {name: sharing.whole(t.detach()) for name, t in self.net.state_dict().items()}
        for weight, average in zip(self.weights, self.average, strict=False):
            state[self.names[id(weight)]] = sharing.whole(average)
        twin.to_empty(device=self.fabric.device).load_state_dict(state)
        try:
            yield cast(Trainable, twin.eval())
        finally:
            twin.to("meta")

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
            averages, weights = map(sharing.local, self.average), map(sharing.local, self.weights)
            get_ema_multi_avg_fn(keep)([*averages], [*weights], None)

    @torch.no_grad()
    def _swap(self) -> None:
        for average, weight in zip(self.average, self.weights, strict=False):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)


def averaged_state(tensors: Mapping[str, Tensor], model: Trainable) -> dict[str, Tensor]:
    """The weights to be used, out of a checkpoint's tensors: the averaged ones where there are some."""
    parts = _split(tensors)
    state = dict(parts["model"])
    if "average" in parts:
        names = {id(weight): name for name, weight in cast(nn.Module, model).named_parameters()}
        weights = [weight for some in model.players().values() for weight in some]
        for i, weight in enumerate(weights):
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
