"""Fields: where one spread leads from each point, by small nets held as plain arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Points, Values
from zatlas.core.errors import BadData, NotSupported
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import shown

Field = Callable[[Points], Points]
Answers = Float32[np.ndarray, "n k"]
Slopes = Float32[np.ndarray, "n k d"]

WIDTH = 128  # units of either hidden layer
STEPS, BATCH, RATE = 1200, 256, 5e-3
BLUR = 0.4  # spreads by which codes are moved at random: the slope then is that of a neighbourhood
HOLD = 0.35  # how softly the others are held; 0 would let nothing of them move
ROOM = 1 << 24  # numbers of slopes that are held at once
PARTS = ("middle", "spread", *(f"weight {i}" for i in range(3)), *(f"offset {i}" for i in range(3)))

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Layers:
    """A net of two hidden layers that reads points in spreads from their mean."""

    middle: Values
    std: Values
    weights: tuple[np.ndarray, np.ndarray, np.ndarray]
    offsets: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __call__(self, z: Points) -> Answers:
        """What it answers to each point."""
        h = (z - self.middle) / self.std
        for weight, offset in zip(self.weights[:2], self.offsets[:2], strict=True):
            h = _silu(h @ weight + offset)[0]
        return (h @ self.weights[2] + self.offsets[2]).astype(np.float32)

    def slopes(self, z: Points) -> Slopes:
        """How each answer changes with each coordinate, by spreads."""
        first, second, last = self.weights
        one, steep = _silu((z - self.middle) / self.std @ first + self.offsets[0])
        _, steeper = _silu(one @ second + self.offsets[1])
        back = (last.T[None] * steeper[:, None]) @ second.T
        return ((back * steep[:, None]) @ first.T).astype(np.float32)

    def only(self, columns: list[int]) -> "Layers":
        """The same net, of these answers alone and in this order."""
        weights = (*self.weights[:2], self.weights[2][:, columns])
        offsets = (*self.offsets[:2], self.offsets[2][columns])
        return Layers(self.middle, self.std, weights, offsets)


@dataclass(frozen=True)
class Straight:
    """The same step everywhere."""

    step: Values

    def __call__(self, z: Points) -> Points:
        return np.broadcast_to(self.step, z.shape)


@dataclass(frozen=True)
class Uphill:
    """One spread up the slope of the first answer, the others held: softly, for they may be tied to it."""

    layers: Layers
    hold: float = HOLD

    def __call__(self, z: Points) -> Points:
        answers = self.layers.weights[2].shape[1]
        rows = max(ROOM // (answers * z.shape[1]), 1)
        parts = [self._lead(z[i : i + rows]) for i in range(0, max(len(z), 1), rows)]
        return np.concatenate(parts)

    def _lead(self, z: Points) -> Points:
        slopes = self.layers.slopes(z).astype(np.float64)
        up, others = slopes[:, 0], slopes[:, 1:]
        if others.shape[1]:
            others = others / np.maximum(np.linalg.norm(others, axis=2, keepdims=True), 1e-9)
            square = others @ others.transpose(0, 2, 1) + self.hold * np.eye(others.shape[1])
            share = np.linalg.solve(square, others @ up[:, :, None])
            up = up - (others.transpose(0, 2, 1) @ share)[:, :, 0]
        unit = up / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
        return (unit * self.layers.std).astype(np.float32)


@dataclass(frozen=True)
class Wind:
    """What a net of as many answers as axes says, as it is."""

    layers: Layers

    def __call__(self, z: Points) -> Points:
        return self.layers(z) * self.layers.std


def begin(points: Points, answers: int, *, seed: int, width: int = WIDTH) -> Layers:
    """An untaught net for points like these."""
    chance = stream(seed, "layers")
    sizes = [points.shape[1], width, width, answers]
    weights = tuple(
        (chance.standard_normal((a, b)) / np.sqrt(a)).astype(np.float32) for a, b in pairwise(sizes)
    )
    offsets = tuple(np.zeros(size, np.float32) for size in sizes[1:])
    middle, spread = points.mean(axis=0), points.std(axis=0)
    # Where the points do not vary there is no spread to go by: that of the other axes stands in.
    usual = float(spread[spread > 0].mean()) if (spread > 0).any() else 1.0
    spread = np.where(spread > 1e-6 * usual, spread, usual).astype(np.float32)
    return Layers(middle, spread, weights, offsets)  # type: ignore[arg-type]


def fit_layers(
    points: Points,
    answers: Answers,
    *,
    chances: bool = True,
    blur: float = BLUR,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = False,
) -> Layers:
    """A net that answers these points as told: with chances, as log-odds; else by least squares."""
    layers = begin(points, answers.shape[1], seed=seed)
    x = torch.from_numpy(((points - layers.middle) / layers.std).astype(np.float32))
    told = torch.from_numpy(answers.astype(np.float32))
    parts = tensors(layers)
    loss = F.binary_cross_entropy_with_logits if chances else F.mse_loss
    chance = torch.Generator().manual_seed(derive(seed, "fit"))
    optimizer = torch.optim.Adam(parts, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    with shown(show, "reading the codes", steps, "steps") as advance:
        for _ in range(steps):
            rows = torch.randint(len(x), (BATCH,), generator=chance)
            noise = torch.randn((BATCH, x.shape[1]), generator=chance)
            wrong = loss(run(parts, x[rows] + blur * noise), told[rows])
            optimizer.zero_grad()
            wrong.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            advance(1)
    return taught(layers, parts)


def tensors(layers: Layers) -> list[Tensor]:
    """Its weights and offsets for torch to change."""
    arrays = (*layers.weights, *layers.offsets)
    return [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]


def run(parts: list[Tensor], x: Tensor) -> Tensor:
    """What such a net answers, in torch, to points in spreads from their mean."""
    for weight, offset in zip(parts[:2], parts[3:5], strict=True):
        x = F.silu(x @ weight + offset)
    return x @ parts[2] + parts[5]


def taught(layers: Layers, parts: list[Tensor]) -> Layers:
    """The net with what torch has made of its weights and offsets."""
    arrays = [part.detach().cpu().numpy() for part in parts]
    weights, offsets = tuple(arrays[:3]), tuple(arrays[3:])
    return Layers(layers.middle, layers.std, weights, offsets)  # type: ignore[arg-type]


def _silu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x times its logistic, which never flattens on one side, and its slope."""
    share = 0.5 * (1 + np.tanh(0.5 * x))
    return x * share, share * (1 + x * (1 - share))


