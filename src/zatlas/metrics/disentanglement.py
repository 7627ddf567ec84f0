"""How well single axes answer to single factors, where the true factors of each image are known.

Factors are columns by name: whole numbers, booleans and texts are kinds, decimals are numbers. Every
score is 1 for codes that are the factors themselves (but for SAP of kinds, which takes chance off).
Locatello et al. 2019, https://arxiv.org/abs/1811.12359, compare them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from zatlas.core.arrays import Flags, Labels, Points
from zatlas.core.seeds import stream

BINS = 20  # of equally many values each, for the information of axes and of factors that are numbers
TREES, DEPTH = 10, 8  # of the forests that read a factor from codes
MIN_LEAF_SHARE = (
    0.01  # share of the codes that a leaf holds at least: in smaller ones, noise is learnt by heart
)
HELD_OUT_SHARE = 0.3  # share of the codes that a forest or a vote is tried on
GROUP_SIZE = 64  # codes that share a factor, in a vote
VOTES = 800  # votes to learn from, and as many to be tried on
DIFFERENCES = 100  # a factor: mean differences to learn from, and as many to be tried on

Factors = Mapping[str, np.ndarray]
PerFactor = Float64[np.ndarray, "m"]
Table = Float64[np.ndarray, "d k"]  # a row an axis, a column a factor
# Draws (groups, size, d) of codes; those of a group have one value of the named factor, the rest is chance.
GroupSampler = Callable[[str, int, int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class FactorScore:
    """A score, and the same of each factor or axis where it is made of them."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)


def mig(codes: Points, factors: Factors) -> FactorScore:
    """Mutual information gap: by how much the best axis knows more of a factor than the second best.

    In shares of the factor's entropy. Chen et al. 2018, https://arxiv.org/abs/1802.04942
    """
    return _gaps(mutual_information_table(codes, factors) / _entropies(factors), factors)


def sap(codes: Points, factors: Factors) -> FactorScore:
    """Separated attribute predictability: by how much the best axis tells a factor better than the second.

    A number by the square of its correlation, a kind by thresholds on the axis, in balanced accuracy.
    Kumar, Sattigeri and Balakrishnan 2018, https://arxiv.org/abs/1711.00848
    """
    columns = [_told_by_axes(codes, column) for column in factors.values()]
    return _gaps(np.stack(columns, axis=1), factors)


def modularity(codes: Points, factors: Factors) -> FactorScore:
    """Whether each axis knows of one factor only; an axis that knows of none counts as 0.

    Ridgeway and Mozer 2018, https://arxiv.org/abs/1802.05312
    """
    known = mutual_information_table(codes, factors) ** 2
    best = known.max(axis=1)
    rest = (known.sum(axis=1) - best) / np.maximum(best, 1e-300) / max(known.shape[1] - 1, 1)
    each = np.where(best > 1e-12, 1 - rest, 0.0)
    return FactorScore(float(each.mean()), {f"axis {i}": float(v) for i, v in enumerate(each)})


def dci(codes: Points, factors: Factors, *, seed: int = 0) -> tuple[FactorScore, FactorScore, FactorScore]:
    """Disentanglement (an axis serves one factor), completeness (a factor has one axis), informativeness.

    By the importance of each axis to forests that read a factor from all of them; informativeness is
    how well they read codes that were held out: R^2 of a number, of a kind the accuracy from chance
    (0) to right (1). Eastwood and Williams 2018, https://openreview.net/forum?id=By-7dz-AZ
    """
    held = stream(seed, "dci").random(len(codes)) < HELD_OUT_SHARE
    found = [_forest(codes, column, held, seed + number) for number, column in enumerate(factors.values())]
    weights = np.stack([importance for importance, _ in found], axis=1)
    pure, whole = _purity(weights), _purity(weights.T)
    shares = weights.sum(axis=1) / max(weights.sum(), 1e-300)
    loads = weights.sum(axis=0) / max(weights.sum(), 1e-300)
    told = {name: right for name, (_, right) in zip(factors, found, strict=True)}
    return (
        FactorScore(float(pure @ shares), {f"axis {i}": float(v) for i, v in enumerate(pure)}),
        FactorScore(float(whole @ loads), dict(zip(factors, whole.tolist(), strict=True))),
        FactorScore(float(np.mean(list(told.values()))), told),
    )


