"""Steering by edits of images: the way that imitates a zoom, a shift, a turn or a change of light."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import (
    is_differentiable,
    minimize,
    finite_differences,
    decode_tensor,
    require_gradient,
    progress_bar,
)
from zatlas.directions.estimate import std_along
from zatlas.directions.field_networks import (
    AttributeNetwork,
    VectorField,
    initial_network,
    forward,
    parameters,
    with_weights,
)
from zatlas.directions.image_edits import EDITS, Edit, measure_edit, get_edit, unexplained_change
from zatlas.directions.types import Direction, FieldDirection, LinearDirection
from zatlas.models.generator import Generator

METHODS = ("linear", "net")
STEPS, BATCH = 120, 16
RATE, NET_RATE = 0.03, 3e-3
NET_WIDTH = 64
FIELD_STEPS = 4  # steps by which a net goes a whole way
NUDGED, DIRECT = 24, 256  # points, and axes, where a decoder has no gradients
TEST_LATENTS = 32  # points that a way is measured on
FARTHEST, PLACES = 6.0, 17  # spreads to either side, and amounts in them, that are measured
CLOSE_ERROR = 0.25  # of what was asked: the edit follows its target as near as this
MIN_EXPLAINED = 0.1  # of a full edit: a way that never gives more does not imitate it
MAX_SECONDS = 1 / 3  # of the first slope: with less, a way has no more to give


def fit(
    generator: Generator,
    latents: Latents,
    *,
    names: Sequence[str] = (),
    method: str = "linear",
    steps: int = STEPS,
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """A way for each of these edits (zoom, shift_x, rotation, brightness ...), straight or by a small net.

    Jahanian, Chai and Isola 2020, https://arxiv.org/abs/1907.07171. Its facts tell, of decoded images,
    how much of the edit a spread gives, from where to where it keeps to that within a quarter, where it
    has no more to give, and how much of what changes is the edit; or that the model cannot do it.
    """
    if method not in METHODS:
        raise UnknownName("method to imitate an edit", method, METHODS)
    edits = [get_edit(name) for name in names or _possible(generator, latents)]
    if method == "net":
        require_gradient(generator, latents, "A way by a net", "take method=linear, which needs none.")
    result: list[Direction] = []
    for edit in edits:
        if method == "net":
            fitted: Direction = _net(generator, latents, edit, steps, seed, show)
        else:
            fitted = _line(generator, latents, edit, steps, seed, show)
        result.append(measured(generator, latents, fitted, edit, seed=seed))
    return result


@dataclass(frozen=True)
class TransformFit:
    """How much of an edit amounts of a way give, of decoded images."""

    requested: Values  # amounts
    achieved: Values  # median of the edit measured, in its unit
    explained: Values  # how much of the change the edit is

    def facts(self, edit: Edit) -> dict[str, object]:
        """What can be said of it in a few numbers."""
        middle = len(self.requested) // 2
        near = slice(middle - 2, middle + 3)
        gradient = float(np.polyfit(self.requested[near], self.achieved[near], 1)[0])
        off = np.abs(self.achieved - gradient * self.requested)
        follows = off <= CLOSE_ERROR * np.abs(gradient * self.requested) + 0.02 * edit.max_amount
        gradients = np.gradient(self.achieved, self.requested) / (gradient or 1.0)
        low, high = _run(follows, middle)
        first, last = _run(gradients > MAX_SECONDS, middle)
        if np.abs(self.achieved[low : high + 1]).max() < MIN_EXPLAINED * edit.max_amount:
            words = f"this model cannot do it: no more than {np.abs(self.achieved).max():.3g} is reached"
            return {"unit": edit.unit, "amount_per_std": gradient, "follows": None, "why": words}
        ends = [first > 0, last < len(self.requested) - 1]
        return {
            "unit": edit.unit,
            "amount_per_std": gradient,
            "follows": [float(self.requested[low]), float(self.requested[high])],
            "reaches": [float(self.achieved[low]), float(self.achieved[high])],
            "saturates": [
                float(self.requested[i]) if end else None for i, end in zip((first, last), ends, strict=True)
            ],
            "explained": float(self.explained[low : high + 1].mean()),
        }


def evaluate_transform(
    generator: Generator, latents: Latents, direction: Direction, edit: Edit, *, seed: int = 0
) -> TransformFit:
    """What a way really does to an edit, measured on some points from far below to far above."""
    n = min(TEST_LATENTS, len(latents))
    z = latents[stream(seed, "tested").choice(len(latents), n, replace=False)]
    before = torch.from_numpy(generator.decode(z))
    asked = np.linspace(-FARTHEST, FARTHEST, PLACES, dtype=np.float32)
    given, explained = [], []
    for amount in asked:
        after = torch.from_numpy(generator.decode(direction.move(z, np.full(n, amount))))
        measure, share = measure_edit(edit, before, after)
        given.append(float(measure.median()))
        explained.append(float(share.median()) if amount else 1.0)
    return TransformFit(asked, np.array(given, np.float32), np.array(explained, np.float32))


def measured(
    generator: Generator, latents: Latents, direction: Direction, edit: Edit, *, seed: int = 0
) -> Direction:
    """The same way with what it really does."""
    result = evaluate_transform(generator, latents, direction, edit, seed=seed)
    return replace(direction, facts=result.facts(edit))


def _run(flags: np.ndarray, middle: int) -> tuple[int, int]:
    """The ends of the run of true around the middle."""
    low = high = middle
    while low > 0 and flags[low - 1]:
        low -= 1
    while high < len(flags) - 1 and flags[high + 1]:
        high += 1
    return low, high


def _possible(generator: Generator, latents: Latents) -> list[str]:
    grey = generator.decode(latents[:1]).shape[1] != 3
    return [name for name in EDITS if not (grey and name in ("colour", "warmth"))]


def _line(
    generator: Generator, latents: Latents, edit: Edit, steps: int, seed: int, show: bool
) -> LinearDirection:
    if is_differentiable(generator, latents):
        step = _by_descent(generator, latents, edit, steps, seed, show)
    else:
        step = _by_differences(generator, latents, edit, seed, show)
    length = float(np.linalg.norm(step))
    if not np.isfinite(length) or length < 1e-9:
        raise BadData(f"Nothing in this model's latent space imitates {edit.name}: no way leads there.")
    axis = (step / length).astype(np.float32)
    return LinearDirection(edit.name, axis, std_along(axis, latents))


def _by_descent(
    generator: Generator, latents: Latents, edit: Edit, steps: int, seed: int, show: bool
) -> Latents:
    """The step that gives a whole edit, by its loss on images of this model."""
    std = torch.from_numpy(latents.std(axis=0)).to(generator.device)
    step = torch.zeros(latents.shape[1], device=generator.device, requires_grad=True)
    batch = _batches(generator, latents, edit, seed)

    def loss(number: int) -> Tensor:
        z, target, known, amount = batch()
        moved = z + (amount / edit.max_amount)[:, None] * std * step
        return unexplained_change(target, known, decode_tensor(generator, moved)).mean()

    label = f"imitating {edit.name}"
    minimize([step], loss, steps=steps, rate=RATE, label=label, show=show)
    return (step.detach() * std).cpu().numpy()


def _by_differences(generator: Generator, latents: Latents, edit: Edit, seed: int, show: bool) -> Latents:
    """The same for a decoder without gradients: least squares between its changes and the edit's."""
    chance = stream(seed, "differences")
    chosen = latents[chance.choice(len(latents), min(NUDGED, len(latents)), replace=False)]
    dim = latents.shape[1]
    axes = np.eye(dim, dtype=np.float32)
    if dim > DIRECT:
        axes = np.linalg.qr(chance.standard_normal((dim, DIRECT)))[0].T.astype(np.float32)
    square, mixed = np.zeros((len(axes), len(axes))), np.zeros(len(axes))
    small = torch.tensor([0.2 * edit.max_amount, -0.2 * edit.max_amount])
    with progress_bar(show, f"imitating {edit.name}", len(chosen), "points") as advance:
        changes = finite_differences(generator, chosen, axes)
        for image, change in zip(generator.decode(chosen), changes, strict=True):
            pair, known = edit.apply(torch.from_numpy(image).expand(2, -1, -1, -1), small)
            both = (known[0] * known[1]).expand_as(pair[0]).flatten().numpy()
            wanted = ((pair[0] - pair[1]).flatten() / 0.4).numpy() * both
            square += change @ (change * both).T
            mixed += change @ wanted
            advance(1)
    square[np.diag_indices_from(square)] += 1e-3 * float(np.trace(square)) / len(axes) + 1e-12
    return np.linalg.solve(square, mixed) @ axes


