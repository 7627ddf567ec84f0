"""Fields: where one spread leads from each point, by small nets held as plain arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, NotSupported
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import progress_bar

Field = Callable[[Latents], Latents]
Answers = Float32[np.ndarray, "n k"]
Slopes = Float32[np.ndarray, "n k d"]

WIDTH = 128  # units of either hidden layer
STEPS, BATCH, RATE = 1200, 256, 5e-3
BLUR = 0.4  # spreads by which codes are moved at random: the slope then is that of a neighbourhood
RIDGE = 0.35  # how softly the others are held; 0 would let nothing of them move
MAX_GRADIENT = 1 << 24  # numbers of slopes that are held at once
ARRAY_NAMES = ("middle", "spread", *(f"weight {i}" for i in range(3)), *(f"offset {i}" for i in range(3)))

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class AttributeNetwork:
    """A net of two hidden layers that reads points in spreads from their mean."""

    mean: Values
    std: Values
    weights: tuple[np.ndarray, np.ndarray, np.ndarray]
    offsets: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __call__(self, z: Latents) -> Answers:
        """What it answers to each point."""
        h = (z - self.mean) / self.std
        for weight, offset in zip(self.weights[:2], self.offsets[:2], strict=True):
            h = _silu(h @ weight + offset)[0]
        return (h @ self.weights[2] + self.offsets[2]).astype(np.float32)

    def gradients(self, z: Latents) -> Slopes:
        """How each answer changes with each coordinate, by spreads."""
        first, second, last = self.weights
        one, steep = _silu((z - self.mean) / self.std @ first + self.offsets[0])
        _, steeper = _silu(one @ second + self.offsets[1])
        back = (last.T[None] * steeper[:, None]) @ second.T
        return ((back * steep[:, None]) @ first.T).astype(np.float32)

    def select(self, columns: list[int]) -> "AttributeNetwork":
        """The same net, of these answers alone and in this order."""
        weights = (*self.weights[:2], self.weights[2][:, columns])
        offsets = (*self.offsets[:2], self.offsets[2][columns])
        return AttributeNetwork(self.mean, self.std, weights, offsets)


@dataclass(frozen=True)
class ConstantField:
    """The same step everywhere."""

    step: Values

    def __call__(self, z: Latents) -> Latents:
        return np.broadcast_to(self.step, z.shape)


@dataclass(frozen=True)
class GradientField:
    """One spread up the slope of the first answer, the others held: softly, for they may be tied to it."""

    network: AttributeNetwork
    ridge: float = RIDGE

    def __call__(self, z: Latents) -> Latents:
        answers = self.network.weights[2].shape[1]
        rows = max(MAX_GRADIENT // (answers * z.shape[1]), 1)
        parts = [self._lead(z[i : i + rows]) for i in range(0, max(len(z), 1), rows)]
        return np.concatenate(parts)

    def _lead(self, z: Latents) -> Latents:
        gradients = self.network.gradients(z).astype(np.float64)
        up, others = gradients[:, 0], gradients[:, 1:]
        if others.shape[1]:
            others = others / np.maximum(np.linalg.norm(others, axis=2, keepdims=True), 1e-9)
            square = others @ others.transpose(0, 2, 1) + self.ridge * np.eye(others.shape[1])
            share = np.linalg.solve(square, others @ up[:, :, None])
            up = up - (others.transpose(0, 2, 1) @ share)[:, :, 0]
        unit = up / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
        return (unit * self.network.std).astype(np.float32)


@dataclass(frozen=True)
class VectorField:
    """What a net of as many answers as axes says, as it is."""

    network: AttributeNetwork

    def __call__(self, z: Latents) -> Latents:
        return self.network(z) * self.network.std


def initial_network(latents: Latents, answers: int, *, seed: int, width: int = WIDTH) -> AttributeNetwork:
    """An untaught net for points like these."""
    chance = stream(seed, "layers")
    sizes = [latents.shape[1], width, width, answers]
    weights = tuple(
        (chance.standard_normal((a, b)) / np.sqrt(a)).astype(np.float32) for a, b in pairwise(sizes)
    )
    offsets = tuple(np.zeros(size, np.float32) for size in sizes[1:])
    middle, std = latents.mean(axis=0), latents.std(axis=0)
    # Where the points do not vary there is no spread to go by: that of the other axes stands in.
    usual = float(std[std > 0].mean()) if (std > 0).any() else 1.0
    std = np.where(std > 1e-6 * usual, std, usual).astype(np.float32)
    return AttributeNetwork(middle, std, weights, offsets)  # type: ignore[arg-type]


def fit_network(
    latents: Latents,
    answers: Answers,
    *,
    probabilities: bool = True,
    blur: float = BLUR,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = False,
) -> AttributeNetwork:
    """A net that answers these points as told: with chances, as log-odds; else by least squares."""
    layers = initial_network(latents, answers.shape[1], seed=seed)
    x = torch.from_numpy(((latents - layers.mean) / layers.std).astype(np.float32))
    told = torch.from_numpy(answers.astype(np.float32))
    parts = parameters(layers)
    loss = F.binary_cross_entropy_with_logits if probabilities else F.mse_loss
    chance = torch.Generator().manual_seed(derive(seed, "fit"))
    optimizer = torch.optim.Adam(parts, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    with progress_bar(show, "reading the codes", steps, "steps") as advance:
        for _ in range(steps):
            rows = torch.randint(len(x), (BATCH,), generator=chance)
            noise = torch.randn((BATCH, x.shape[1]), generator=chance)
            wrong = loss(forward(parts, x[rows] + blur * noise), told[rows])
            optimizer.zero_grad()
            wrong.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            advance(1)
    return with_weights(layers, parts)


def parameters(layers: AttributeNetwork) -> list[Tensor]:
    """Its weights and offsets for torch to change."""
    arrays = (*layers.weights, *layers.offsets)
    return [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]


def forward(parts: list[Tensor], x: Tensor) -> Tensor:
    """What such a net answers, in torch, to points in spreads from their mean."""
    for weight, offset in zip(parts[:2], parts[3:5], strict=True):
        x = F.silu(x @ weight + offset)
    return x @ parts[2] + parts[5]


def with_weights(layers: AttributeNetwork, parts: list[Tensor]) -> AttributeNetwork:
    """The net with what torch has made of its weights and offsets."""
    arrays = [part.detach().cpu().numpy() for part in parts]
    weights, offsets = tuple(arrays[:3]), tuple(arrays[3:])
    return AttributeNetwork(layers.mean, layers.std, weights, offsets)  # type: ignore[arg-type]


def _silu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x times its logistic, which never flattens on one side, and its slope."""
    share = 0.5 * (1 + np.tanh(0.5 * x))
    return x * share, share * (1 + x * (1 - share))


