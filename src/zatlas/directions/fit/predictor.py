"""Steering by an assessor: ways that raise what any scorer reads from images by as much as is asked."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Points, Values
from zatlas.core.errors import BadData, NotSupported, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import can_be_differentiated, descend, images_of, shown
from zatlas.directions.estimate import std_along
from zatlas.directions.fields import HOLD, Straight, Uphill, fit_layers
from zatlas.directions.fields import STEPS as READING
from zatlas.directions.types import Direction, FieldDirection, LinearDirection
from zatlas.models.generator import Generator
from zatlas.models.scorer import Scorer

METHODS = ("linear", "local")
SAMPLES = 2000  # images that the scorer reads
RIDGE = 1e-2
STEPS, BATCH, RATE = 40, 16, 0.01
TRIED = 1.5  # spreads by which two directions are compared
ASKED = 0.5  # of the range of scores, while learning
MEASURED = 128  # points of the scale, and as many others for its error
FARTHEST, PLACES = 6.0, 17  # spreads to either side, and amounts in them


def fit(
    generator: Generator,
    points: Points,
    *,
    scorer: Scorer,
    names: Sequence[str] = (),
    without: Sequence[str] = (),
    method: str = "linear",
    hold: float = HOLD,
    steps: int = READING,
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """A way for each of the scorer's names that changes its mean answer by the amount that is asked.

    Goetschalckx et al. 2019 (GANalyze), https://arxiv.org/abs/1906.10112. It begins with the regression
    of the answers to decoded images on their points, which needs no gradients (Stein 1981: it is the mean
    slope), and goes on by gradients where scorer and decoder have them. A local way follows the slope of
    a small net that has learnt those answers. The answers in `without` are held.
    """
    if method not in METHODS:
        raise UnknownName("way to raise a score", method, METHODS)
    for name in (*names, *without):
        scorer.column(name)
    wanted = list(names or scorer.names)
    used = sorted({*wanted, *without, *(_beside(scorer, wanted) if method == "local" else ())})
    z, answers = _read(generator, points, scorer.only(used), seed, show)
    kept = [name for i, name in enumerate(used) if answers[:, i].std() > 1e-6]
    for name in wanted:
        if name not in kept:
            raise BadData(f"The scorer answers {name!r} the same for all images of this model.")
    answers = answers[:, [used.index(name) for name in kept]]
    flags = [scorer.kinds[scorer.column(name)] != "number" for name in kept]
    found: list[Direction] = []
    nets = None
    if method == "local":
        nets = fit_layers(z, _targets(answers, flags), chances=all(flags), steps=steps, seed=seed, show=show)
    for name in wanted:
        others = [other for other in without if other != name and other in kept]
        columns = [kept.index(each) for each in (name, *others)]
        if nets is not None:
            raw: Direction = FieldDirection(name, Uphill(nets.only(columns), hold))
        else:
            step = _slope(z, answers, columns)
            step = _descended(generator, scorer, name, z, step, answers[:, columns[1:]], seed, show)
            raw = LinearDirection(name, step, std_along(step, points))
        found.append(calibrated(generator, z, raw, scorer, name, seed=seed))
    return found


def calibrated(
    generator: Generator, points: Points, way: Direction, scorer: Scorer, name: str, *, seed: int = 0
) -> FieldDirection:
    """The way by amounts of the score: asked for +a, the mean answer changes by a.

    Measured on some points, and the error of what is then asked on others. The scale ends where a spread
    more raises the score no further.
    """
    some = stream(seed, "scale").permutation(len(points))[: 2 * MEASURED]
    # Every other one by its answer, so that both parts begin with the same mean.
    order = some[scorer.only([name]).score(generator.decode(points[some]))[:, 0].argsort()]
    scale_points, others = points[order[::2]], points[order[1::2]]
    spreads = np.linspace(-FARTHEST, FARTHEST, PLACES, dtype=np.float32)
    means = _means(generator, scale_points, way, scorer, name, spreads)
    low, high = _rising(means)
    if high - low < 1:
        raise NotSupported(f"No way in this model raises {name!r}, as this scorer reads it.")
    scale = (means[low : high + 1], spreads[low : high + 1])
    move = way.lead if isinstance(way, FieldDirection) else Straight(way.vector * np.float32(way.std))
    steer = FieldDirection(way.name, move, way.score, way.side_effects, {}, scale)
    asked = np.linspace(scale[0][0], scale[0][-1], 9, dtype=np.float32)
    got = _means(generator, others, steer, scorer, name, asked)
    facts = {
        "unit": f"mean change of {name}",
        "follows": [float(asked[0]), float(asked[-1])],
        "error": float(np.abs(got - asked).mean()),
        "largest_error": float(np.abs(got - asked).max()),
        "spreads": [float(scale[1][0]), float(scale[1][-1])],
    }
    return replace(steer, facts=facts)


def _read(
    generator: Generator, points: Points, scorer: Scorer, seed: int, show: bool
) -> tuple[Points, np.ndarray]:
    """Some of the points, and what the scorer reads from their images; a portion at a time."""
    chance = stream(seed, "read")
    chosen = chance.choice(len(points), min(SAMPLES, len(points)), replace=False)
    z, found, done = points[chosen], [], 0
    with shown(show, "asking the scorer", len(z), "images") as advance:
        for images in generator.stream(z):
            found.append(scorer.score(images))
            done += len(images)
            advance(len(images))
    return z, np.concatenate(found)


def _beside(scorer: Scorer, wanted: Sequence[str]) -> list[str]:
    """What is read as chances like those that are wanted: learnt together, each is learnt better."""
    kinds = dict(zip(scorer.names, scorer.kinds, strict=True))
    if any(kinds[name] == "number" for name in wanted):
        return []
    return [name for name, kind in kinds.items() if kind != "number"]


def _targets(answers: np.ndarray, flags: list[bool]) -> np.ndarray:
    """Chances as they are; beside numbers, all in spreads from their means."""
    if all(flags):
        return answers
    return (answers - answers.mean(axis=0)) / answers.std(axis=0)


def _slope(z: Points, answers: np.ndarray, columns: list[int]) -> Points:
    """The unit vector along which the first answer rises and, if they are told apart, others do not."""
    middle, spread = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-9)
    x = ((z - middle) / spread).astype(np.float64)
    told = answers[:, columns] - answers[:, columns].mean(axis=0)
    if x.shape[1] <= len(x):
        square = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
        slopes = np.linalg.solve(square, x.T @ told)
    else:
        square = x @ x.T + RIDGE * x.shape[1] * np.eye(len(x))
        slopes = x.T @ np.linalg.solve(square, told)
    up = slopes[:, 0]
    if len(columns) > 1:
        basis = np.linalg.qr(slopes[:, 1:])[0]
        up = up - basis @ (basis.T @ up)
    step = up * spread
    return (step / max(float(np.linalg.norm(step)), 1e-12)).astype(np.float32)


def _descended(
    generator: Generator,
    scorer: Scorer,
    name: str,
    z: Points,
    step: Points,
    held: np.ndarray,
    seed: int,
    show: bool,
) -> Points:
    """The same made better by gradients of the score, where there are any and nothing is held."""
    if held.shape[1] or not _differentiable(generator, scorer, z):
        return step
    column, chance = scorer.column(name), torch.Generator().manual_seed(derive(seed, "raise"))
    whole = std_along(step, z)
    start = torch.from_numpy(step * np.float32(whole)).to(generator.device)
    turn = torch.zeros_like(start, requires_grad=True)
    kind = scorer.kinds[column]

    def loss(number: int) -> Tensor:
        some = torch.randint(len(z), (BATCH,), generator=chance).numpy()
        point = torch.from_numpy(z[some]).to(generator.device)
        amount = (2 * torch.rand(BATCH, generator=chance) - 1).to(generator.device) * 3
        with torch.no_grad():
            before = scorer.function(images_of(generator, point))[:, column]
        target = before + amount * size
        target = target.clamp(0, 1) if kind != "number" else target
        moved = point + amount[:, None] * (start + whole * turn)
        after = scorer.function(images_of(generator, moved))[:, column]
        return (after - target).square().mean() / spread**2

    answers = scorer.score(generator.decode(z[:256]))[:, column]
    spread = max(float(answers.std()), 1e-6)
    size = ASKED * (1.0 if kind != "number" else spread)
    descend([turn], loss, steps=STEPS, rate=RATE, label=f"raising {name}", show=show)
    found = (start + whole * turn.detach()).cpu().numpy()
    found = (found / max(float(np.linalg.norm(found)), 1e-12)).astype(np.float32)

    def rise(step: Points) -> float:
        ends = [z[:MEASURED] + sign * TRIED * std_along(step, z) * step for sign in (-1, 1)]
        low, high = (scorer.score(generator.decode(end))[:, column].mean() for end in ends)
        return float(high - low)

    return found if rise(found) > rise(step) else step


def _differentiable(generator: Generator, scorer: Scorer, z: Points) -> bool:
    if not can_be_differentiated(generator, z) or scorer.device != generator.device:
        return False
    point = torch.tensor(z[:1], device=generator.device, requires_grad=True)
    try:
        return scorer.function(images_of(generator, point)).requires_grad
    except (RuntimeError, TypeError):  # a scorer that goes by numpy refuses what has gradients
        return False


def _means(
    generator: Generator, z: Points, way: Direction, scorer: Scorer, name: str, asked: Values
) -> Values:
    """By how much the mean answer changes, for each amount."""
    one = scorer.only([name])
    before = one.score(generator.decode(z)).mean()
    found = [
        one.score(generator.decode(way.move(z, np.full(len(z), amount)))).mean() - before for amount in asked
    ]
    return np.array(found, np.float32)


def _rising(means: Values) -> tuple[int, int]:
    """The ends of the run around the middle in which the score rises from place to place."""
    low = high = len(means) // 2
    least = 1e-3 * float(np.ptp(means))
    while low > 0 and means[low - 1] < means[low] - least:
        low -= 1
    while high < len(means) - 1 and means[high + 1] > means[high] + least:
        high += 1
    return low, high