def factor_vae(fixed: GroupSampler, factors: Factors, scale: np.ndarray, *, seed: int = 0) -> FactorScore:
    """How often the axis that varies least, in units of `scale`, tells which factor was held still.

    Each axis votes for the factor it stood for most often in other groups. An axis whose scale is 0
    has no vote. Kim and Mnih 2018, https://arxiv.org/abs/1802.05983
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
            still = groups.var(axis=1).argmin(axis=1)
            ballots[turn, row] = np.bincount(still, minlength=len(live))
    learnt = ballots[0].argmax(axis=0)
    right = np.stack([ballots[1, row, learnt == row].sum() for row in range(len(factors))]) / each
    return FactorScore(float(right.mean()), dict(zip(factors, right.tolist(), strict=True)))


def beta_vae(fixed: GroupSampler, factors: Factors, *, seed: int = 0) -> FactorScore:
    """How often a plane tells, from mean differences of pairs, which factor the pairs had in common.

    Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl
    """
    from sklearn.linear_model import LogisticRegression

    rng = stream(seed, "beta vae")
    found = []
    for name in factors:
        pairs = fixed(name, 2 * DIFFERENCES * GROUP_SIZE, 2, rng)
        apart = np.abs(pairs[:, 0] - pairs[:, 1])
        found.append(apart.reshape(2 * DIFFERENCES, GROUP_SIZE, -1).mean(axis=1))
    x = np.concatenate(found).astype(np.float64)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)  # planes are the same, found sooner
    y = np.repeat(np.arange(len(factors)), 2 * DIFFERENCES)
    learnt = np.arange(len(x)) % 2 == 0
    told = LogisticRegression(max_iter=1000).fit(x[learnt], y[learnt]).predict(x[~learnt])
    right = [float((told[y[~learnt] == row] == row).mean()) for row in range(len(factors))]
    return FactorScore(float(np.mean(right)), dict(zip(factors, right, strict=True)))


def group_sampler(codes: Points, factors: Factors) -> GroupSampler:
    """Draws with a factor held still among rows that are known; of a number, within one of its bins."""
    places = {}
    for name, column in factors.items():
        kinds = to_bins(column)
        counts = np.bincount(kinds)
        places[name] = (kinds, np.argsort(kinds, kind="stable"), counts, counts.cumsum() - counts)

    def fixed(name: str, groups: int, size: int, rng: np.random.Generator) -> np.ndarray:
        kinds, order, counts, starts = places[name]
        mine = kinds[rng.integers(0, len(kinds), groups)]
        chosen = (rng.random((groups, size)) * counts[mine][:, None]).astype(np.int64)
        return codes[order[starts[mine][:, None] + chosen]]

    return fixed


def mutual_information_table(codes: Points, factors: Factors) -> Table:
    """Mutual information in nats between each axis and each factor, both in bins."""
    axes = [to_bins(axis.astype(np.float64)) for axis in codes.T]
    columns = [to_bins(column) for column in factors.values()]
    return np.array([[mutual_information_of_bins(axis, column) for column in columns] for axis in axes])


def to_bins(column: np.ndarray) -> Labels:
    """Numbers of bins: of decimals, with equally many values in each; of kinds, one a kind."""
    if column.dtype.kind == "f":
        ends = np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1], method="higher")
        column = np.searchsorted(np.unique(ends), column, side="right")
    return np.unique(column, return_inverse=True)[1].astype(np.int64)


def mutual_information_of_bins(a: Labels, b: Labels) -> float:
    """Mutual information of two columns of bins, in nats."""
    high = int(b.max()) + 1
    both = np.bincount(a * high + b, minlength=(int(a.max()) + 1) * high).astype(np.float64)
    return max(_entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(both), 0.0)


def _entropies(factors: Factors) -> PerFactor:
    found = [_entropy(np.bincount(to_bins(column))) for column in factors.values()]
    return np.maximum(found, 1e-300)


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _gaps(table: Table, factors: Factors) -> FactorScore:
    """The best of each column less its second best; of one axis alone, less nothing."""
    ordered = np.sort(np.concatenate([np.zeros((1, table.shape[1])), table]), axis=0)
    gaps = ordered[-1] - ordered[-2]
    return FactorScore(float(gaps.mean()), dict(zip(factors, gaps.tolist(), strict=True)))


def _told_by_axes(codes: Points, column: np.ndarray) -> PerFactor:
    if column.dtype.kind == "f":
        x, y = codes - codes.mean(axis=0, dtype=np.float64), column - column.mean(dtype=np.float64)
        spread = (x**2).sum(axis=0) * (y**2).sum()
        return (x * y[:, None]).sum(axis=0) ** 2 / np.maximum(spread, 1e-300)
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    kinds = to_bins(column)
    parts = int(kinds.max()) + 1  # a tree of one axis with so many leaves is as many thresholds less one
    tree = DecisionTreeClassifier(max_leaf_nodes=max(parts, 2), class_weight="balanced", random_state=0)
    told = [tree.fit(axis[:, None], kinds).predict(axis[:, None]) for axis in codes.T]
    return np.array([balanced_accuracy_score(kinds, guess) for guess in told])


def _forest(codes: Points, column: np.ndarray, held: Flags, seed: int) -> tuple[PerFactor, float]:
    """How much each axis matters to reading a factor, and how well it is read where it was held out."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    number = column.dtype.kind == "f"
    kind = ExtraTreesRegressor if number else ExtraTreesClassifier
    y = column if number else to_bins(column)
    # All axes are looked at in every node: an axis that knows nothing is then never taken for want of others.
    forest = kind(
        TREES, max_depth=DEPTH, max_features=None, min_samples_leaf=MIN_LEAF_SHARE, random_state=seed
    )
    told = forest.fit(codes[~held], y[~held]).predict(codes[held])
    true = y[held]
    if number:
        right = 1 - float(((told - true) ** 2).mean()) / max(float(true.var()), 1e-300)
    else:
        chance = np.bincount(true).max() / len(true)
        right = (float((told == true).mean()) - chance) / max(1 - chance, 1e-300)
    return forest.feature_importances_.astype(np.float64), max(right, 0.0)


def _purity(weights: np.ndarray) -> PerFactor:
    """Of each row, 1 less the entropy of its shares in parts of the greatest; an empty row is 0."""
    if weights.shape[1] < 2:
        return np.ones(len(weights))
    whole = weights.sum(axis=1, keepdims=True)
    share = weights / np.maximum(whole, 1e-300)
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(axis=1) / np.log(weights.shape[1])
    return np.where(whole[:, 0] > 0, 1 - entropy, 0.0)
