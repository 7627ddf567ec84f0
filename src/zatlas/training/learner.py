"""The state of a training as named tensors, which a checkpoint stores."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from zatlas.core.errors import Damaged
from zatlas.core.seeds import derive
from zatlas.models.nets import Shape
from zatlas.models.noise import BatchPart, SharedNoise
from zatlas.models.trainable import Terms, Trainable
from zatlas.training import distributed
from zatlas.training.compiled_loss import CompiledLoss, compile_loss, is_worth_compiling
from zatlas.training.latest_losses import LatestLosses
from zatlas.training.precision import choose_precision
from zatlas.training.recipe import Recipe, Training

NOT_COMPILED = "torch cannot compile the loss of this training ({}), so the training uses it as it is."


class Learner:
    """A model with its optimizers, the moving average of its weights, and its noise generator."""

    def __init__(self, fabric: Fabric, model: nn.Module, recipe: Recipe) -> None:
        self.fabric, self.training, self.seed = fabric, recipe.training, recipe.seed
        self.precision = choose_precision(recipe, fabric.device)
        # With sharded weights, evaluation uses a copy that holds all of them.
        self.full_copy = copy.deepcopy(model).to("meta") if distributed.is_sharded(fabric) else None
        self.module = fabric.setup_module(model)
        self.module.mark_forward_method("loss")
        self.net: nn.Module = model
        self.model = cast(Trainable, model)
        self.players = self.model.networks()
        self.optimizers: dict[str, Any] = {
            name: fabric.setup_optimizers(_optimizer(recipe.training, weights))
            for name, weights in self.players.items()
        }
        self.weights: list[Tensor] = [p for weights in self.players.values() for p in weights]
        self.names = {id(weight): name for name, weight in model.named_parameters()}
        self.average = [p.detach().clone() for p in self.weights] if self.training.average else []
        self.noise = SharedNoise(fabric.device)
        self.noise.manual_seed(derive(recipe.seed, "noise", 0))
        self.gpu: Any = None if fabric.device.type == "cpu" else torch.get_device_module(fabric.device)
        self.latest = LatestLosses(fabric.device)
        self.loss: Callable[..., Terms] = self.module.loss
        self.messages: list[str] = []  # for the user
        self.steps = 0

    def compile_loss(self, recipe: Recipe, shape: Shape, steps: int) -> None:
        """Compile the loss if the recipe asks for it or this number of steps gains from it, and torch can."""
        setting, device = self.training.compile, self.fabric.device
        if setting == "off":
            return
        if setting == "auto" and not is_worth_compiling(recipe, self.model, device, steps):
            return
        if self.fabric.world_size > 1 or len(self.players) > 1:
            self.messages += [NOT_COMPILED.format("several processes, or a model with several losses")]
            return
        result = compile_loss(self.model, self.training.batch, shape, self.precision, device)
        if isinstance(result, CompiledLoss):
            self.loss = result
        else:
            self.messages += [NOT_COMPILED.format(result)]

    @property
    def loss_kind(self) -> str:
        """What a training must have in common with another to give the same bits: "compiled" or "eager"."""
        return "compiled" if isinstance(self.loss, CompiledLoss) else "eager"

    def step(self, x: Tensor, y: Tensor | None, part: BatchPart, epoch: float, rate: float) -> Terms | None:
        """Update the weights of each player once with this part of a batch.

        Returns the terms of the losses, as means over the batch of all processes; None if a loss of the
        previous step was NaN or infinite. No step waits for its own losses.
        """
        result: Terms = {}
        losses = []
        self.noise.part = part
        world = self.fabric.world_size
        weight = part.images * world / part.total  # DDP averages gradients over the processes
        if world > 1:  # dropout differs between processes, and resumes exactly
            torch.manual_seed(derive(self.seed, "torch", self.steps, self.fabric.global_rank))
        labels = y if self.model.classes else None
        for name, optimizer in self.optimizers.items():
            self._freeze_others(name)
            optimizer.zero_grad()
            with self.precision.autocast():
                terms = self.loss(x, labels, name, self.noise, epoch)
            means = self._batch_means(terms, part)
            losses.append(means["loss"])
            self.fabric.backward(terms["loss"] if weight == 1 else terms["loss"] * weight)
            if self.training.clip:
                self.fabric.clip_gradients(self.module, optimizer, max_norm=self.training.clip)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            prefix = f"{name}/" if len(self.players) > 1 else ""
            result |= {prefix + key: term for key, term in means.items()}
        self.steps += 1
        self._update_average()
        previous = self.is_finite()
        self.latest.put(losses)
        return result if previous else None

    def is_finite(self) -> bool:
        """Return whether all losses of the last step are finite; wait for it to end."""
        return self.latest.is_finite()

    @contextmanager
    def evaluation_model(self) -> Iterator[Trainable]:
        """Yield the model with averaged weights in evaluation mode. All processes must call this together."""
        if self.full_copy is not None:
            with self._gathered(self.full_copy) as model:
                yield model
            return
        if self.fabric.world_size > 1:  # batch statistics differ: use those of the first process
            for buffer in self.net.buffers():
                dist.broadcast(buffer, 0)
        self.net.eval()
        self._swap_average()
        try:
            yield self.model
        finally:
            self._swap_average()
            self.net.train()

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of all state, in the first process only. All processes must call this together."""
        state = {f"model.{name}": t for name, t in self.net.state_dict().items()}
        state |= {f"average.{i}": t for i, t in enumerate(self.average)}
        for player, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                state |= {f"optimizer.{player}.{index}.{k}": _tensor(v) for k, v in slots.items()}
        state |= {"random.noise": self.noise.get_state(), "random.torch": torch.get_rng_state()}
        if self.gpu is not None:
            state["random.gpu"] = self.gpu.get_rng_state(self.fabric.device)
        copies = {}
        for name in sorted(state):  # in the same order everywhere: all processes gather together
            tensor = distributed.full_tensor(state[name].detach())
            if self.fabric.is_global_zero:
                copies[name] = tensor.cpu().clone().contiguous()
        return copies

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Load the state that `tensors` returned at this number of steps."""
        try:
            self._restore(_split(tensors))
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            if self.fabric.world_size > 1 or "memory" in str(error).lower():
                raise  # the cause may be another process, or full memory
            raise Damaged(f"The checkpoint is of another model: {error}") from error
        self.steps = steps

    def _restore(self, parts: Mapping[str, Mapping[str, Tensor]]) -> None:
        self._load(parts["model"])
        for i, average in enumerate(self.average):
            average.copy_(distributed.shard_like(parts["average"][str(i)], average))
        for player, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in parts.get("optimizer", {}).items():
                owner, index, slot = key.rsplit(".", 2)
                if owner == player:
                    own = self.players[player][int(index)]
                    state.setdefault(int(index), {})[slot] = distributed.shard_like(value, own)
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.noise.set_state(parts["random"]["noise"])
        torch.set_rng_state(parts["random"]["torch"])
        if self.gpu is not None and "gpu" in parts["random"]:
            self.gpu.set_rng_state(parts["random"]["gpu"], self.fabric.device)

    def use_weights(self, state: Mapping[str, Tensor]) -> None:
        """Load weights, and drop the average."""
        self._load(state)
        self.average = []

    def sum_metrics(self, parts: Terms) -> Terms:
        """Return the sum of each term over all processes."""
        if self.fabric.world_size == 1 or not parts:
            return parts
        sums = torch.stack([term.double() for term in parts.values()])
        dist.all_reduce(sums)
        return dict(zip(parts, sums.unbind(), strict=True))

    def _batch_means(self, terms: Terms, part: BatchPart) -> Terms:
        """Return the means over the batch of all processes, given the means over this process's part."""
        if self.fabric.world_size == 1:
            return {name: term.detach() for name, term in terms.items()}
        share = part.images / part.total
        return self.sum_metrics({name: term.detach() * share for name, term in terms.items()})

    def _load(self, state: Mapping[str, Tensor]) -> None:
        own = self.net.state_dict()
        try:
            self.net.load_state_dict({n: distributed.shard_like(t, own[n]) for n, t in state.items()})
        except (RuntimeError, KeyError) as error:
            raise Damaged(f"The checkpoint is of another model: {error}") from error

    @contextmanager
    def _gathered(self, model: nn.Module) -> Iterator[Trainable]:
        """Yield this model with all weights, and free their memory after the block."""
        state = {name: distributed.full_tensor(t.detach()) for name, t in self.net.state_dict().items()}
        for weight, average in zip(self.weights, self.average, strict=False):
            state[self.names[id(weight)]] = distributed.full_tensor(average)
        model.to_empty(device=self.fabric.device).load_state_dict(state)
        try:
            yield cast(Trainable, model.eval())
        finally:
            model.to("meta")

    def _freeze_others(self, player: str) -> None:
        """Compute gradients only for the weights of this player."""
        if len(self.players) > 1:
            for name, weights in self.players.items():
                for weight in weights:
                    weight.requires_grad_(name == player)

    @torch.no_grad()
    def _update_average(self) -> None:
        if self.average:
            # Early in training the average decays faster, so that it drops the first weights.
            decay = min(self.training.average, self.steps / (self.steps + 10))
            averages, weights = (
                map(distributed.local_part, self.average),
                map(distributed.local_part, self.weights),
            )
            update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            update([*averages], [*weights], None)

    @torch.no_grad()
    def _swap_average(self) -> None:
        for average, weight in zip(self.average, self.weights, strict=False):
            previous = weight.clone()
            weight.copy_(average)
            average.copy_(previous)


def averaged_state(tensors: Mapping[str, Tensor], model: Trainable) -> dict[str, Tensor]:
    """Return the weights for use from a checkpoint's tensors: the averaged ones if it has an average."""
    parts = _split(tensors)
    state = dict(parts["model"])
    if "average" in parts:
        names = {id(weight): name for name, weight in cast(nn.Module, model).named_parameters()}
        weights = [weight for group in model.networks().values() for weight in group]
        for i, weight in enumerate(weights):
            state[names[id(weight)]] = parts["average"][str(i)]
    return state


def _split(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, key = name.partition(".")
        parts.setdefault(part, {})[key] = tensor
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
