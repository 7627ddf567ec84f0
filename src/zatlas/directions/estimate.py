"""Fit linear directions to labelled latents, with a score on held-out latents and the side effects.

An estimator takes latents (n, d) and flags (n,), and returns a vector (d,).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zatlas.core.arrays import Flags, Latents, Values
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.probes import Probes, fit_probes, linear_weights, roc_auc
from zatlas.directions.types import D, LinearDirection, SeparationScore
from zatlas.latent.attributes import MIN_IMAGES

Estimator = Callable[[Latents, Flags], Values]
PERMUTATIONS = 20  # directions of shuffled labels that the score is compared with
HELD_OUT_SHARE = 0.3  # of the latents, for the score
MAX_EXACT_DIM = 2000  # dimensions up to which principal components come from the covariance matrix


def mean_difference(latents: Latents, flags: Flags) -> Values:
    """The mean of latents with the attribute minus the mean of those without."""
    return latents[flags].mean(axis=0) - latents[~flags].mean(axis=0)


def median_difference(latents: Latents, flags: Flags) -> Values:
    """The same with medians per dimension, which outliers do not shift."""
    return np.median(latents[flags], axis=0) - np.median(latents[~flags], axis=0)


def linear(latents: Latents, flags: Flags) -> Values:
    """The normal of the plane that separates latents with and without the attribute.

    Shen et al. 2020 (InterFaceGAN), https://arxiv.org/abs/1907.10786
    """
    return linear_weights(latents, flags)


ESTIMATORS: dict[str, Estimator] = {
    "mean_difference": mean_difference,
    "median_difference": median_difference,
    "linear": linear,
}


def estimate_all(method: str, latents: Latents, flags: np.ndarray) -> np.ndarray:
    """The vectors (k, d) that a method estimates for flags (n, k)."""
    if method == "mean_difference":
        weights = flags / flags.sum(axis=0) - ~flags / (~flags).sum(axis=0)
        return weights.T.astype(np.float32) @ latents
    if method == "linear":
        return linear_weights(latents, flags).T
    return np.stack([ESTIMATORS[method](latents, column) for column in flags.T])


def fit_direction(
    latents: Latents,
    flags: Flags,
    name: str,
    *,
    method: str = "mean_difference",
    others: Sequence[LinearDirection] = (),
    seed: int = 0,
) -> LinearDirection:
    """The direction of an attribute, orthogonal to `others`, with its std and its score."""
    if method not in ESTIMATORS:
        raise UnknownName("method to fit a direction", method, ESTIMATORS)
    check_flags(flags, name)

    def fit(latents: Latents, flags: Flags) -> LinearDirection:
        vector = _unit(ESTIMATORS[method](latents, flags), name)
        return orthogonalize(LinearDirection(name, vector, std_along(vector, latents)), others, latents)

    direction = fit(latents, flags)
    score = _score(latents, flags, lambda z, flags: fit(z, flags).vector, name, seed)
    facts: dict[str, Any] = {"method": method}
    if others:
        facts["orthogonal_to"] = [other.name for other in others]
    return replace(direction, score=score, facts=facts)


def plane_normal(latents: Latents, flags: Flags, name: str) -> LinearDirection:
    """The normal of an attribute's plane; directions orthogonal to it do not change the attribute."""
    check_flags(flags, name)
    vector = _unit(linear(latents, flags), name)
    return LinearDirection(name, vector, std_along(vector, latents))


def example_direction(plus: Latents, minus: Latents, name: str, latents: Latents) -> LinearDirection:
    """The direction from the mean of `minus` to the mean of `plus`; its std is that of `latents`."""
    vector = _unit(plus.mean(axis=0) - minus.mean(axis=0), name)
    return LinearDirection(name, vector, std_along(vector, latents))


def principal_directions(latents: Latents, count: int) -> list[LinearDirection]:
    """The principal components, largest variance first; each points to its longer tail."""
    centered = latents - latents.mean(axis=0)
    count = min(count, latents.shape[1])
    if latents.shape[1] <= MAX_EXACT_DIM:
        values, vectors = np.linalg.eigh(centered.T @ centered / max(len(latents), 1))
        components = vectors.T[np.argsort(values)[::-1][:count]]
    else:
        from sklearn.utils.extmath import randomized_svd

        components = randomized_svd(centered, count, random_state=0)[2]
    signs = np.where(((centered @ components.T) ** 3).sum(axis=0) < 0, -1, 1)
    return [
        LinearDirection(f"principal {i + 1}", (row * sign).astype(np.float32), std_along(row, latents))
        for i, (row, sign) in enumerate(zip(components, signs, strict=True))
    ]


