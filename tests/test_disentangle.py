"""Disentanglement scores of latents for which the definitions give the exact result."""

from itertools import product

import numpy as np
import pytest

from zatlas.metrics.disentanglement import (
    GROUP_SIZE,
    beta_vae,
    dci,
    factor_vae,
    group_sampler,
    mig,
    modularity,
    mutual_information_table,
    sap,
    to_bins,
)

VALUES = 8  # of each factor; 4 bins or 20, each value has one of its own
REPEATS = 8
ERASED = 0.4  # share of the noisy latents that are replaced at random


def grid(k: int, *, number: bool = True) -> dict[str, np.ndarray]:
    """Every combination of k factors with 8 values each, eight times: exactly independent."""
    rows = np.array(list(product(range(VALUES), repeat=k)) * (REPEATS if k < 4 else 1))
    kind = np.float64 if number else np.int64
    return {f"factor {j}": rows[:, j].astype(kind) for j in range(k)}


def as_latents(factors: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([2 * column - 7 for column in factors.values()], axis=1).astype(np.float32)


def rotated(latents: np.ndarray) -> np.ndarray:
    """The first two dimensions rotated by 45 degrees."""
    turned = latents.copy()
    turned[:, 0] = (latents[:, 0] + latents[:, 1]) / np.sqrt(2)
    turned[:, 1] = (latents[:, 0] - latents[:, 1]) / np.sqrt(2)
    return turned


def noisy(factors: dict[str, np.ndarray]) -> np.ndarray:
    """Latents with a share of values replaced by random values of the factor: an erasure channel."""
    rng = np.random.default_rng(0)
    columns = []
    for column in factors.values():
        lost = rng.random(len(column)) < ERASED
        columns.append(np.where(lost, rng.integers(0, VALUES, len(column)), column))
    return as_latents(dict(enumerate(columns)))


def random(n: int, d: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n, d)).astype(np.float32)


def everything(table, factors) -> dict[str, float]:
    pure, full, result = dci(table, factors)
    draws = group_sampler(table, factors)
    return {
        "mig": mig(table, factors).value,
        "sap": sap(table, factors).value,
        "modularity": modularity(table, factors).value,
        "disentanglement": pure.value,
        "completeness": full.value,
        "informativeness": result.value,
        "factor_vae": factor_vae(draws, factors, table.std(axis=0)).value,
        "beta_vae": beta_vae(draws, factors).value,
    }


NAMES = (
    "mig",
    "sap",
    "modularity",
    "disentanglement",
    "completeness",
    "informativeness",
    "factor_vae",
    "beta_vae",
)


@pytest.mark.parametrize("number", [True, False], ids=["numbers", "kinds"])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]], ids=["ideal", "permuted"])
def test_latents_that_are_the_factors_in_any_order_have_every_score_at_one(number, order):
    """Each dimension determines one factor and, on a full grid, is independent of the others.

    So gaps and purities are 1; forests split on the right dimension only; the dimension of the fixed
    factor has no variance; and pairs that share a factor differ by 0 in its dimension. No score depends
    on the order of the dimensions. Only SAP is lower for categories: the second dimension guesses one in
    8 at random, and the definition subtracts that.
    """
    factors = grid(3, number=number)
    latents = as_latents(factors)[:, order] * np.float32([1, -1, 5])  # nor their signs and scales
    result = everything(latents, factors)
    best = dict.fromkeys(NAMES, 1.0) | {"sap": 1.0 if number else 1 - 1 / VALUES}
    assert result == pytest.approx(best, abs=1e-6)


def test_the_information_of_a_value_is_its_entropy_and_of_others_nothing():
    factors = grid(3)
    expected = np.log(VALUES) * np.eye(3)
    np.testing.assert_allclose(mutual_information_table(as_latents(factors), factors), expected, atol=1e-9)


