"""Linear probes: predict each attribute from latents with one plane per attribute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Flags, Labels, Latents, Values
from zatlas.core.seeds import stream

STEPS = 25  # of Newton's method, which converges long before
RIDGE = 1e-3  # of the variance, so that dimensions without variance have no weight
MAX_LATENTS = 10_000  # latents that a probe is fitted to; more make it slower, not better
MAX_DENSE_DIM = 1024  # dimensions or latents up to which the normal equations are solved directly


@dataclass(frozen=True)
class Probes:
    """One logistic plane per attribute."""

    names: tuple[str, ...]
    weights: Float32[np.ndarray, "d k"]
    offsets: Values

    def predict(self, latents: Latents) -> Float32[np.ndarray, "n k"]:
        """The probability of each attribute for each latent."""
        return _logistic(latents @ self.weights + self.offsets).astype(np.float32)


def fit_probes(latents: Latents, attributes: Mapping[str, Flags]) -> Probes:
    """Fit a probe to each attribute that is true of some latents and false of others."""
    if len(latents) > MAX_LATENTS:
        rows = stream(0, "probes").choice(len(latents), MAX_LATENTS, replace=False)
        latents, attributes = latents[rows], {name: flags[rows] for name, flags in attributes.items()}
    varying = {name: flags for name, flags in attributes.items() if 0 < flags.sum() < len(flags)}
    if not varying:
        return Probes((), np.zeros((latents.shape[1], 0), np.float32), np.zeros(0, np.float32))
    flags = np.stack(list(varying.values()), axis=1)
    weights = linear_weights(latents, flags)
    gain, offset = _calibrate(latents @ weights, flags)
    return Probes(tuple(varying), weights * gain, offset)


def linear_weights(latents: Latents, flags: np.ndarray) -> Float32[np.ndarray, "d ..."]:
    """The normal of the plane that separates latents by flags (n,); for flags (n, k), normals in columns.

    Fisher 1936, https://doi.org/10.1111/j.1469-1809.1936.tb02137.x
    """
    target = np.where(flags, 1 / flags.mean(axis=0), -1 / (1 - flags.mean(axis=0)))
    return ridge(latents - latents.mean(axis=0), target)


def ridge(x: Latents, target: np.ndarray) -> Float32[np.ndarray, "d ..."]:
    """Ridge regression of targets (n,) or (n, k) on centered latents; the weights are (d,) or (d, k).

    Hoerl and Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634
    """
    penalty = RIDGE * len(x) * float(x.var(axis=0).mean()) + 1e-12
    if x.shape[1] <= MAX_DENSE_DIM:
        square = (x.T @ x).astype(np.float64)
        square[np.diag_indices_from(square)] += penalty
        return np.linalg.solve(square, x.T @ target).astype(np.float32)
    if len(x) <= MAX_DENSE_DIM:
        square = (x @ x.T).astype(np.float64)
        square[np.diag_indices_from(square)] += penalty
        return (x.T @ np.linalg.solve(square, target)).astype(np.float32)
    from scipy.sparse.linalg import lsqr

    columns = target.reshape(len(target), -1).T
    result = [lsqr(x, column, damp=np.sqrt(penalty), iter_lim=100)[0] for column in columns]
    return np.stack(result, axis=1).reshape(x.shape[1], *target.shape[1:]).astype(np.float32)


def ridge_influence(x: Latents, moves: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "n m"]:
    """How much each row's target changes what a ridge regression on centered latents x (n, d) predicts
    after each move: the prediction changes by `target @ influence`.
    """
    penalty = RIDGE * len(x) * float(x.var(axis=0).mean()) + 1e-12
    if x.shape[1] <= len(x):
        square = (x.T @ x).astype(np.float64)
        square[np.diag_indices_from(square)] += penalty
        return (x @ np.linalg.solve(square, moves.T)).astype(np.float32)
    square = (x @ x.T).astype(np.float64)
    square[np.diag_indices_from(square)] += penalty
    return np.linalg.solve(square, x @ moves.T).astype(np.float32)


def accuracy(latents: Latents, labels: np.ndarray, held_out: Flags) -> float:
    """Accuracy of multinomial logistic regression for the label, on the held-out latents."""
    rows = np.flatnonzero(~held_out)
    if len(rows) > MAX_LATENTS:
        rows = stream(0, "probes").choice(rows, MAX_LATENTS, replace=False)
    classes, numbers = np.unique(labels[rows], return_inverse=True)
    if len(classes) < 2:
        return 1.0
    mean, std = latents[rows].mean(axis=0), np.maximum(latents[rows].std(axis=0), 1e-12)
    weights = softmax_weights((latents[rows] - mean) / std, numbers)
    logits = (latents[held_out] - mean) / std @ weights[:-1] + weights[-1]
    return float((classes[logits.argmax(axis=1)] == labels[held_out]).mean())


def softmax_weights(x: Latents, classes: Labels) -> np.ndarray:
    """The weights (d + 1, k) of multinomial logistic regression; the last row holds the offsets.

    With the penalty of scikit-learn's LogisticRegression, half the sum of squares, but without its import
    of 0.8 s. Cox 1958, https://doi.org/10.1111/j.2517-6161.1958.tb00292.x
    """
    from scipy.optimize import minimize

    x = np.concatenate([x, np.ones((len(x), 1))], axis=1).astype(np.float64)
    true = np.eye(int(classes.max()) + 1)[classes]
    shape = x.shape[1], true.shape[1]
    penalized = np.ones((shape[0], 1))
    penalized[-1] = 0

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        logits = x @ weights
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        totals = exponentials.sum(axis=1, keepdims=True)
        value = float(np.log(totals).sum() - (logits * true).sum())
        shrunk = penalized * weights
        gradient = x.T @ (exponentials / totals - true) + shrunk
        return (value + float((shrunk * weights).sum()) / 2) / len(x), gradient.ravel() / len(x)

    result = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(result.x).reshape(shape)


def roc_auc(values: Values, flags: Flags) -> float:
    """Area under the ROC curve: the probability that a value with the flag is the larger; ties count half."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    positive = int(flags.sum())
    negative = len(flags) - positive
    if not positive or not negative:
        return 0.5
    return float((ranks[flags].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _calibrate(values: np.ndarray, flags: np.ndarray) -> tuple[Values, Values]:
    """Gain and offset per column that turn values into log-odds, by Newton's method.

    Platt 1999, "Probabilistic outputs for support vector machines and comparisons to regularized likelihood".
    """
    mean, std = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
    x = ((values - mean) / std).astype(np.float64)
    share = flags.mean(axis=0)
    gain, offset = np.ones_like(share), np.log(share / (1 - share))
    for _ in range(STEPS):
        p = _logistic(gain * x + offset)
        weight = np.maximum(p * (1 - p), 1e-9)
        gradient_a, gradient_b = ((p - flags) * x).mean(0) + RIDGE * gain, (p - flags).mean(0)
        aa, ab, bb = (weight * x * x).mean(0) + RIDGE, (weight * x).mean(0), weight.mean(0)
        determinant = aa * bb - ab * ab
        gain = gain - np.clip((bb * gradient_a - ab * gradient_b) / determinant, -2, 2)
        offset = offset - np.clip((aa * gradient_b - ab * gradient_a) / determinant, -2, 2)
    result = gain / std
    return result.astype(np.float32), (offset - mean * result).astype(np.float32)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