# As plain arrays ---------------------------------------------------------------------------------


def to_arrays(field: Field) -> tuple[str, Arrays, float]:
    """The kind of a field, its arrays by name, and how softly it holds."""
    if isinstance(field, ConstantField):
        return "straight", {"step": field.step}, 0.0
    if not isinstance(field, GradientField | VectorField):
        raise NotSupported(
            "Only fields of zatlas can be kept: a function of your own has no file. Keep its code."
        )
    layers = field.network
    parts = (layers.mean, layers.std, *layers.weights, *layers.offsets)
    arrays = dict(zip(ARRAY_NAMES, parts, strict=True))
    return ("uphill", arrays, field.ridge) if isinstance(field, GradientField) else ("wind", arrays, 0.0)


def from_arrays(kind: str, arrays: Arrays, hold: float) -> Field:
    """The field of these arrays, if they fit together."""
    if kind == "straight" and "step" in arrays:
        return ConstantField(arrays["step"])
    if kind not in ("uphill", "wind") or not set(ARRAY_NAMES) <= arrays.keys():
        raise BadData(f"These arrays make no field of the kind {kind!r}.")
    middle, std, *rest = (arrays[name] for name in ARRAY_NAMES)
    sizes = [middle.size, *(offset.size for offset in rest[3:])]
    wanted = [(sizes[0],), (sizes[0],), *pairwise(sizes), *((size,) for size in sizes[1:])]
    last = sizes[-1] == sizes[0] if kind == "wind" else sizes[-1] > 0
    if [part.shape for part in (middle, std, *rest)] != wanted or not last:
        raise BadData("The layers of this field do not fit onto each other.")
    first, second, third, *offsets = rest
    layers = AttributeNetwork(middle, std, (first, second, third), (offsets[0], offsets[1], offsets[2]))
    return GradientField(layers, float(hold)) if kind == "uphill" else VectorField(layers)