def test_two_factors_turned_by_45_degrees_have_no_axis_of_their_own():
    """With z = (a + b, a - b) / sqrt 2 and b as likely as -b, both axes are alike to both factors.

    The best axis is no better than the second: MIG 0, SAP 0. An axis informs equally of both factors:
    modularity 1 - 1/(2 - 1) = 0, disentanglement and completeness 1 - log 2 / log 2 = 0. Whichever
    factor is held still, both axes lose half of their variance, and pairs differ on both by |a - a'| /
    sqrt 2: the guess is as good as chance among two, 1/2. But nothing of what is known is lost: a
    tree reads the factors well, though not exactly, for its cuts are along the axes.
    """
    factors = grid(2)
    result = everything(rotated(as_latents(factors)), factors)
    assert result["mig"] == pytest.approx(0, abs=1e-9)
    assert result["sap"] == pytest.approx(0, abs=1e-9)
    assert result["modularity"] == pytest.approx(0, abs=1e-9)
    # Forests see 70 % of the rows, and entropies are flat where shares are equal.
    assert result["disentanglement"] == pytest.approx(0, abs=0.02)
    assert result["completeness"] == pytest.approx(0, abs=0.02)
    assert result["informativeness"] > 0.95
    assert result["factor_vae"] == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 800))
    assert result["beta_vae"] == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 200))


def test_of_three_factors_with_two_turned_each_score_is_what_its_weights_say():
    """The third dimension is ideal. Modularity: 1 - 1/(3 - 1) for two and 1 for one, so 2/3. MIG and
    SAP: gaps of 0, 0 and 1, so 1/3. Disentanglement: 1 - log 2 / log 3 for two and 1 for one.
    FactorVAE: 1/2, 1/2 and 1, so 2/3.
    """
    factors = grid(3)
    result = everything(rotated(as_latents(factors)), factors)
    assert result["mig"] == pytest.approx(1 / 3, abs=1e-6)
    assert result["sap"] == pytest.approx(1 / 3, abs=1e-6)
    assert result["modularity"] == pytest.approx(2 / 3, abs=1e-6)
    half = 1 - np.log(2) / np.log(3)
    assert result["disentanglement"] == pytest.approx((2 * half + 1) / 3, abs=0.02)
    assert result["completeness"] == pytest.approx((2 * half + 1) / 3, abs=0.02)
    assert result["factor_vae"] == pytest.approx(2 / 3, abs=0.04)
    assert result["beta_vae"] == pytest.approx(2 / 3, abs=0.07)


@pytest.mark.parametrize("number", [True, False], ids=["numbers", "kinds"])
def test_duplicated_dimensions_have_no_gap_but_are_disentangled(number):
    """The second copy has the same information as the first: MIG 0, SAP 0, though each is pure.

    Modularity and disentanglement measure dimensions and are 1; a vote for either copy is a vote for the
    same factor, so FactorVAE and beta-VAE are 1. Completeness measures factors: each is shared evenly
    between two of 6 dimensions, 1 - log 2 / log 6, because forests choose between copies at random.
    """
    factors = grid(3, number=number)
    latents = np.repeat(as_latents(factors), 2, axis=1)
    result = everything(latents, factors)
    assert result["mig"] == pytest.approx(0, abs=1e-9)
    assert result["sap"] == pytest.approx(0, abs=1e-9)
    for name in ("modularity", "disentanglement", "informativeness", "factor_vae", "beta_vae"):
        assert result[name] == pytest.approx(1, abs=1e-6), name
    assert result["completeness"] == pytest.approx(1 - np.log(2) / np.log(6), abs=0.02)


def test_noise_lowers_informativeness_but_not_disentanglement():
    """With the share e replaced at random, a latent keeps its value with p = 1 - e + e/8.

    The information left is log 8 - H(p, 7 x e/8), so MIG is that over log 8. The correlation is
    1 - e, so SAP is (1 - e)^2, which is also the R^2 of the best guess, (1 - e) z: no forest can do
    better. Each dimension still depends on one factor: purities are 1 for a predictor that fits no noise,
    and forests fit a little. FactorVAE: where the factor is v in -7, -5 ... 7, of variance 21, the
    relative variance of its dimension is e + e (1 - e) v^2 / 21: 0.41 to 0.69 for six values, which is
    detected, and 0.96 for the two at the ends, where a vote is nearly random among three, because 64
    latents estimate a variance to a tenth. So it lies between (6 + 2/3) / 8 and (6 + 2/2) / 8. Pairs
    depend on differences only: those of one value are equal with (1 - e)^2, which a mean of 64 detects.
    """
    factors = grid(3)
    result = everything(noisy(factors), factors)
    share = np.array([1 - ERASED + ERASED / VALUES] + 7 * [ERASED / VALUES])
    saved = np.log(VALUES) + (share * np.log(share)).sum()
    n = len(factors["factor 0"])
    bias = 49 / (2 * n * np.log(VALUES))  # of information from counts, for the second axis
    assert result["mig"] == pytest.approx(saved / np.log(VALUES), abs=0.03 + bias)
    assert result["sap"] == pytest.approx((1 - ERASED) ** 2, abs=0.03)
    assert (1 - ERASED) ** 2 - 0.1 < result["informativeness"] < (1 - ERASED) ** 2 + 0.03
    assert result["modularity"] > 0.99  # 1 less squares of the bias over the information
    assert 0.75 < result["disentanglement"] < 1 and 0.75 < result["completeness"] < 1
    near = 3 * np.sqrt(0.85 * 0.15 / 800)
    assert (6 + 2 / 3) / 8 - near < result["factor_vae"] < 7 / 8 + near
    assert result["beta_vae"] > 0.95


