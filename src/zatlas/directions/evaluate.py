"""Measure whether a direction changes what its name says, in decoded images and against random ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Labels, Latents
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.directions.direction_report import DirectionReport, Effect
from zatlas.directions.evaluator import MAX_AMOUNT, DecodedImages, Evaluator, pixel_change, attribute_change, unit_vector
from zatlas.directions.types import Direction, in_std
from zatlas.latent.names import KnownNames, find
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator

FLIP_AMOUNT = 3.0  # spreads
BOOTSTRAP_DRAWS = 1000  # of the bootstrap
REFITS = 8  # times a way is learnt again
MIN_CHANGE = 0.1  # of the steepest step: below it the edit has stopped to follow
MAX_OUTSIDE_SHARE = 2.0  # distance to the data that one code in a hundred has

Steps = Mapping[int, tuple[DecodedImages, DecodedImages]]  # what is seen so many spreads back, and forward
Refit = Callable[[Direction, int], Direction | None]


def evaluate(
    evaluator: Evaluator,
    directions: Sequence[Direction],
    *,
    refit: Refit | None = None,
    saved: Mapping[str, DirectionReport] | None = None,
) -> list[DirectionReport]:
    """Move the same latents along each direction, and compare the decoded images with random moves.

    `refit(direction, number)` returns the direction as fitted to another draw of the data, or None if there
    are no more. A direction that cannot be fitted again keeps the stability of its saved report.
    """
    return [
        _evaluate(evaluator, direction, refit, (saved or {}).get(direction.name)) for direction in directions
    ]


def _evaluate(
    evaluator: Evaluator, direction: Direction, refit: Refit | None, saved: DirectionReport | None
) -> DirectionReport:
    target, sign = target_of(direction, evaluator.names)
    column = None if target is None else evaluator.names.index(target)
    way = in_std(direction)
    steps = _steps(evaluator, way)
    answers, images = attribute_change(*steps[1]), pixel_change(*steps[1])
    random_answers, random_images = evaluator.random_gradients
    if column is None:
        effect = _effect(images, random_images, evaluator.seed)
    else:
        effect = _effect(sign * answers[:, column], random_answers[:, column], evaluator.seed)
    low, high = _range(evaluator, way, _followed(evaluator.before, steps, column, sign))
    stable = _stability(evaluator, way, refit)
    return DirectionReport(
        target,
        effect,
        dict(zip(evaluator.names, answers.mean(axis=0).tolist(), strict=True)),
        _outside(evaluator.before, steps, column),
        low,
        high,
        saved.stability if stable is None and saved is not None else stable,
        direction=direction,
    )


def usable_range(evaluator: Evaluator, reports: Direction) -> tuple[float, float]:
    """The spreads between which a way still moves what it is to move, within the data."""
    target, sign = target_of(reports, evaluator.names)
    column = None if target is None else evaluator.names.index(target)
    direction = in_std(reports)
    return _range(
        evaluator, direction, _followed(evaluator.before, _steps(evaluator, direction), column, sign)
    )


def _steps(evaluator: Evaluator, direction: Direction) -> Steps:
    return {amount: evaluator.decode_sides(direction, amount) for amount in range(1, MAX_AMOUNT + 1)}


def target_of(direction: Direction, names: Sequence[str]) -> tuple[str | None, int]:
    """The answer that a way is to move, and whether up or down; None if none is known."""
    result = find(direction.description or direction.name, KnownNames(classes=names), anchor=False)
    if result is None:
        return None, 1
    return result.text, -1 if result.negated else 1


def _effect(values: np.ndarray, chance: np.ndarray, seed: int) -> Effect:
    """The mean with its interval, by drawing the starts anew.

    Efron 1979, https://doi.org/10.1214/aos/1176344552
    """
    draws = stream(seed, "bootstrap").integers(len(values), size=(BOOTSTRAP_DRAWS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    size = np.abs(chance)
    most = float(size.mean() + 1.96 * size.std())
    return Effect(float(values.mean()), float(low), float(high), most, float(size.mean()))


def _outside(before: DecodedImages, steps: Steps, column: int | None) -> float:
    """What is left of the images' changes when the pattern that goes with the target's is taken out.

    Without a target the amount stands for it: what is left is then not alike for all images.
    """
    sides = [
        (sign * amount, seen)
        for amount, ends in steps.items()
        for sign, seen in zip((-1, 1), ends, strict=True)
    ]
    moved = np.concatenate([seen.thumbnails - before.thumbnails for _, seen in sides])
    if column is None:
        told = np.concatenate([np.full(len(before.thumbnails), amount) for amount, _ in sides])
    else:
        told = np.concatenate([seen.attributes[:, column] - before.attributes[:, column] for _, seen in sides])
    whole = float((moved**2).sum())
    pattern = told @ moved
    explained = float((pattern**2).sum()) / max(float(told @ told), 1e-12)
    return 1 - explained / whole if whole else 1.0


def _followed(before: DecodedImages, steps: Steps, column: int | None, sign: int) -> np.ndarray:
    """How far the edit has come at -REACH, ..., REACH spreads: the answer, or the way of the image."""
    order = [
        *(steps[amount][0] for amount in range(MAX_AMOUNT, 0, -1)),
        before,
        *(steps[amount][1] for amount in range(1, MAX_AMOUNT + 1)),
    ]
    if column is not None:
        return np.array([sign * float(seen.attributes[:, column].mean()) for seen in order])
    ways = [unit_vector(row) for row in steps[1][1].thumbnails - steps[1][0].thumbnails]
    return np.array([float(((seen.thumbnails - before.thumbnails) * ways).sum(axis=1).mean()) for seen in order])


def _range(evaluator: Evaluator, direction: Direction, followed: np.ndarray) -> tuple[float, float]:
    """From 0 outwards to the last spread that adds to the edit, unless it turns or leaves the data before."""
    least = MIN_CHANGE * float(np.abs(np.diff(followed)).max())
    ends = []
    for sign in (-1, 1):
        reached = 0
        for amount in range(1, MAX_AMOUNT + 1):
            gain = sign * (followed[MAX_AMOUNT + sign * amount] - followed[MAX_AMOUNT + sign * (amount - 1)])
            far = np.median(
                evaluator.density.relative_distance(direction.move(evaluator.starts, sign * amount))
            )
            if gain < -least or far > MAX_OUTSIDE_SHARE:
                break
            if gain > least:  # it may begin slowly, as what is rare does
                reached = amount
        ends.append(float(sign * reached))
    return ends[0], ends[1]


def _stability(evaluator: Evaluator, direction: Direction, refit: Refit | None) -> float | None:
    """Mean cosine of a step with that of the way learnt again, over the starts and the times."""
    again = [] if refit is None else _again(direction, refit)
    if not again:
        return None
    own = _step(evaluator, direction)
    cosines = [float((own * _step(evaluator, in_std(one))).sum(axis=1).mean()) for one in again]
    return float(np.mean(np.abs(cosines)))


def _again(direction: Direction, refit: Refit) -> list[Direction]:
    result = (refit(direction, number) for number in range(REFITS))
    return [one for one in result if one is not None]


def _step(evaluator: Evaluator, direction: Direction) -> np.ndarray:
    """Where a spread leads from each start, of length 1."""
    step = (direction.move(evaluator.starts, 0.5) - direction.move(evaluator.starts, -0.5)).astype(np.float64)
    unit: np.ndarray = step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12)
    return unit


# Flips ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FlipRates:
    """What a move by so many spreads does to the answers of a scorer."""

    gained: float  # share of images without the attribute that have it after the move
    lost: float  # share of images with it that lack it after the move the other way
    side_effect: float  # mean change of the other answers, over both moves

    @property
    def mean(self) -> float:
        """Share of all images whose answer is turned."""
        return (self.gained + self.lost) / 2


def flip_rates(
    generator: Generator,
    classifier: Classifier,
    z: Latents,
    direction: Direction,
    name: str,
    others: Sequence[str],
    *,
    reach: float = FLIP_AMOUNT,
    labels: Labels | None = None,
) -> FlipRates:
    """Move each point along a way and back, and ask the scorer about the attribute and about others."""
    before = classifier.score(generator.decode(z, labels))
    column, aside = classifier.column(name), [classifier.column(other) for other in others]
    has = before[:, column] > 0.5
    if has.all() or not has.any():
        raise NotSupported(f"To the scorer, all of these images or none have {name!r}.")
    amounts = np.where(has, -reach, reach)
    after = classifier.score(generator.decode(direction.move(z, amounts), labels))
    turned = (after[:, column] > 0.5) != has
    change = np.abs(after[:, aside] - before[:, aside]).mean()
    return FlipRates(float(turned[~has].mean()), float(turned[has].mean()), float(change))