def orthogonalize(
    direction: LinearDirection, orthogonal_to: Sequence[LinearDirection], latents: Latents
) -> LinearDirection:
    """The direction projected to be orthogonal to others, without its score and its side effects."""
    if not orthogonal_to:
        return direction
    basis = np.linalg.qr(np.stack([other.vector for other in orthogonal_to], axis=1).astype(np.float64))[0]
    vector = direction.vector.astype(np.float64)
    rest = vector - basis @ (basis.T @ vector)
    names = ", ".join(other.name for other in orthogonal_to)
    if np.linalg.norm(rest) < 1e-3:
        raise BadData(f"Nothing is left of {direction.name!r} without {names}: they are the same direction.")
    unit = _unit(rest, direction.name)
    name, description = f"{direction.name} without {names}", direction.description or direction.name
    return LinearDirection(name, unit, std_along(unit, latents), description=description)


def with_side_effects(
    direction: D, latents: Latents, attributes: Mapping[str, Flags], probes: Probes | None = None
) -> D:
    """The direction with its side effects: for each attribute, the mean change of a linear probe's
    probability when the latents move by one standard deviation.
    """
    probes = probes or fit_probes(latents, attributes)
    effects = (probes.predict(direction.move(latents)) - probes.predict(latents)).mean(axis=0)
    return replace(direction, side_effects=dict(zip(probes.names, map(float, effects), strict=True)))


def std_along(vector: Values, latents: Latents) -> float:
    """Standard deviation of the latents along a unit vector; 1 where they do not vary."""
    return float((latents @ vector).std()) or 1.0


def check_flags(flags: Flags, name: str) -> None:
    """Raise BadData if too few images have the attribute, or too few lack it."""
    count = int(flags.sum())
    if min(count, len(flags) - count) < MIN_IMAGES:
        raise BadData(
            f"{name!r} is true of {count} and false of {len(flags) - count} of these images; a direction "
            f"takes {MIN_IMAGES} or more of each. Choose another attribute or more images."
        )


def _score(
    latents: Latents, flags: Flags, estimate: Estimator, name: str, seed: int
) -> SeparationScore | None:
    """Fit to one part of the latents and score the other, then the same with shuffled labels."""
    rng = stream(seed, "score", name)
    held_out = rng.random(len(latents)) < HELD_OUT_SHARE
    try:
        check_flags(flags[held_out], name)
        check_flags(flags[~held_out], name)
    except BadData:
        return None  # too few examples to hold any out
    vector = estimate(latents[~held_out], flags[~held_out])
    random_aucs = []
    for _ in range(PERMUTATIONS):
        shuffled = rng.permutation(flags[~held_out])
        values = latents[held_out] @ estimate(latents[~held_out], shuffled)
        random_aucs.append(roc_auc(values, rng.permutation(flags[held_out])))
    limit = 0.5 + 1.96 * float(np.sqrt(np.mean((np.array(random_aucs) - 0.5) ** 2)))
    return separation_score(latents[held_out] @ vector, flags[held_out], limit)


def rank_score(values: Values, flags: Flags) -> SeparationScore | None:
    """The score of values (n,), compared with random ranks; None if all or no flags are true.

    Mann and Whitney 1947, https://doi.org/10.1214/aoms/1177730491
    """
    positive = int(flags.sum())
    negative = len(flags) - positive
    if not positive or not negative:
        return None
    limit = 0.5 + 1.96 * float(np.sqrt((len(flags) + 1) / (12 * positive * negative)))
    return separation_score(values, flags, limit)


def separation_score(values: Values, flags: Flags, random_limit: float) -> SeparationScore:
    """The AUC with its 95 % interval: Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747"""
    auc = roc_auc(values, flags)
    positive = int(flags.sum())
    negative = len(flags) - positive
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positive - 1) * (q1 - auc**2) + (negative - 1) * (q2 - auc**2)
    error = 1.96 * float(np.sqrt(max(variance, 0) / (positive * negative)))
    return SeparationScore(auc, max(auc - error, 0.0), min(auc + error, 1.0), random_limit)


def _unit(vector: Values, name: str) -> Values:
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < 1e-9:
        raise BadData(
            f"Images with and without {name!r} have the same latents, so no direction separates them. "
            "Choose another attribute."
        )
    return (vector / norm).astype(np.float32)
