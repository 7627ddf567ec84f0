"""Directions of attributes that are fitted jointly, so that each changes its own attribute only."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Flags, Latents
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.directions.estimate import HELD_OUT_SHARE, check_flags, rank_score, std_along, with_side_effects
from zatlas.directions.probes import fit_probes, linear_weights
from zatlas.directions.types import LinearDirection

JOINT = "joint"  # the name of this method
# Of the probes' variance. Without it, attributes that the latents hardly separate get directions
# that change nothing else (measured on correlated faces in docs/directions.md).
RIDGE = 0.1
MAX_LATENTS = 20_000  # latents that the directions are fitted to


def fit_jointly(
    latents: Latents, flags: Mapping[str, Flags], *, ridge: float = RIDGE, seed: int = 0
) -> list[LinearDirection]:
    """A direction for each attribute that moves its own probe and, as far as possible, no other.

    Attributes that no image has both of (hair has one color) do not constrain each other. For probes with
    normals W and latents with covariance C the directions are the columns of C W (W' C W + ridge)^-1:
    the least-squares move in the metric of C. Without the ridge it is Penrose's pseudo-inverse (1955),
    https://doi.org/10.1017/S0305004100030401, in that metric; the planes are those of InterFaceGAN,
    https://arxiv.org/abs/1907.10786, which projects the other attributes out one by one.
    """
    if len(flags) < 2:
        raise BadData(
            f"A joint fit takes two attributes or more, and {len(flags)} was given. Name others too."
        )
    for name, values in flags.items():
        check_flags(values, name)
    if len(latents) > MAX_LATENTS:
        rows = stream(seed, "apart").choice(len(latents), MAX_LATENTS, replace=False)
        latents, flags = latents[rows], {name: values[rows] for name, values in flags.items()}
    table = np.stack(list(flags.values()), axis=1)
    vectors = independent_effects(latents, table, ridge)
    held_out = stream(seed, "apart", "held").random(len(latents)) < HELD_OUT_SHARE
    scored = latents[held_out] @ independent_effects(latents[~held_out], table[~held_out], ridge).T
    probes = fit_probes(latents, flags)
    result = []
    for i, name in enumerate(flags):
        facts = {"method": JOINT, "jointly_with": [other for other in flags if other != name]}
        std = std_along(vectors[i], latents)
        direction = LinearDirection(name, vectors[i], std, facts=facts, description=name)
        score = rank_score(scored[:, i], table[held_out, i])
        result.append(replace(with_side_effects(direction, latents, {}, probes), score=score))
    return result


def independent_effects(latents: Latents, table: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """The unit vectors (k, d) of `fit_jointly` for flags (n, k)."""
    normals = linear_weights(latents, table).astype(np.float64)
    centered = (latents - latents.mean(axis=0)).astype(np.float64)
    projections = centered @ normals
    projections = projections / np.maximum(projections.std(axis=0), 1e-12)
    # C W is the covariance of latents and projections, so the d x d matrix is never computed.
    covariance = centered.T @ projections / len(latents)
    square = projections.T @ projections / len(latents)
    square[np.diag_indices_from(square)] += ridge
    common = table.T.astype(np.float64) @ table
    result = []
    for i in range(table.shape[1]):
        constrained = np.flatnonzero((common[i] > 0) | (np.arange(len(common)) == i))
        solution = np.linalg.solve(square[np.ix_(constrained, constrained)], constrained == i)
        result.append(covariance[:, constrained] @ solution)
    rows = np.stack(result)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(norms, 1e-12)).astype(np.float32)


def entanglement(gradients: Sequence[Mapping[str, float]], names: Sequence[str]) -> np.ndarray:
    """The change of each attribute (column) by one std of each direction (row); NaN where not measured."""
    return np.array([[row.get(name, np.nan) for name in names] for row in gradients])


def leak(table: np.ndarray) -> float:
    """Mean absolute value off the diagonal of a square table, divided by that on the diagonal."""
    own = np.eye(len(table), dtype=bool)
    return float(np.abs(table[~own]).mean() / max(np.abs(table[own]).mean(), 1e-12))