def _net(
    generator: Generator, latents: Latents, edit: Edit, steps: int, seed: int, show: bool
) -> FieldDirection:
    """A field that is followed for as long as the edit is large."""
    layers = initial_network(latents, latents.shape[1], seed=derive(seed, edit.name), width=NET_WIDTH)
    parts = [part.detach().to(generator.device).requires_grad_() for part in parameters(layers)]
    middle, std = (torch.from_numpy(each).to(generator.device) for each in (layers.mean, layers.std))
    batch = _batches(generator, latents, edit, seed)

    def loss(number: int) -> Tensor:
        z, target, known, amount = batch()
        hop = (amount / edit.max_amount / FIELD_STEPS)[:, None]
        x = (z - middle) / std
        for _ in range(FIELD_STEPS):
            x = x + hop * forward(parts, x)
        return unexplained_change(target, known, decode_tensor(generator, x * std + middle)).mean()

    label = f"imitating {edit.name}"
    minimize(parts, loss, steps=steps, rate=NET_RATE, label=label, show=show)
    return FieldDirection(edit.name, VectorField(_paced(with_weights(layers, parts), latents)))


def _paced(layers: AttributeNetwork, latents: Latents) -> AttributeNetwork:
    """The same field at the pace of a spread, on the whole, so that amounts mean what they always do."""
    pace = float(np.sqrt((layers(latents[:2000]) ** 2).sum(axis=1).mean())) or 1.0
    weights = (*layers.weights[:2], layers.weights[2] / np.float32(pace))
    offsets = (*layers.offsets[:2], layers.offsets[2] / np.float32(pace))
    return AttributeNetwork(layers.mean, layers.std, weights, offsets)


def _batches(
    generator: Generator, latents: Latents, edit: Edit, seed: int
) -> Callable[[], tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Points, their images edited by amounts drawn by chance, where these are known, and the amounts."""
    chance = torch.Generator().manual_seed(derive(seed, "edits", edit.name))

    def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        some = torch.randint(len(latents), (BATCH,), generator=chance).numpy()
        z = torch.from_numpy(latents[some]).to(generator.device)
        amount = (2 * torch.rand(BATCH, generator=chance) - 1).to(generator.device) * edit.max_amount
        with torch.no_grad():
            target, known = edit.apply(decode_tensor(generator, z), amount)
        return z, target, known, amount

    return batch
