"""Measure whether a direction changes what its name says, in decoded images and against random ones."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zatlas.core.progress import bar
from zatlas.core.seeds import stream
from zatlas.directions.cross_fitting import CrossFit
from zatlas.directions.direction_report import MAX_AMOUNT, DirectionReport, Effect, NullTest
from zatlas.directions.evaluator import DecodedImages, Evaluator, attribute_change, pixel_change, unit_vector
from zatlas.directions.types import Direction, in_std
from zatlas.latent.names import KnownNames, find

BOOTSTRAP_DRAWS = 1000
REFITS = 8  # most fits to other samples of the data
MIN_CHANGE = 0.1  # of the largest step: with less, the edit is saturated
RANGE_STARTS = 24  # latents that are moved further than one std
MAX_RELATIVE_DISTANCE = 2.0  # to the data: 1 is typical, 2 the 99th percentile of the data itself

Steps = Mapping[int, tuple[DecodedImages, DecodedImages]]  # the images at -amount and at +amount std
Refit = Callable[[Direction, int], Direction | None]


def evaluate(
    evaluator: Evaluator,
    directions: Sequence[Direction],
    *,
    refit: Refit | None = None,
    saved: Mapping[str, DirectionReport] | None = None,
    cross_fits: Sequence[CrossFit | None] | None = None,
) -> list[DirectionReport]:
    """Move the same latents along each direction, and compare the decoded images with random moves.

    `refit(direction, number)` returns the direction as fitted to another draw of the data, or None if there
    are no more. A direction that cannot be fitted again keeps the stability and the test of its saved
    report. With a cross-fit, its effect is that of the directions of the halves.
    """
    reports, crossed = saved or {}, cross_fits or [None] * len(directions)
    result = []
    with bar("evaluating", len(directions), "directions") as advance:
        for direction, each in zip(directions, crossed, strict=True):
            result.append(_evaluate(evaluator, direction, refit, reports.get(direction.name), each))
            advance(1)
    return result


def _evaluate(
    evaluator: Evaluator,
    direction: Direction,
    refit: Refit | None,
    saved: DirectionReport | None,
    crossed: CrossFit | None,
) -> DirectionReport:
    target, column, sign = _target_column(direction, evaluator.names)
    scaled = in_std(direction)
    steps = _steps(evaluator, scaled)
    attributes = attribute_change(*steps[1])
    random_attributes, random_pixels = evaluator.random_gradients
    if column is None:
        crossed = None
        effect = _effect(pixel_change(*steps[1]), random_pixels, evaluator.seed)
    else:
        changes = sign * attributes[:, column]
        if crossed is not None:
            changes = sign * attribute_change(*crossed.sides)[:, column]
            changes = changes if crossed.changes is None else crossed.changes
        effect = _effect(changes, random_attributes[:, column], evaluator.seed)
    low, high = _range(evaluator, scaled, _response(evaluator.before, steps, column, sign))
    stability = _stability(evaluator, scaled, refit)
    return DirectionReport(
        target,
        effect,
        dict(zip(evaluator.names, attributes.mean(axis=0).tolist(), strict=True)),
        _unexplained(evaluator.before, steps, column),
        low,
        high,
        saved.stability if stability is None and saved is not None else stability,
        _null_test(crossed, saved),
        direction=direction,
    )


def _null_test(crossed: CrossFit | None, saved: DirectionReport | None) -> NullTest | None:
    if crossed is not None:
        return crossed.test
    return None if saved is None else saved.shuffled


def usable_range(evaluator: Evaluator, direction: Direction) -> tuple[float, float]:
    """The standard deviations between which a direction changes its target, inside the data."""
    _, column, sign = _target_column(direction, evaluator.names)
    scaled = in_std(direction)
    response = _response(evaluator.before, _steps(evaluator, scaled), column, sign)
    return _range(evaluator, scaled, response)


def _steps(evaluator: Evaluator, direction: Direction) -> Steps:
    """The images after each step; after the first for all starts, then for some."""
    starts = evaluator.starts[:RANGE_STARTS]
    further = {
        amount: evaluator.decode_sides(direction, amount, starts) for amount in range(2, MAX_AMOUNT + 1)
    }
    return {1: evaluator.decode_sides(direction), **further}


def target_of(direction: Direction, names: Sequence[str]) -> tuple[str | None, int]:
    """The attribute that a direction should change, and 1 or -1 for up or down; (None, 1) if unknown."""
    name = find(direction.description or direction.name, KnownNames(names, names), anchor=False)
    if name is None:
        return None, 1
    return name.text, -1 if name.negated != (name.limit or "").startswith("<") else 1


def _target_column(direction: Direction, names: Sequence[str]) -> tuple[str | None, int | None, int]:
    target, sign = target_of(direction, names)
    return target, None if target is None else names.index(target), sign


def _effect(values: np.ndarray, random: np.ndarray, seed: int) -> Effect:
    """The mean over the starts with its bootstrap interval, and the same of random directions.

    Efron 1979, https://doi.org/10.1214/aos/1176344552
    """
    draws = stream(seed, "bootstrap").integers(len(values), size=(BOOTSTRAP_DRAWS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    size = np.abs(random)
    limit = float(size.mean() + 1.96 * size.std())
    return Effect(float(values.mean()), float(low), float(high), limit, float(size.mean()))


def _unexplained(before: DecodedImages, steps: Steps, column: int | None) -> float:
    """The share of the images' change that a regression on the target's change leaves.

    Without a target the regression is on the amount: it leaves what differs from image to image.
    """
    sides = [
        (sign * amount, images)
        for amount, pair in steps.items()
        for sign, images in zip((-1, 1), pair, strict=True)
    ]
    change = np.concatenate([images.thumbnails - _first(before, images).thumbnails for _, images in sides])
    if column is None:
        cause = np.concatenate([np.full(len(images.thumbnails), amount) for amount, images in sides])
    else:
        cause = np.concatenate(
            [
                images.attributes[:, column] - _first(before, images).attributes[:, column]
                for _, images in sides
            ]
        )
    total = float((change**2).sum())
    explained = float(((cause @ change) ** 2).sum()) / max(float(cause @ cause), 1e-12)
    return 1 - explained / total if total else 1.0


def _response(before: DecodedImages, steps: Steps, column: int | None, sign: int) -> np.ndarray:
    """The edit's progress at -MAX_AMOUNT, ..., MAX_AMOUNT std: the target's mean probability, or else the
    images' change along their own first step.
    """
    fewest = steps[MAX_AMOUNT][0]
    images = [
        *(steps[amount][0] for amount in range(MAX_AMOUNT, 0, -1)),
        before,
        *(steps[amount][1] for amount in range(1, MAX_AMOUNT + 1)),
    ]
    images = [_first(each, fewest) for each in images]
    before, back, forth = images[MAX_AMOUNT], images[MAX_AMOUNT - 1], images[MAX_AMOUNT + 1]
    if column is not None:
        return np.array([sign * float(each.attributes[:, column].mean()) for each in images])
    steps_of_one = [unit_vector(row) for row in forth.thumbnails - back.thumbnails]
    changes = [(each.thumbnails - before.thumbnails) * steps_of_one for each in images]
    return np.array([float(change.sum(axis=1).mean()) for change in changes])


def _first(images: DecodedImages, fewer: DecodedImages) -> DecodedImages:
    """The images of the same starts as `fewer`, which are the first."""
    return images.rows(slice(len(fewer.thumbnails)))


def _range(evaluator: Evaluator, direction: Direction, response: np.ndarray) -> tuple[float, float]:
    """From 0 outwards to the last std that adds to the edit, unless it reverses or leaves the data before."""
    min_gain = MIN_CHANGE * float(np.abs(np.diff(response)).max())
    ends = []
    for sign in (-1, 1):
        end = 0
        for amount in range(1, MAX_AMOUNT + 1):
            gain = sign * (response[MAX_AMOUNT + sign * amount] - response[MAX_AMOUNT + sign * (amount - 1)])
            moved = direction.move(evaluator.starts, sign * amount)
            distance = np.median(evaluator.density.relative_distance(moved))
            if gain < -min_gain or distance > MAX_RELATIVE_DISTANCE:
                break
            if gain > min_gain:  # the first steps may add little, as for a rare attribute
                end = amount
        ends.append(float(sign * end))
    return ends[0], ends[1]


def _stability(evaluator: Evaluator, direction: Direction, refit: Refit | None) -> float | None:
    """Mean cosine of the step with those of the refitted directions; None if there are none."""
    if refit is None:
        return None
    refitted = [other for number in range(REFITS) if (other := refit(direction, number)) is not None]
    if not refitted:
        return None
    step = _unit_step(evaluator, direction)
    cosines = [float((step * _unit_step(evaluator, in_std(r))).sum(axis=1).mean()) for r in refitted]
    return float(np.mean(np.abs(cosines)))


def _unit_step(evaluator: Evaluator, direction: Direction) -> np.ndarray:
    """The step of one std at each start, scaled to length 1."""
    step = (direction.move(evaluator.starts, 0.5) - direction.move(evaluator.starts, -0.5)).astype(np.float64)
    unit: np.ndarray = step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12)
    return unit