# As plain arrays ---------------------------------------------------------------------------------


def taken_apart(field: Field) -> tuple[str, Arrays, float]:
    """The kind of a field, its arrays by name, and how softly it holds."""
    if isinstance(field, Straight):
        return "straight", {"step": field.step}, 0.0
    if not isinstance(field, Uphill | Wind):
        raise NotSupported(
            "Only fields of zatlas can be kept: a function of your own has no file. Keep its code."
        )
    layers = field.layers
    parts = (layers.middle, layers.std, *layers.weights, *layers.offsets)
    arrays = dict(zip(PARTS, parts, strict=True))
    return ("uphill", arrays, field.hold) if isinstance(field, Uphill) else ("wind", arrays, 0.0)


def put_together(kind: str, arrays: Arrays, hold: float) -> Field:
    """The field of these arrays, if they fit together."""
    if kind == "straight" and "step" in arrays:
        return Straight(arrays["step"])
    if kind not in ("uphill", "wind") or not set(PARTS) <= arrays.keys():
        raise BadData(f"These arrays make no field of the kind {kind!r}.")
    middle, spread, *rest = (arrays[name] for name in PARTS)
    sizes = [middle.size, *(offset.size for offset in rest[3:])]
    wanted = [(sizes[0],), (sizes[0],), *pairwise(sizes), *((size,) for size in sizes[1:])]
    last = sizes[-1] == sizes[0] if kind == "wind" else sizes[-1] > 0
    if [part.shape for part in (middle, spread, *rest)] != wanted or not last:
        raise BadData("The layers of this field do not fit onto each other.")
    first, second, third, *offsets = rest
    layers = Layers(middle, spread, (first, second, third), (offsets[0], offsets[1], offsets[2]))
    return Uphill(layers, float(hold)) if kind == "uphill" else Wind(layers)
