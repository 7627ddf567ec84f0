"""Attributes moved alone: directions that are found together, each of which leaves the others' readings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Flags, Latents
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.directions.estimate import HELD_OUT_SHARE, check_flags, separation_score, std_along, with_side_effects
from zatlas.directions.probes import Probes, fit_probes, linear_weights
from zatlas.directions.types import LinearDirection

# Of the readings' variance: what the codes hardly tell apart is not forced apart, or the directions
# that come out tell nothing (measured on correlated faces in docs/steering.md).
RIDGE = 0.1
MAX_DIM = 20_000  # codes that are learnt from


def fit_jointly(
    latents: Latents, flags: Mapping[str, Flags], *, ridge: float = RIDGE, seed: int = 0
) -> list[LinearDirection]:
    """A direction for each attribute that moves its own probe and no other, as far as the data allow.

    Attributes that no image has both of - hair has one colour - are left free of each other. Of all
    moves that change the readings so, each is the one that the data itself makes: least squares
    in the metric of the codes' covariance. For attributes A with planes' normals W and covariance C it is
    C W (W' C W + ridge)^-1. Without the ridge it is Penrose's 1955 pseudo-inverse,
    https://doi.org/10.1017/S0305004100030401, in that metric; the planes are those of InterFaceGAN,
    https://arxiv.org/abs/1907.10786, whose projections take the others out one after the other.
    """
    if len(flags) < 2:
        raise BadData(f"Moving attributes apart takes two or more of them; {len(flags)} was given.")
    for name, has in flags.items():
        check_flags(has, name)
    if len(latents) > MAX_DIM:
        some = stream(seed, "apart").choice(len(latents), MAX_DIM, replace=False)
        latents, flags = latents[some], {name: has[some] for name, has in flags.items()}
    table = np.stack(list(flags.values()), axis=1)
    vectors = independent_effects(latents, table, ridge)
    held = stream(seed, "apart", "held").random(len(latents)) < HELD_OUT_SHARE
    tried = independent_effects(latents[~held], table[~held], ridge)
    probes = fit_probes(latents, flags)
    result = []
    for i, name in enumerate(flags):
        direction = LinearDirection(name, vectors[i], std_along(vectors[i], latents), description=name)
        result.append(_scored(direction, latents[held] @ tried[i], table[held, i], latents, probes))
    return result


def independent_effects(latents: Latents, table: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """The same directions in rows, of length 1; which images have each attribute stands in columns."""
    normals = linear_weights(latents, table).astype(np.float64)
    centred = (latents - latents.mean(axis=0)).astype(np.float64)
    readings = centred @ normals
    readings = readings / np.maximum(readings.std(axis=0), 1e-12)
    # C W is the codes' covariance with the readings: the d x d matrix is never made.
    carried = centred.T @ readings / len(latents)
    square = readings.T @ readings / len(latents)
    square[np.diag_indices_from(square)] += ridge
    both = table.T.astype(np.float64) @ table
    result = []
    for i in range(table.shape[1]):
        held = np.flatnonzero((both[i] > 0) | (np.arange(len(both)) == i))
        alone = np.linalg.solve(square[np.ix_(held, held)], held == i)
        result.append(carried[:, held] @ alone)
    rows = np.stack(result)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(norms, 1e-12)).astype(np.float32)


def _scored(
    direction: LinearDirection, readings: np.ndarray, has: Flags, latents: Latents, probes: Probes
) -> LinearDirection:
    """The direction with its side effects, and its score on codes held out where there are enough."""
    count, lacks = int(has.sum()), int((~has).sum())
    result = with_side_effects(direction, latents, {}, probes)
    if not count or not lacks:
        return result
    # The area of readings that know nothing: Mann and Whitney 1947.
    chance = 0.5 + 1.96 * float(np.sqrt((len(has) + 1) / (12 * count * lacks)))
    return replace(result, score=separation_score(readings, has, chance))


def entanglement(gradients: Sequence[Mapping[str, float]], names: Sequence[str]) -> np.ndarray:
    """How far one spread of each direction (row) moves the answer of each name (column)."""
    return np.array([[row.get(name, np.nan) for name in names] for row in gradients])


def leak(table: np.ndarray) -> float:
    """What lies beside the diagonal, where each direction has its own answer, over what lies on it."""
    own = np.eye(len(table), dtype=bool)
    return float(np.abs(table[~own]).mean() / max(np.abs(table[own]).mean(), 1e-12))
