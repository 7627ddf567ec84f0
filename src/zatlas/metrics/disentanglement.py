"""Disentanglement scores: how well single dimensions encode single factors, for known factors.

Factors are columns by name: integers, booleans and texts are categorical, floats are continuous. Every
score is 1 for latents that equal the factors (except SAP of categorical factors).
Locatello et al. 2019, https://arxiv.org/abs/1811.12359, compare them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from zatlas.core.arrays import Flags, Labels, Latents
from zatlas.core.seeds import stream

BINS = 20  # bins of equal width of dimensions and continuous factors, as in disentanglement_lib
OUTLIERS = 1e-3  # share of the values beyond either end of the bins, which the last bins include
TREES, DEPTH = 10, 8  # of the forests that predict a factor from latents
MIN_LEAF_SHARE = 0.01  # minimum share of latents in a leaf; smaller leaves overfit
HELD_OUT_SHARE = 0.3  # share of latents for testing
GROUP_SIZE = 64  # latents of a vote, which share a factor
VOTES = 800  # votes for training, and as many for testing
DIFFERENCES = 100  # mean differences for each factor, for training and as many for testing

Factors = Mapping[str, np.ndarray]
PerFactor = Float64[np.ndarray, "m"]
Table = Float64[np.ndarray, "d k"]  # (dimensions, factors)
# (factor, groups, size, rng) -> latents (groups, size, d); those of a group share the value of the factor.
GroupSampler = Callable[[str, int, int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class FactorScore:
    """A score, with its value for each factor or dimension if it is a mean of them."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)


def mig(latents: Latents, factors: Factors) -> FactorScore:
    """Mutual information gap between the best and the second best dimension of a factor.

    In shares of the factor's entropy. Chen et al. 2018, https://arxiv.org/abs/1802.04942
    """
    return _gaps(mutual_information_table(latents, factors) / _entropies(factors), factors)


def sap(latents: Latents, factors: Factors) -> FactorScore:
    """Separated attribute predictability: score gap between the best and the second best dimension.

    The score is the squared correlation for continuous factors, and the balanced accuracy of thresholds on
    the dimension for categorical factors.
    Kumar, Sattigeri and Balakrishnan 2018, https://arxiv.org/abs/1711.00848
    """
    columns = [_scores_by_dimension(latents, column) for column in factors.values()]
    return _gaps(np.stack(columns, axis=1), factors)


def modularity(latents: Latents, factors: Factors) -> FactorScore:
    """Whether each dimension is informative about one factor only; an uninformative dimension counts as 0.

    Ridgeway and Mozer 2018, https://arxiv.org/abs/1802.05312
    """
    squared = mutual_information_table(latents, factors) ** 2
    best = squared.max(axis=1)
    others = (squared.sum(axis=1) - best) / np.maximum(best, 1e-300) / max(squared.shape[1] - 1, 1)
    each = np.where(best > 1e-12, 1 - others, 0.0)
    return FactorScore(float(each.mean()), {f"dimension {i}": float(v) for i, v in enumerate(each)})


def dci(latents: Latents, factors: Factors, *, seed: int = 0) -> tuple[FactorScore, FactorScore, FactorScore]:
    """Disentanglement (of dimensions), completeness (of factors) and informativeness.

    Uses the feature importances of forests that predict each factor. Informativeness is their quality on
    held-out latents: R^2, or accuracy scaled from the most frequent class (0) to perfect (1).
    Eastwood and Williams 2018, https://openreview.net/forum?id=By-7dz-AZ
    """
    held_out = stream(seed, "dci").random(len(latents)) < HELD_OUT_SHARE
    forests = [
        _forest(latents, column, held_out, seed + number) for number, column in enumerate(factors.values())
    ]
    weights = np.stack([importance for importance, _ in forests], axis=1)
    by_dimension, by_factor = _purity(weights), _purity(weights.T)
    shares = weights.sum(axis=1) / max(weights.sum(), 1e-300)
    loads = weights.sum(axis=0) / max(weights.sum(), 1e-300)
    quality = {name: score for name, (_, score) in zip(factors, forests, strict=True)}
    return (
        FactorScore(
            float(by_dimension @ shares), {f"dimension {i}": float(v) for i, v in enumerate(by_dimension)}
        ),
        FactorScore(float(by_factor @ loads), dict(zip(factors, by_factor.tolist(), strict=True))),
        FactorScore(float(np.mean(list(quality.values()))), quality),
    )


