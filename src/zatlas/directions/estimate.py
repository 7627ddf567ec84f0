"""Directions that mean something: learnt from codes, with proof of what they move and what else moves.

Every way of learning has one signature: codes, and which of them have the property, to a vector.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Flags, Latents, Values
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.probes import Probes, roc_auc, fit_probes, linear_weights
from zatlas.directions.types import D, LinearDirection, SeparationScore
from zatlas.latent.attributes import MIN_IMAGES

Estimator = Callable[[Latents, Flags], Values]
PERMUTATIONS = 20  # directions of random labels that a real one is compared with
HELD_OUT_SHARE = 0.3  # of the codes, for the score alone


def mean_difference(latents: Latents, flags: Flags) -> Values:
    """From the mean of those without to the mean of those with: the effect itself, if all else is equal."""
    return latents[flags].mean(axis=0) - latents[~flags].mean(axis=0)


def median_difference(latents: Latents, flags: Flags) -> Values:
    """From median to median of each axis: not drawn away by a few odd codes."""
    return np.median(latents[flags], axis=0) - np.median(latents[~flags], axis=0)


def linear(latents: Latents, flags: Flags) -> Values:
    """The normal of the plane that parts them best: what to read, and a purer thing to move.

    Shen et al. 2020 (InterFaceGAN), https://arxiv.org/abs/1907.10786
    """
    return linear_weights(latents, flags)


ESTIMATORS: dict[str, Estimator] = {"mean_difference": mean_difference, "median_difference": median_difference, "linear": linear}


def fit_direction(
    latents: Latents,
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

    def clean(points: Latents, flags: Flags) -> Values:
        vector = _unit(ESTIMATORS[method](points, flags), name)
        return orthogonalize(LinearDirection(name, vector), others, points).vector

    vector = _unit(ESTIMATORS[method](latents, flags), name)
    result = orthogonalize(LinearDirection(name, vector, std_along(vector, latents)), others, latents)
    return replace(result, score=_score(latents, flags, clean, name, seed))


def plane_normal(latents: Latents, flags: Flags, name: str) -> LinearDirection:
    """The normal of a property's plane alone: what to be at right angles to, to leave it as it is."""
    check_flags(flags, name)
    vector = _unit(linear(latents, flags), name)
    return LinearDirection(name, vector, std_along(vector, latents))


def example_direction(plus: Latents, minus: Latents, name: str, data: Latents) -> LinearDirection:
    """From the mean of some points to the mean of others: what they have more of."""
    vector = _unit(plus.mean(axis=0) - minus.mean(axis=0), name)
    return LinearDirection(name, vector, std_along(vector, data))


def principal_directions(latents: Latents, count: int) -> list[LinearDirection]:
    """The axes along which the codes vary most, the widest first; each points to its longer tail."""
    middle = latents - latents.mean(axis=0)
    count = min(count, latents.shape[1])
    if latents.shape[1] <= 2000:
        values, vectors = np.linalg.eigh(middle.T @ middle / max(len(latents), 1))
        axes = vectors.T[np.argsort(values)[::-1][:count]]
    else:
        from sklearn.utils.extmath import randomized_svd

        axes = randomized_svd(middle, count, random_state=0)[2]
    places = middle @ axes.T
    signs = np.where((places**3).sum(axis=0) < 0, -1, 1)
    return [
        LinearDirection(f"principal {i + 1}", (axis * sign).astype(np.float32), std_along(axis, latents))
        for i, (axis, sign) in enumerate(zip(axes, signs, strict=True))
    ]


def dimension_direction(latents: Latents, index: int) -> LinearDirection:
    """One coordinate of the latent space."""
    vector = np.zeros(latents.shape[1], np.float32)
    vector[index] = 1
    return LinearDirection(f"axis {index}", vector, std_along(vector, latents))


def orthogonalize(
    direction: LinearDirection, orthogonal_to: Sequence[LinearDirection], latents: Latents
) -> LinearDirection:
    """The direction with its part along others taken out: it then leaves their readings alone.

    Score and side effects are no longer known; `learn` and `measured` tell them.
    """
    if not orthogonal_to:
        return direction
    basis = np.linalg.qr(np.stack([other.vector for other in orthogonal_to], axis=1).astype(np.float64))[0]
    vector = direction.vector.astype(np.float64)
    rest = vector - basis @ (basis.T @ vector)
    names = ", ".join(other.name for other in orthogonal_to)
    if np.linalg.norm(rest) < 1e-3:
        raise BadData(f"Nothing is left of {direction.name!r} without {names}: they are the same.")
    clean = _unit(rest, direction.name)
    name, meant = f"{direction.name} without {names}", direction.description or direction.name
    return LinearDirection(name, clean, std_along(clean, latents), description=meant)


def with_side_effects(
    direction: D, latents: Latents, attributes: Mapping[str, Flags], probes: Probes | None = None
) -> D:
    """The same way with its side effects: the mean change of a linear probe's probability for each
    attribute when the codes move by one spread.
    """
    probes = probes or fit_probes(latents, attributes)
    effects = (probes.predict(direction.move(latents)) - probes.predict(latents)).mean(axis=0)
    return replace(direction, side_effects=dict(zip(probes.names, map(float, effects), strict=True)))


def std_along(vector: Values, latents: Latents) -> float:
    """Standard deviation of the codes along a unit vector; 1 where they do not vary."""
    return float((latents @ vector).std()) or 1.0


def check_flags(flags: Flags, name: str) -> None:
    """Refuse a property that all or none of the images have."""
    has = int(flags.sum())
    if min(has, len(flags) - has) < MIN_IMAGES:
        raise BadData(
            f"{name!r} is true of {has} and false of {len(flags) - has} of these images; a direction "
            f"takes {MIN_IMAGES} or more of each. Choose another attribute or more images."
        )


def _score(
    latents: Latents, flags: Flags, learn_it: Estimator, name: str, seed: int
) -> SeparationScore | None:
    """Learn on one part, look at the other; then the same with the labels shuffled."""
    rng = stream(seed, "score", name)
    held = rng.random(len(latents)) < HELD_OUT_SHARE
    try:
        check_flags(flags[held], name)
        check_flags(flags[~held], name)
    except BadData:
        return None  # too few examples to hold any out
    vector = learn_it(latents[~held], flags[~held])
    nulls = []
    for _ in range(PERMUTATIONS):
        mixed = rng.permutation(flags[~held])
        random = latents[held] @ learn_it(latents[~held], mixed)
        nulls.append(roc_auc(random, rng.permutation(flags[held])))
    chance = 0.5 + 1.96 * float(np.sqrt(np.mean((np.array(nulls) - 0.5) ** 2)))
    return separation_score(latents[held] @ vector, flags[held], chance)


def separation_score(readings: Values, flags: Flags, chance: float) -> SeparationScore:
    """The area with its 95 % interval: Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747"""
    area = roc_auc(readings, flags)
    has = int(flags.sum())
    lacks = len(flags) - has
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    rest = area * (1 - area) + (has - 1) * (one - area**2) + (lacks - 1) * (two - area**2)
    error = 1.96 * float(np.sqrt(max(rest, 0) / (has * lacks)))
    return SeparationScore(area, max(area - error, 0.0), min(area + error, 1.0), chance)


def _unit(vector: Values, name: str) -> Values:
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < 1e-9:
        raise BadData(f"Images with and without {name!r} have the same codes: no way leads there.")
    return (vector / norm).astype(np.float32)
