"""Linear probes: what a plane through the latent space can tell of each attribute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Flags, Latents, Values
from zatlas.core.seeds import stream

STEPS = 25  # of Newton's method; it has settled long before
RIDGE = 1e-3  # of the variance, so that axes which do not vary count for nothing
MAX_LATENTS = 10_000  # codes that a probe is fitted to; more make it slower, not better
MAX_DENSE_DIM = 1024  # axes or codes up to which a system of equations is solved at once


@dataclass(frozen=True)
class Probes:
    """A plane for each of several attributes, with how sure its sides are."""

    names: tuple[str, ...]
    weights: Float32[np.ndarray, "d k"]
    offsets: Values

    def predict(self, latents: Latents) -> Float32[np.ndarray, "n k"]:
        """The probability of each attribute for each code."""
        return _logistic(latents @ self.weights + self.offsets).astype(np.float32)


def fit_probes(latents: Latents, attributes: Mapping[str, Flags]) -> Probes:
    """A probe for each attribute that some of the codes have and others lack."""
    if len(latents) > MAX_LATENTS:
        some = stream(0, "probes").choice(len(latents), MAX_LATENTS, replace=False)
        latents, attributes = latents[some], {name: f[some] for name, f in attributes.items()}
    told = {name: flags for name, flags in attributes.items() if 0 < flags.sum() < len(flags)}
    if not told:
        return Probes((), np.zeros((latents.shape[1], 0), np.float32), np.zeros(0, np.float32))
    flags = np.stack(list(told.values()), axis=1)
    weights = linear_weights(latents, flags)
    gradient, offset = _calibrated(latents @ weights, flags)
    return Probes(tuple(told), weights * gradient, offset)


def linear_weights(latents: Latents, flags: np.ndarray) -> Float32[np.ndarray, "d ..."]:
    """The normal of the plane that parts codes with a property from those without; of several, in columns.

    Fisher 1936, https://doi.org/10.1111/j.1469-1809.1936.tb02137.x
    """
    target = np.where(flags, 1 / flags.mean(axis=0), -1 / (1 - flags.mean(axis=0)))
    return ridge(latents - latents.mean(axis=0), target)


def ridge(x: Latents, target: np.ndarray) -> Float32[np.ndarray, "d ..."]:
    """The plane that comes nearest to a target over centred codes; for several, in columns.

    Hoerl and Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634
    """
    least = RIDGE * len(x) * float(x.var(axis=0).mean()) + 1e-12
    if x.shape[1] <= MAX_DENSE_DIM:
        square = (x.T @ x).astype(np.float64)
        square[np.diag_indices_from(square)] += least
        return np.linalg.solve(square, x.T @ target).astype(np.float32)
    if len(x) <= MAX_DENSE_DIM:
        square = (x @ x.T).astype(np.float64)
        square[np.diag_indices_from(square)] += least
        return (x.T @ np.linalg.solve(square, target)).astype(np.float32)
    from scipy.sparse.linalg import lsqr

    columns = target.reshape(len(target), -1).T
    result = [lsqr(x, column, damp=np.sqrt(least), iter_lim=100)[0] for column in columns]
    return np.stack(result, axis=1).reshape(x.shape[1], *target.shape[1:]).astype(np.float32)


def accuracy(latents: Latents, labels: np.ndarray, held: Flags) -> float:
    """Share of held-out codes whose class a plane tells: one probe a class, the surest wins."""
    kinds = [kind for kind in np.unique(labels) if (labels[~held] == kind).any()]
    if len(kinds) < 2:
        return 1.0
    probes = fit_probes(latents[~held], {str(kind): labels[~held] == kind for kind in kinds})
    told = np.array(kinds)[probes.predict(latents[held]).argmax(axis=1)]
    return float((told == labels[held]).mean())


def roc_auc(readings: Values, flags: Flags) -> float:
    """Chance that a code with the property reads higher than one without it; ties count half."""
    _, index, counts = np.unique(readings, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    has = int(flags.sum())
    lacks = len(flags) - has
    if not has or not lacks:
        return 0.5
    return float((ranks[flags].sum() - has * (has + 1) / 2) / (has * lacks))


def _calibrated(readings: np.ndarray, flags: np.ndarray) -> tuple[Values, Values]:
    """Slope and offset by which each reading becomes a probability: Newton's method, all at once.

    Platt 1999, https://www.cs.colorado.edu/~mozer/Teaching/syllabi/6622/papers/Platt1999.pdf
    """
    middle, scale = readings.mean(axis=0), np.maximum(readings.std(axis=0), 1e-12)
    x = ((readings - middle) / scale).astype(np.float64)
    share = flags.mean(axis=0)
    gradient, offset = np.ones_like(share), np.log(share / (1 - share))
    for _ in range(STEPS):
        p = _logistic(gradient * x + offset)
        bend = np.maximum(p * (1 - p), 1e-9)
        steep_a, steep_b = ((p - flags) * x).mean(0) + RIDGE * gradient, (p - flags).mean(0)
        aa, ab, bb = (bend * x * x).mean(0) + RIDGE, (bend * x).mean(0), bend.mean(0)
        size = aa * bb - ab * ab
        gradient = gradient - np.clip((bb * steep_a - ab * steep_b) / size, -2, 2)
        offset = offset - np.clip((aa * steep_b - ab * steep_a) / size, -2, 2)
    result = gradient / scale
    return result.astype(np.float32), (offset - middle * result).astype(np.float32)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