def factor_vae(fixed: GroupSampler, factors: Factors, scale: np.ndarray, *, seed: int = 0) -> FactorScore:
    """How often the dimension with the least variance, in units of `scale`, identifies the fixed factor.

    Each dimension votes for the factor that it matched most often in the training groups. A dimension with
    scale 0 has no vote. Kim and Mnih 2018, https://arxiv.org/abs/1802.05983
    """
    rng = stream(seed, "factor vae")
    live = np.flatnonzero(scale > 0)
    if not len(live):
        return FactorScore(1 / len(factors))
    each = -(-VOTES // len(factors))
    ballots = np.zeros((2, len(factors), len(live)))
    for turn in range(2):
        for row, name in enumerate(factors):
            groups = fixed(name, each, GROUP_SIZE, rng)[:, :, live] / scale[live]
            steadiest = groups.var(axis=1).argmin(axis=1)
            ballots[turn, row] = np.bincount(steadiest, minlength=len(live))
    majority = ballots[0].argmax(axis=0)
    right = np.stack([ballots[1, row, majority == row].sum() for row in range(len(factors))]) / each
    return FactorScore(float(right.mean()), dict(zip(factors, right.tolist(), strict=True)))


def beta_vae(fixed: GroupSampler, factors: Factors, *, seed: int = 0) -> FactorScore:
    """How often a linear classifier identifies, from mean differences of pairs, the factor that pairs share.

    Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl
    """
    from sklearn.linear_model import LogisticRegression

    rng = stream(seed, "beta vae")
    differences = []
    for name in factors:
        pairs = fixed(name, 2 * DIFFERENCES * GROUP_SIZE, 2, rng)
        distance = np.abs(pairs[:, 0] - pairs[:, 1])
        differences.append(distance.reshape(2 * DIFFERENCES, GROUP_SIZE, -1).mean(axis=1))
    x = np.concatenate(differences).astype(np.float64)
    x = (x - x.mean(axis=0)) / np.maximum(
        x.std(axis=0), 1e-12
    )  # the same classifier, with faster convergence
    y = np.repeat(np.arange(len(factors)), 2 * DIFFERENCES)
    train = np.arange(len(x)) % 2 == 0
    predicted = LogisticRegression(max_iter=1000).fit(x[train], y[train]).predict(x[~train])
    right = [float((predicted[y[~train] == row] == row).mean()) for row in range(len(factors))]
    return FactorScore(float(np.mean(right)), dict(zip(factors, right, strict=True)))


def group_sampler(latents: Latents, factors: Factors) -> GroupSampler:
    """A sampler of groups of known rows that share the value, or the bin, of a factor."""
    index = {}
    for name, column in factors.items():
        kinds = to_bins(column)
        counts = np.bincount(kinds)
        index[name] = (kinds, np.argsort(kinds, kind="stable"), counts, counts.cumsum() - counts)

    def fixed(name: str, groups: int, size: int, rng: np.random.Generator) -> np.ndarray:
        kinds, order, counts, starts = index[name]
        mine = kinds[rng.integers(0, len(kinds), groups)]
        chosen = (rng.random((groups, size)) * counts[mine][:, None]).astype(np.int64)
        return latents[order[starts[mine][:, None] + chosen]]

    return fixed


def mutual_information_table(latents: Latents, factors: Factors) -> Table:
    """Mutual information in nats between each binned dimension and each binned factor."""
    axes = [to_bins(axis.astype(np.float64)) for axis in latents.T]
    columns = [to_bins(column) for column in factors.values()]
    return np.array([[mutual_information_of_bins(axis, column) for column in columns] for axis in axes])


def to_bins(column: np.ndarray) -> Labels:
    """Bin numbers: bins of equal width of continuous values, one bin for each category otherwise.

    Quantile bins would cut a cluster of latents with one value of a factor in two.
    """
    if column.dtype.kind == "f":
        low, high = np.quantile(column, [OUTLIERS, 1 - OUTLIERS])
        ends = np.linspace(low, high, BINS + 1)[1:-1]
        column = np.searchsorted(ends, column, side="right")
    return np.unique(column, return_inverse=True)[1].astype(np.int64)


def mutual_information_of_bins(a: Labels, b: Labels) -> float:
    """Mutual information in nats of two columns of bin numbers."""
    high = int(b.max()) + 1
    both = np.bincount(a * high + b, minlength=(int(a.max()) + 1) * high).astype(np.float64)
    return max(_entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(both), 0.0)


def _entropies(factors: Factors) -> PerFactor:
    entropies = [_entropy(np.bincount(to_bins(column))) for column in factors.values()]
    return np.maximum(entropies, 1e-300)


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _gaps(table: Table, factors: Factors) -> FactorScore:
    """The best minus the second best of each column; the second best of a single dimension is 0."""
    ordered = np.sort(np.concatenate([np.zeros((1, table.shape[1])), table]), axis=0)
    gaps = ordered[-1] - ordered[-2]
    return FactorScore(float(gaps.mean()), dict(zip(factors, gaps.tolist(), strict=True)))


def _scores_by_dimension(latents: Latents, column: np.ndarray) -> PerFactor:
    if column.dtype.kind == "f":
        x, y = latents - latents.mean(axis=0, dtype=np.float64), column - column.mean(dtype=np.float64)
        scale = (x**2).sum(axis=0) * (y**2).sum()
        return (x * y[:, None]).sum(axis=0) ** 2 / np.maximum(scale, 1e-300)
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    kinds = to_bins(column)
    parts = int(kinds.max()) + 1  # leaves; a tree on one dimension is a list of thresholds
    tree = DecisionTreeClassifier(max_leaf_nodes=max(parts, 2), class_weight="balanced", random_state=0)
    predictions = [tree.fit(axis[:, None], kinds).predict(axis[:, None]) for axis in latents.T]
    return np.array([balanced_accuracy_score(kinds, each) for each in predictions])


def _forest(latents: Latents, column: np.ndarray, held_out: Flags, seed: int) -> tuple[PerFactor, float]:
    """The importance of each dimension for predicting a factor, and the quality on held-out latents."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    number = column.dtype.kind == "f"
    kind = ExtraTreesRegressor if number else ExtraTreesClassifier
    y = column if number else to_bins(column)
    # Every split considers all dimensions, so that an uninformative one is never the only candidate.
    forest = kind(
        TREES, max_depth=DEPTH, max_features=None, min_samples_leaf=MIN_LEAF_SHARE, random_state=seed
    )
    predicted = forest.fit(latents[~held_out], y[~held_out]).predict(latents[held_out])
    true = y[held_out]
    if number:
        right = 1 - float(((predicted - true) ** 2).mean()) / max(float(true.var()), 1e-300)
    else:
        baseline = np.bincount(true).max() / len(true)
        right = (float((predicted == true).mean()) - baseline) / max(1 - baseline, 1e-300)
    return forest.feature_importances_.astype(np.float64), max(right, 0.0)


def _purity(weights: np.ndarray) -> PerFactor:
    """For each row, 1 minus its normalized entropy; 0 for an empty row."""
    if weights.shape[1] < 2:
        return np.ones(len(weights))
    totals = weights.sum(axis=1, keepdims=True)
    share = weights / np.maximum(totals, 1e-300)
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(axis=1) / np.log(weights.shape[1])
    return np.where(totals[:, 0] > 0, 1 - entropy, 0.0)
