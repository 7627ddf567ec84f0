"""Whether a way does what its name says: read off the decoded images, and held against chance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from zatlas.core.arrays import Labels, Points
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.latent.attributes import pretty
from zatlas.latent.names import Known, find
from zatlas.latent.steering.steer import Way, in_spreads
from zatlas.latent.trial import REACH, Seen, Trial, change, one_long, slope
from zatlas.models.generator import Generator
from zatlas.models.scorer import Scorer

FLIP = 3.0  # spreads
DRAWS = 1000  # of the bootstrap
AGAIN = 8  # times a way is learnt again
STALLED = 0.1  # of the steepest step: below it the edit has stopped to follow
MANY = 20
OUTSIDE = 2.0  # distance to the data that one code in a hundred has

Steps = Mapping[int, tuple[Seen, Seen]]  # what is seen so many spreads back, and forward
Relearn = Callable[[Way, int], Way | None]


@dataclass(frozen=True)
class Effect:
    """What one spread does, with what chance does: of an answer from 0 to 1, or of a pixel's grey."""

    value: float  # mean over the starts
    low: float  # ends of the 95 % interval, over starts
    high: float
    chance: float  # what 97.5 % of random directions stay below
    random: float  # what a random direction does in the mean

    @property
    def real(self) -> bool:
        """Whether even the low end is above what random directions reach."""
        return self.low > self.chance


@dataclass(frozen=True)
class Proof:
    """What is known of a way from the images that it makes."""

    target: str | None  # the answer that it is to move; None where only the image's change is known
    effect: Effect
    slopes: Mapping[str, float] = field(default_factory=dict)  # every answer's change by one spread
    outside: float = 0.0  # share of the images' change that does not go with the target's
    low: float = -REACH  # usable range, in spreads: where the edit still follows, within the data
    high: float = REACH
    stable: float | None = None  # mean cosine with itself, learnt again from other draws of the data

    @property
    def aside(self) -> Mapping[str, float]:
        """The changes of the answers that are not the target."""
        return {name: s for name, s in self.slopes.items() if not same(name, self.target)}

    @property
    def leak(self) -> float | None:
        """Mean change of the other answers, for each unit of the target's; None if it has no target."""
        if self.target is None or not self.aside:
            return None
        others = float(np.mean([abs(s) for s in self.aside.values()]))
        return others / max(abs(self.slopes[self.target]), 1e-9)


def prove(trial: Trial, ways: Sequence[Way], *, relearn: Relearn | None = None) -> list[Proof]:
    """Move the same points along each way, and compare what is seen with moves by chance.

    `relearn` gives a way as it would be learnt from another draw of the data, by its number, as long
    as there are any.
    """
    return [_prove(trial, way, relearn) for way in ways]


def _prove(trial: Trial, told: Way, relearn: Relearn | None) -> Proof:
    target, sign = target_of(told, trial.names)
    column = None if target is None else trial.names.index(target)
    way = in_spreads(told)
    steps = _steps(trial, way)
    answers, images = slope(*steps[1]), change(*steps[1])
    chance_answers, chance_images = trial.slopes_of_chance
    if column is None:
        effect = _effect(images, chance_images, trial.seed)
    else:
        effect = _effect(sign * answers[:, column], chance_answers[:, column], trial.seed)
    low, high = _range(trial, way, _followed(trial.before, steps, column, sign))
    return Proof(
        target,
        effect,
        dict(zip(trial.names, answers.mean(axis=0).tolist(), strict=True)),
        _outside(trial.before, steps, column),
        low,
        high,
        _stability(trial, way, relearn),
    )


def usable(trial: Trial, told: Way) -> tuple[float, float]:
    """The spreads between which a way still moves what it is to move, within the data."""
    target, sign = target_of(told, trial.names)
    column = None if target is None else trial.names.index(target)
    way = in_spreads(told)
    return _range(trial, way, _followed(trial.before, _steps(trial, way), column, sign))


