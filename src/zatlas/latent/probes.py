"""Linear probes: what a plane through the latent space can tell of each attribute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Flags, Points, Values
from zatlas.core.seeds import stream

STEPS = 25  # of Newton's method; it has settled long before
RIDGE = 1e-3  # of the codes' variance, so that axes which do not vary count for nothing
WIDEST = 128  # axes that a probe looks along; wider codes are turned to their principal axes
MOST = 10_000  # codes that a probe is fitted to; more make it slower, not better
DIRECT = 1024  # axes up to which a system of equations is solved at once


@dataclass(frozen=True)
class Probes:
    """A logistic probe for each of several attributes."""

    names: tuple[str, ...]
    weights: Float32[np.ndarray, "d k"]
    offsets: Values

    def read(self, points: Points) -> Float32[np.ndarray, "n k"]:
        """The probability of each attribute for each code."""
        return _logistic(points @ self.weights + self.offsets).astype(np.float32)


def fit_probes(points: Points, attributes: Mapping[str, Flags]) -> Probes:
    """A probe for each attribute that some of the codes have and others lack."""
    if len(points) > MOST:
        some = stream(0, "probes").choice(len(points), MOST, replace=False)
        points, attributes = points[some], {name: f[some] for name, f in attributes.items()}
    told = {name: flags for name, flags in attributes.items() if 0 < flags.sum() < len(flags)}
    middle, turn = _principal(points)
    x = ((points - middle) @ turn).astype(np.float64)
    scale = x.std(axis=0)
    scale[scale < 1e-9] = 1
    fits = [_logistic_fit(x / scale, flags) for flags in told.values()]
    inner = np.stack([w for w, _ in fits], axis=1) if fits else np.zeros((x.shape[1], 0))
    weights = turn @ (inner / scale[:, None])
    offsets = np.array([offset for _, offset in fits]) - middle @ weights
    return Probes(tuple(told), weights.astype(np.float32), offsets.astype(np.float32))


def linear_weights(points: Points, flags: Flags) -> Values:
    """The normal of the plane that parts codes with a property from those without: Fisher's discriminant.

    Fisher 1936, https://doi.org/10.1111/j.1469-1809.1936.tb02137.x
    """
    target = np.where(flags, 1 / flags.mean(), -1 / (~flags).mean())
    x = (points - points.mean(axis=0)).astype(np.float64)
    ridge = RIDGE * len(x) * float(x.var(axis=0).mean())
    if x.shape[1] <= DIRECT:
        square = x.T @ x
        square[np.diag_indices_from(square)] += ridge + 1e-12
        return np.linalg.solve(square, x.T @ target).astype(np.float32)
    from scipy.sparse.linalg import lsqr

    return lsqr(x, target, damp=np.sqrt(ridge), iter_lim=100)[0].astype(np.float32)


def accuracy(points: Points, labels: np.ndarray, held: Flags) -> float:
    """Share of held-out codes whose class a plane tells: one probe a class, the surest wins."""
    kinds = [kind for kind in np.unique(labels) if (labels[~held] == kind).any()]
    if len(kinds) < 2:
        return 1.0
    probes = fit_probes(points[~held], {str(kind): labels[~held] == kind for kind in kinds})
    told = np.array(kinds)[probes.read(points[held]).argmax(axis=1)]
    return float((told == labels[held]).mean())


def area_under_curve(readings: Values, flags: Flags) -> float:
    """Chance that a code with the property reads higher than one without it; ties count half."""
    _, index, counts = np.unique(readings, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    has = int(flags.sum())
    lacks = len(flags) - has
    if not has or not lacks:
        return 0.5
    return float((ranks[flags].sum() - has * (has + 1) / 2) / (has * lacks))


def _logistic_fit(x: np.ndarray, flags: Flags) -> tuple[Values, float]:
    """Weights and offset of a logistic regression with a little ridge, by Newton's method."""
    weights, offset = np.zeros(x.shape[1]), float(np.log(flags.mean() / (1 - flags.mean())))
    target = flags.astype(np.float64)
    ridge = RIDGE * len(x)
    bend = np.empty((x.shape[1] + 1,) * 2)
    for _ in range(STEPS):
        p = _logistic(x @ weights + offset)
        curve = np.maximum(p * (1 - p), 1e-6)
        steep = np.append(x.T @ (p - target) + ridge * weights, (p - target).sum())
        bend[:-1, :-1] = (x * curve[:, None]).T @ x + ridge * np.eye(len(weights))
        bend[:-1, -1] = bend[-1, :-1] = x.T @ curve
        bend[-1, -1] = curve.sum()
        step = np.linalg.solve(bend, steep)
        weights, offset = weights - step[:-1], offset - float(step[-1])
        if np.abs(step).max() < 1e-5:
            break
    return weights, offset


def _principal(points: Points) -> tuple[Values, np.ndarray]:
    """The codes' middle and a turn to at most `WIDEST` axes."""
    middle = points.mean(axis=0)
    if points.shape[1] <= WIDEST:
        return middle, np.eye(points.shape[1], dtype=np.float32)
    from sklearn.utils.extmath import randomized_svd

    count = min(WIDEST, len(points) - 1)
    return middle, randomized_svd(points - middle, count, random_state=0)[2].T


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
