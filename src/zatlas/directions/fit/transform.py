"""Steering by edits of images: the way that imitates a zoom, a shift, a turn or a change of light."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Points, Values
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import can_be_differentiated, descend, images_of, need_gradient, nudged, shown
from zatlas.directions.edits import EDITS, Edit, amounts, edit_of, missed
from zatlas.directions.estimate import std_along
from zatlas.directions.fields import Layers, Wind, begin, run, taught, tensors
from zatlas.directions.types import Direction, FieldDirection, LinearDirection
from zatlas.models.generator import Generator

METHODS = ("linear", "net")
STEPS, BATCH = 120, 16
RATE, NET_RATE = 0.03, 3e-3
NET_WIDTH = 64
HOPS = 4  # steps by which a net goes a whole way
NUDGED, DIRECT = 24, 256  # points, and axes, where a decoder has no gradients
TESTED = 32  # points that a way is measured on
FARTHEST, PLACES = 6.0, 17  # spreads to either side, and amounts in them, that are measured
CLOSE = 0.25  # of what was asked: the edit follows its target as near as this
LEAST = 0.1  # of a full edit: a way that never gives more does not imitate it
SPENT = 1 / 3  # of the first slope: with less, a way has no more to give


def fit(
    generator: Generator,
    points: Points,
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
    edits = [edit_of(name) for name in names or _possible(generator, points)]
    if method == "net":
        need_gradient(generator, points, "A way by a net", "take method=linear, which needs none.")
    found: list[Direction] = []
    for edit in edits:
        if method == "net":
            learnt: Direction = _net(generator, points, edit, steps, seed, show)
        else:
            learnt = _line(generator, points, edit, steps, seed, show)
        found.append(measured(generator, points, learnt, edit, seed=seed))
    return found


@dataclass(frozen=True)
class Reach:
    """How much of an edit amounts of a way give, of decoded images."""

    asked: Values  # amounts
    given: Values  # median of the edit measured, in its unit
    explained: Values  # how much of the change the edit is

    def facts(self, edit: Edit) -> dict[str, object]:
        """What can be said of it in a few numbers."""
        middle = len(self.asked) // 2
        near = slice(middle - 2, middle + 3)
        slope = float(np.polyfit(self.asked[near], self.given[near], 1)[0])
        off = np.abs(self.given - slope * self.asked)
        follows = off <= CLOSE * np.abs(slope * self.asked) + 0.02 * edit.full
        slopes = np.gradient(self.given, self.asked) / (slope or 1.0)
        low, high = _run(follows, middle)
        first, last = _run(slopes > SPENT, middle)
        if np.abs(self.given[low : high + 1]).max() < LEAST * edit.full:
            words = f"this model cannot do it: no more than {np.abs(self.given).max():.3g} is reached"
            return {"unit": edit.unit, "amount_per_std": slope, "follows": None, "why": words}
        ends = [first > 0, last < len(self.asked) - 1]
        return {
            "unit": edit.unit,
            "amount_per_std": slope,
            "follows": [float(self.asked[low]), float(self.asked[high])],
            "reaches": [float(self.given[low]), float(self.given[high])],
            "saturates": [
                float(self.asked[i]) if end else None for i, end in zip((first, last), ends, strict=True)
            ],
            "explained": float(self.explained[low : high + 1].mean()),
        }


def reach(generator: Generator, points: Points, way: Direction, edit: Edit, *, seed: int = 0) -> Reach:
    """What a way really does to an edit, measured on some points from far below to far above."""
    n = min(TESTED, len(points))
    z = points[stream(seed, "tested").choice(len(points), n, replace=False)]
    before = torch.from_numpy(generator.decode(z))
    asked = np.linspace(-FARTHEST, FARTHEST, PLACES, dtype=np.float32)
    given, explained = [], []
    for amount in asked:
        after = torch.from_numpy(generator.decode(way.move(z, np.full(n, amount))))
        measure, share = amounts(edit, before, after)
        given.append(float(measure.median()))
        explained.append(float(share.median()) if amount else 1.0)
    return Reach(asked, np.array(given, np.float32), np.array(explained, np.float32))


def measured(generator: Generator, points: Points, way: Direction, edit: Edit, *, seed: int = 0) -> Direction:
    """The same way with what it really does."""
    found = reach(generator, points, way, edit, seed=seed)
    return replace(way, facts=found.facts(edit))


def _run(flags: np.ndarray, middle: int) -> tuple[int, int]:
    """The ends of the run of true around the middle."""
    low = high = middle
    while low > 0 and flags[low - 1]:
        low -= 1
    while high < len(flags) - 1 and flags[high + 1]:
        high += 1
    return low, high


def _possible(generator: Generator, points: Points) -> list[str]:
    grey = generator.decode(points[:1]).shape[1] != 3
    return [name for name in EDITS if not (grey and name in ("colour", "warmth"))]


def _line(
    generator: Generator, points: Points, edit: Edit, steps: int, seed: int, show: bool
) -> LinearDirection:
    if can_be_differentiated(generator, points):
        step = _by_descent(generator, points, edit, steps, seed, show)
    else:
        step = _by_differences(generator, points, edit, seed, show)
    length = float(np.linalg.norm(step))
    if not np.isfinite(length) or length < 1e-9:
        raise BadData(f"Nothing in this model's latent space imitates {edit.name}: no way leads there.")
    axis = (step / length).astype(np.float32)
    return LinearDirection(edit.name, axis, std_along(axis, points))


def _by_descent(
    generator: Generator, points: Points, edit: Edit, steps: int, seed: int, show: bool
) -> Points:
    """The step that gives a whole edit, by its loss on images of this model."""
    spread = torch.from_numpy(points.std(axis=0)).to(generator.device)
    step = torch.zeros(points.shape[1], device=generator.device, requires_grad=True)
    batch = _batches(generator, points, edit, seed)

    def loss(number: int) -> Tensor:
        z, target, known, amount = batch()
        moved = z + (amount / edit.full)[:, None] * spread * step
        return missed(target, known, images_of(generator, moved)).mean()

    label = f"imitating {edit.name}"
    descend([step], loss, steps=steps, rate=RATE, label=label, show=show)
    return (step.detach() * spread).cpu().numpy()


def _by_differences(generator: Generator, points: Points, edit: Edit, seed: int, show: bool) -> Points:
    """The same for a decoder without gradients: least squares between its changes and the edit's."""
    chance = stream(seed, "differences")
    chosen = points[chance.choice(len(points), min(NUDGED, len(points)), replace=False)]
    dim = points.shape[1]
    axes = np.eye(dim, dtype=np.float32)
    if dim > DIRECT:
        axes = np.linalg.qr(chance.standard_normal((dim, DIRECT)))[0].T.astype(np.float32)
    square, mixed = np.zeros((len(axes), len(axes))), np.zeros(len(axes))
    small = torch.tensor([0.2 * edit.full, -0.2 * edit.full])
    with shown(show, f"imitating {edit.name}", len(chosen), "points") as advance:
        changes = nudged(generator, chosen, axes)
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
    generator: Generator, points: Points, edit: Edit, steps: int, seed: int, show: bool
) -> FieldDirection:
    """A field that is followed for as long as the edit is large."""
    layers = begin(points, points.shape[1], seed=derive(seed, edit.name), width=NET_WIDTH)
    parts = [part.detach().to(generator.device).requires_grad_() for part in tensors(layers)]
    middle, spread = (torch.from_numpy(each).to(generator.device) for each in (layers.middle, layers.std))
    batch = _batches(generator, points, edit, seed)

    def loss(number: int) -> Tensor:
        z, target, known, amount = batch()
        hop = (amount / edit.full / HOPS)[:, None]
        x = (z - middle) / spread
        for _ in range(HOPS):
            x = x + hop * run(parts, x)
        return missed(target, known, images_of(generator, x * spread + middle)).mean()

    label = f"imitating {edit.name}"
    descend(parts, loss, steps=steps, rate=NET_RATE, label=label, show=show)
    return FieldDirection(edit.name, Wind(_paced(taught(layers, parts), points)))


def _paced(layers: Layers, points: Points) -> Layers:
    """The same field at the pace of a spread, on the whole, so that amounts mean what they always do."""
    pace = float(np.sqrt((layers(points[:2000]) ** 2).sum(axis=1).mean())) or 1.0
    weights = (*layers.weights[:2], layers.weights[2] / np.float32(pace))
    offsets = (*layers.offsets[:2], layers.offsets[2] / np.float32(pace))
    return Layers(layers.middle, layers.std, weights, offsets)


def _batches(
    generator: Generator, points: Points, edit: Edit, seed: int
) -> Callable[[], tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Points, their images edited by amounts drawn by chance, where these are known, and the amounts."""
    chance = torch.Generator().manual_seed(derive(seed, "edits", edit.name))

    def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        some = torch.randint(len(points), (BATCH,), generator=chance).numpy()
        z = torch.from_numpy(points[some]).to(generator.device)
        amount = (2 * torch.rand(BATCH, generator=chance) - 1).to(generator.device) * edit.full
        with torch.no_grad():
            target, known = edit.apply(images_of(generator, z), amount)
        return z, target, known, amount

    return batch