def test_random_latents_score_zero_or_as_a_random_guess():
    """Gaps of nothing are nothing. Information from counts is too high by 19 x 7 / 2n for every pair
    alike, and the definition of modularity divides it by itself: an axis that knows as little of
    all is as one that knows as much of all, 0 and not 1 or undefined. Forests share out their
    chance splits evenly. Votes are by lot, so right for one factor in three.
    """
    factors = grid(3)
    n = len(factors["factor 0"])
    result = everything(random(n, 3), factors)
    assert 0 <= result["mig"] < 2 * 19 * 7 / (2 * n * np.log(VALUES))
    assert 0 <= result["sap"] < 9 / n  # three standard errors of a correlation, squared
    assert result["modularity"] < 0.3
    assert result["disentanglement"] < 0.04 and result["completeness"] < 0.04
    assert result["informativeness"] < 0.01
    assert result["factor_vae"] == pytest.approx(1 / 3, abs=0.06)
    assert result["beta_vae"] == pytest.approx(1 / 3, abs=0.1)


def test_a_category_needs_as_many_thresholds_as_separate_its_values():
    """On the axis of 8 kinds, 7 thresholds tell all; on one that knows nothing, 1/8 are right."""
    factors = grid(2, number=False)
    assert sap(as_latents(factors), factors).value == pytest.approx(1 - 1 / VALUES)


def test_an_axis_that_never_moves_has_no_vote_and_knows_nothing():
    factors = grid(2)
    latents = np.concatenate([np.zeros((len(factors["factor 0"]), 1), np.float32), as_latents(factors)], 1)
    result = everything(latents, factors)
    assert result["factor_vae"] == result["mig"] == pytest.approx(1)
    assert modularity(latents, factors).parts["dimension 0"] == 0
    assert factor_vae(group_sampler(latents, factors), factors, np.zeros(3)).value == 0.5


def test_one_axis_is_compared_with_nothing():
    factors = grid(2)
    one = as_latents(factors)[:, :1]
    assert mig(one, factors).value == pytest.approx(0.5)  # all of the first factor, none of the second
    assert dci(one, factors)[1].value == 1  # where there is one axis, each factor has but one


def test_groups_hold_their_factor_still_and_nothing_else():
    factors = grid(3)
    fixed = group_sampler(as_latents(factors), factors)
    groups = fixed("factor 1", 50, GROUP_SIZE, np.random.default_rng(0))
    assert groups.shape == (50, GROUP_SIZE, 3)
    assert np.ptp(groups[:, :, 1], axis=1).max() == 0
    assert np.ptp(groups[:, :, [0, 2]], axis=1).min() > 0


def test_bins_have_equal_widths_without_outliers():
    column = np.random.default_rng(0).uniform(size=4000)
    counts = np.bincount(to_bins(column))
    assert len(counts) == 20 and counts.min() > 150
    column[0] = 1e6
    assert np.abs(np.bincount(to_bins(column)) - counts).max() < 60
    assert len(np.unique(to_bins(np.array([0.0] * 90 + [1.0] * 10)))) == 2


def test_clusters_of_latents_with_one_value_each_have_the_whole_information_gap():
    """As in disentanglement_lib, which finds 0.993 for such latents; quantile bins find 0.941."""
    rng = np.random.default_rng(0)
    factors = {f"factor {i}": rng.integers(0, 5, 4000) for i in range(3)}
    latents = np.stack(list(factors.values()), axis=1) + 0.1 * rng.standard_normal((4000, 3))
    assert mig(latents.astype(np.float32), factors).value > 0.98