def _steps(trial: Trial, way: Way) -> Steps:
    return {amount: trial.ends(way, amount) for amount in range(1, REACH + 1)}


def target_of(way: Way, names: Sequence[str]) -> tuple[str | None, int]:
    """The answer that a way is to move, and whether up or down; None if none is known."""
    found = find(way.meant or way.name, Known(classes=names), anchor=False)
    if found is None:
        return None, 1
    return found.word, -1 if found.negated else 1


def same(name: str, target: str | None) -> bool:
    """Whether two answers are of the same thing: of one attribute, whose kinds exclude each other."""
    if target is None:
        return False
    return name == target or ("=" in name and name.partition("=")[0] == target.partition("=")[0])


def _effect(values: np.ndarray, chance: np.ndarray, seed: int) -> Effect:
    """The mean with its interval, by drawing the starts anew.

    Efron 1979, https://doi.org/10.1214/aos/1176344552
    """
    draws = stream(seed, "bootstrap").integers(len(values), size=(DRAWS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    size = np.abs(chance)
    most = float(size.mean() + 1.96 * size.std())
    return Effect(float(values.mean()), float(low), float(high), most, float(size.mean()))


def _outside(before: Seen, steps: Steps, column: int | None) -> float:
    """What is left of the images' changes when the pattern that goes with the target's is taken out.

    Without a target the amount stands for it: what is left is then not alike for all images.
    """
    sides = [
        (sign * amount, seen)
        for amount, ends in steps.items()
        for sign, seen in zip((-1, 1), ends, strict=True)
    ]
    moved = np.concatenate([seen.small - before.small for _, seen in sides])
    if column is None:
        told = np.concatenate([np.full(len(before.small), amount) for amount, _ in sides])
    else:
        told = np.concatenate([seen.answers[:, column] - before.answers[:, column] for _, seen in sides])
    whole = float((moved**2).sum())
    pattern = told @ moved
    explained = float((pattern**2).sum()) / max(float(told @ told), 1e-12)
    return 1 - explained / whole if whole else 1.0


def _followed(before: Seen, steps: Steps, column: int | None, sign: int) -> np.ndarray:
    """How far the edit has come at -REACH, ..., REACH spreads: the answer, or the way of the image."""
    order = [
        *(steps[amount][0] for amount in range(REACH, 0, -1)),
        before,
        *(steps[amount][1] for amount in range(1, REACH + 1)),
    ]
    if column is not None:
        return np.array([sign * float(seen.answers[:, column].mean()) for seen in order])
    ways = [one_long(row) for row in steps[1][1].small - steps[1][0].small]
    return np.array([float(((seen.small - before.small) * ways).sum(axis=1).mean()) for seen in order])


def _range(trial: Trial, way: Way, followed: np.ndarray) -> tuple[float, float]:
    """From 0 outwards to the last spread that adds to the edit, unless it turns or leaves the data before."""
    least = STALLED * float(np.abs(np.diff(followed)).max())
    ends = []
    for sign in (-1, 1):
        reached = 0
        for amount in range(1, REACH + 1):
            gain = sign * (followed[REACH + sign * amount] - followed[REACH + sign * (amount - 1)])
            far = np.median(trial.density.far(way.move(trial.starts, sign * amount)))
            if gain < -least or far > OUTSIDE:
                break
            if gain > least:  # it may begin slowly, as what is rare does
                reached = amount
        ends.append(float(sign * reached))
    return ends[0], ends[1]


def _stability(trial: Trial, way: Way, relearn: Relearn | None) -> float | None:
    """Mean cosine of a step with that of the way learnt again, over the starts and the times."""
    again = [] if relearn is None else _again(way, relearn)
    if not again:  # of one that was kept it is known
        return None if way.proof is None else way.proof.stable
    own = _step(trial, way)
    cosines = [float((own * _step(trial, in_spreads(one))).sum(axis=1).mean()) for one in again]
    return float(np.mean(np.abs(cosines)))


def _again(way: Way, relearn: Relearn) -> list[Way]:
    found = (relearn(way, number) for number in range(AGAIN))
    return [one for one in found if one is not None]


def _step(trial: Trial, way: Way) -> np.ndarray:
    """Where a spread leads from each start, of length 1."""
    step = (way.move(trial.starts, 0.5) - way.move(trial.starts, -0.5)).astype(np.float64)
    unit: np.ndarray = step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12)
    return unit


# In words ---------------------------------------------------------------------------------------


def words(proof: Proof) -> str:
    """The proof in plain language, in a few sentences."""
    told = [_effect_told(proof)]
    if proof.leak is not None and proof.effect.real:
        worst = sorted(proof.aside, key=lambda name: -abs(proof.aside[name]))[:2]
        named = " and ".join(f"{pretty(name)} ({proof.aside[name]:+.0%})" for name in worst)
        told.append(f"Beside it, it moves most {named}.")
    if proof.effect.real:
        told.append(f"It can be used {range_told(proof)}.")
    if proof.stable is not None and proof.stable < 0.9:
        told.append(f"Learnt again from other images it points elsewhere (mean cosine {proof.stable:.2f}).")
    return " ".join(told)


def _effect_told(proof: Proof) -> str:
    effect = proof.effect
    what = "the picture" if proof.target is None else pretty(proof.target)
    if not effect.real:
        return (
            f"Not better than random: one spread moves {what} by {_amount(proof, effect.value)} "
            f"({_amount(proof, effect.low)} to {_amount(proof, effect.high)}), and random directions "
            f"by up to {_amount(proof, effect.chance)}."
        )
    return (
        f"One spread moves {what} by {_amount(proof, effect.value)} "
        f"({_amount(proof, effect.low)} to {_amount(proof, effect.high)}), {times_told(effect)} as much "
        "as a random direction."
    )


def times_told(effect: Effect) -> str:
    """How many times what chance does; beyond a point it is only chance that does nothing."""
    times = effect.value / max(effect.random, 1e-9)
    return f"{times:.1f} times" if times < MANY else f"more than {MANY} times"


def _amount(proof: Proof, value: float) -> str:
    if proof.target is None:
        return f"{value:.3f} of grey"
    return f"{value:+.0%}" if abs(value) >= 0.01 else f"{value:+.1%}"


def range_told(proof: Proof) -> str:
    """The usable range in words."""
    if not proof.low and not proof.high:
        return "nowhere: already one spread leaves the data or changes nothing"
    low, high = (f"{end:+g}" + (" or more" if abs(end) >= REACH else "") for end in (proof.low, proof.high))
    return f"from {low} to {high} spreads"


# Flips ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flips:
    """What a move by so many spreads does to the answers of a scorer."""

    there: float  # share of images without the attribute that have it after the move
    back: float  # share of images with it that lack it after the move the other way
    aside: float  # mean change of the other answers, over both moves

    @property
    def flips(self) -> float:
        """Share of all images whose answer is turned."""
        return (self.there + self.back) / 2


def proof(
    generator: Generator,
    scorer: Scorer,
    z: Points,
    way: Way,
    name: str,
    others: Sequence[str],
    *,
    reach: float = FLIP,
    labels: Labels | None = None,
) -> Flips:
    """Move each point along a way and back, and ask the scorer about the attribute and about others."""
    before = scorer.score(generator.decode(z, labels))
    column, aside = scorer.column(name), [scorer.column(other) for other in others]
    has = before[:, column] > 0.5
    if has.all() or not has.any():
        raise NotSupported(f"To the scorer, all of these images or none have {name!r}.")
    amounts = np.where(has, -reach, reach)
    after = scorer.score(generator.decode(way.move(z, amounts), labels))
    turned = (after[:, column] > 0.5) != has
    change = np.abs(after[:, aside] - before[:, aside]).mean()
    return Flips(float(turned[~has].mean()), float(turned[has].mean()), float(change))
