"""Directions that mean something: learnt from codes, with proof of what they move and what else moves.

Every way of learning has one signature: codes, and which of them have the property, to a vector.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Flags, Points, Values
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.probes import Probes, area_under_curve, fit_probes, linear_weights
from zatlas.directions.types import D, LinearDirection, Score
from zatlas.latent.attributes import LEAST

Estimator = Callable[[Points, Flags], Values]
SHUFFLES = 20  # directions of random labels that a real one is compared with
HELD_OUT = 0.3  # of the codes, for the score alone


def means(points: Points, flags: Flags) -> Values:
    """From the mean of those without to the mean of those with: the effect itself, if all else is equal."""
    return points[flags].mean(axis=0) - points[~flags].mean(axis=0)


def medians(points: Points, flags: Flags) -> Values:
    """From median to median of each axis: not drawn away by a few odd codes."""
    return np.median(points[flags], axis=0) - np.median(points[~flags], axis=0)


def linear(points: Points, flags: Flags) -> Values:
    """The normal of the plane that parts them best: what to read, and a purer thing to move.

    Shen et al. 2020 (InterFaceGAN), https://arxiv.org/abs/1907.10786
    """
    return linear_weights(points, flags)


ESTIMATORS: dict[str, Estimator] = {"mean_difference": means, "median_difference": medians, "linear": linear}


def fit_direction(
    points: Points,
    flags: Flags,
    name: str,
    *,
    method: str = "mean_difference",
    others: Sequence[LinearDirection] = (),
    seed: int = 0,
) -> LinearDirection:
    """The direction of a property without others, with its spread and its score on codes held out."""
    if method not in ESTIMATORS:
        raise UnknownName("method to fit a direction", method, ESTIMATORS)
    check_flags(flags, name)

    def clean(points: Points, flags: Flags) -> Values:
        vector = _unit(ESTIMATORS[method](points, flags), name)
        return without(LinearDirection(name, vector), others, points).vector

    vector = _unit(ESTIMATORS[method](points, flags), name)
    found = without(LinearDirection(name, vector, std_along(vector, points)), others, points)
    return replace(found, score=_score(points, flags, clean, name, seed))


def normal(points: Points, flags: Flags, name: str) -> LinearDirection:
    """The normal of a property's plane alone: what to be at right angles to, to leave it as it is."""
    check_flags(flags, name)
    vector = _unit(linear(points, flags), name)
    return LinearDirection(name, vector, std_along(vector, points))


def by_example(plus: Points, minus: Points, name: str, data: Points) -> LinearDirection:
    """From the mean of some points to the mean of others: what they have more of."""
    vector = _unit(plus.mean(axis=0) - minus.mean(axis=0), name)
    return LinearDirection(name, vector, std_along(vector, data))


def principal(points: Points, count: int) -> list[LinearDirection]:
    """The axes along which the codes vary most, the widest first; each points to its longer tail."""
    middle = points - points.mean(axis=0)
    count = min(count, points.shape[1])
    if points.shape[1] <= 2000:
        values, vectors = np.linalg.eigh(middle.T @ middle / max(len(points), 1))
        axes = vectors.T[np.argsort(values)[::-1][:count]]
    else:
        from sklearn.utils.extmath import randomized_svd

        axes = randomized_svd(middle, count, random_state=0)[2]
    places = middle @ axes.T
    signs = np.where((places**3).sum(axis=0) < 0, -1, 1)
    return [
        LinearDirection(f"principal {i + 1}", (axis * sign).astype(np.float32), std_along(axis, points))
        for i, (axis, sign) in enumerate(zip(axes, signs, strict=True))
    ]


def axis(points: Points, index: int) -> LinearDirection:
    """One coordinate of the latent space."""
    vector = np.zeros(points.shape[1], np.float32)
    vector[index] = 1
    return LinearDirection(f"axis {index}", vector, std_along(vector, points))


def without(direction: LinearDirection, others: Sequence[LinearDirection], points: Points) -> LinearDirection:
    """The direction with its part along others taken out: it then leaves their readings alone.

    Score and side effects are no longer known; `learn` and `measured` tell them.
    """
    if not others:
        return direction
    basis = np.linalg.qr(np.stack([other.vector for other in others], axis=1).astype(np.float64))[0]
    vector = direction.vector.astype(np.float64)
    rest = vector - basis @ (basis.T @ vector)
    names = ", ".join(other.name for other in others)
    if np.linalg.norm(rest) < 1e-3:
        raise BadData(f"Nothing is left of {direction.name!r} without {names}: they are the same.")
    clean = _unit(rest, direction.name)
    name, meant = f"{direction.name} without {names}", direction.meant or direction.name
    return LinearDirection(name, clean, std_along(clean, points), meant=meant)


def measured(
    direction: D, points: Points, attributes: Mapping[str, Flags], probes: Probes | None = None
) -> D:
    """The same way with its side effects: the mean change of a linear probe's probability for each
    attribute when the codes move by one spread.
    """
    probes = probes or fit_probes(points, attributes)
    effects = (probes.read(direction.move(points)) - probes.read(points)).mean(axis=0)
    return replace(direction, side_effects=dict(zip(probes.names, map(float, effects), strict=True)))


def std_along(vector: Values, points: Points) -> float:
    """Standard deviation of the codes along a unit vector; 1 where they do not vary."""
    return float((points @ vector).std()) or 1.0


def check_flags(flags: Flags, name: str) -> None:
    """Refuse a property that all or none of the images have."""
    has = int(flags.sum())
    if min(has, len(flags) - has) < LEAST:
        raise BadData(
            f"{name!r} is true of {has} and false of {len(flags) - has} of these images; a direction "
            f"takes {LEAST} or more of each. Choose another attribute or more images."
        )


def _score(points: Points, flags: Flags, learn_it: Estimator, name: str, seed: int) -> Score | None:
    """Learn on one part, look at the other; then the same with the labels shuffled."""
    rng = stream(seed, "score", name)
    held = rng.random(len(points)) < HELD_OUT
    try:
        check_flags(flags[held], name)
        check_flags(flags[~held], name)
    except BadData:
        return None  # too few examples to hold any out
    vector = learn_it(points[~held], flags[~held])
    nulls = []
    for _ in range(SHUFFLES):
        mixed = rng.permutation(flags[~held])
        random = points[held] @ learn_it(points[~held], mixed)
        nulls.append(area_under_curve(random, rng.permutation(flags[held])))
    chance = 0.5 + 1.96 * float(np.sqrt(np.mean((np.array(nulls) - 0.5) ** 2)))
    return interval(points[held] @ vector, flags[held], chance)


def interval(readings: Values, flags: Flags, chance: float) -> Score:
    """The area with its 95 % interval: Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747"""
    area = area_under_curve(readings, flags)
    has = int(flags.sum())
    lacks = len(flags) - has
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    rest = area * (1 - area) + (has - 1) * (one - area**2) + (lacks - 1) * (two - area**2)
    error = 1.96 * float(np.sqrt(max(rest, 0) / (has * lacks)))
    return Score(area, max(area - error, 0.0), min(area + error, 1.0), chance)


def _unit(vector: Values, name: str) -> Values:
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < 1e-9:
        raise BadData(f"Images with and without {name!r} have the same codes: no way leads there.")
    return (vector / norm).astype(np.float32)
