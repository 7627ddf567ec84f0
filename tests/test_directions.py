import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from zatlas.core.errors import BadData, UnknownName
from zatlas.directions.estimate import (
    ESTIMATORS,
    example_direction,
    fit_direction,
    orthogonalize,
    principal_directions,
    with_side_effects,
)
from zatlas.directions.find import find_direction
from zatlas.directions.probes import accuracy, fit_probes, roc_auc
from zatlas.directions.types import LinearDirection


@pytest.fixture(scope="module")
def latents():
    """Latents and correlated flags: "tall" along dimension 0, "old" along dimensions 0 and 1."""
    rng = np.random.default_rng(0)
    tall = rng.random(3000) < 0.5
    old = rng.random(3000) < np.where(tall, 0.7, 0.3)
    latents = rng.standard_normal((3000, 6)).astype(np.float32)
    latents[:, 0] += 2 * tall + old
    latents[:, 1] += 2 * old
    return latents, {"tall": tall, "old": old}


@pytest.mark.parametrize("method", ESTIMATORS)
def test_a_direction_raises_its_attribute(latents, method):
    z, flags = latents
    direction = fit_direction(z, flags["tall"], "tall", method=method)
    assert abs(np.linalg.norm(direction.vector) - 1) < 1e-5
    assert direction.score is not None and direction.score.significant
    probes = fit_probes(z, flags)
    column = probes.names.index("tall")
    moved = [probes.predict(direction.move(z, amount))[:, column].mean() for amount in (-2, 0, 2)]
    assert moved[0] < moved[1] - 0.2 and moved[1] < moved[2] - 0.2


@pytest.mark.parametrize("method", ESTIMATORS)
def test_an_orthogonal_direction_changes_the_other_attribute_less(latents, method):
    z, flags = latents
    tall = fit_direction(z, flags["tall"], "tall", method=method)
    old = fit_direction(z, flags["old"], "old", method="linear")
    clean = orthogonalize(tall, [old], z)
    effects = [abs(with_side_effects(d, z, flags).side_effects["old"]) for d in (tall, clean)]
    assert effects[1] < max(0.3 * effects[0], 0.01)
    assert with_side_effects(clean, z, flags).side_effects["tall"] > 0.05
    assert abs(clean.vector @ old.vector) < 1e-5


def test_amounts_are_standard_deviations_of_the_data(latents):
    z, flags = latents
    direction = fit_direction(z, flags["old"], "old")
    steps = (direction.move(z, 2) - z) @ direction.vector
    np.testing.assert_allclose(steps, 2 * (z @ direction.vector).std(), rtol=1e-3)
    several = direction.move(z[:3], np.float32([0, 1, -1]))
    np.testing.assert_allclose(several[0], z[0])


def test_random_labels_have_no_significant_score(latents):
    z, _ = latents
    rng = np.random.default_rng(1)
    noise = [fit_direction(z, rng.random(3000) < 0.5, "noise", seed=seed) for seed in range(12)]
    assert sum(direction.score.significant for direction in noise) <= 1


def test_the_score_is_measured_on_held_out_latents():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((120, 100)).astype(np.float32)  # a plane separates 120 z in 100 dimensions
    score = fit_direction(latents, rng.random(120) < 0.5, "noise", method="linear").score
    assert score is not None and 0.2 < score.auc < 0.8 and score.low < score.auc < score.high


def test_principal_and_example_directions_point_as_expected():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((500, 4)).astype(np.float32) * np.float32([1, 5, 1, 2])
    first, second = principal_directions(latents, 2)
    assert abs(first.vector[1]) > 0.99 and abs(second.vector[3]) > 0.99
    assert abs(first.std - 5) < 0.5
    shifted = example_direction(latents[:3] + 1, latents[:3], "shifted", latents)
    np.testing.assert_allclose(shifted.vector, 0.5, atol=1e-4)


def test_a_direction_that_cannot_be_fitted_raises_an_error(latents):
    z, flags = latents
    none = np.zeros(3000, bool)
    with pytest.raises(BadData, match="true of 0 and false of 3000"):
        fit_direction(z, none, "nobody")
    with pytest.raises(UnknownName, match="Did you mean 'median_difference'"):
        fit_direction(z, flags["old"], "old", method="median_differenc")
    with pytest.raises(BadData, match="same latents"):
        fit_direction(np.ones((10, 3), np.float32), np.arange(10) < 5, "equal")
    old = fit_direction(z, flags["old"], "old")
    with pytest.raises(BadData, match="Nothing is left"):
        orthogonalize(old, [LinearDirection("twin", -old.vector)], z)


def test_the_auc_counts_ties_as_half():
    assert roc_auc(np.array([1, 2, 3, 4.0]), np.array([0, 0, 1, 1], bool)) == 1
    assert roc_auc(np.array([1, 1, 1, 1.0]), np.array([0, 1, 0, 1], bool)) == 0.5
    assert roc_auc(np.array([3, 1, 2.0]), np.array([1, 0, 0], bool)) == 1


def test_a_linear_direction_works_with_more_dimensions_than_latents():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((400, 3000)).astype(np.float32)
    flags = rng.random(400) < 0.5
    latents[flags, :200] += 1
    assert fit_direction(latents, flags, "wide", method="linear").score.auc > 0.95


def test_the_linear_probe_is_multinomial_logistic_regression(wide):
    table = wide.table("train")
    labels, held_out = wide.labels(table.rows), np.arange(len(table)) % 3 == 0
    x = StandardScaler().fit(table.latents[~held_out])
    model = LogisticRegression(max_iter=2000).fit(x.transform(table.latents[~held_out]), labels[~held_out])
    expected = model.score(x.transform(table.latents[held_out]), labels[held_out])
    assert accuracy(table.latents, labels, held_out) == pytest.approx(expected, abs=0.003)
    assert expected > 0.85


def test_latents_of_a_conditional_model_predict_the_class_less_well(digits, conditional):
    result = []
    for workspace in (digits, conditional):
        table = workspace.table("train")
        labels = workspace.labels(table.rows)
        held = np.arange(len(table)) % 3 == 0
        result.append(accuracy(table.latents, labels, held))
    assert result[0] > 0.4 and result[1] < 0.6 * result[0]


def test_directions_of_faces_have_a_score_and_side_effects(portraits):
    direction = find_direction(portraits, "Bald", orthogonal_to=["Male"])
    assert direction.name == "Bald without Male" and direction.score.auc > 0.6
    assert {"Bald", "Male", "Smiling", "hair_colour=gray"} <= set(direction.side_effects)
    assert abs(direction.side_effects["Male"]) < 0.05
    with pytest.raises(UnknownName, match="Did you mean 'Smiling'"):
        find_direction(portraits, "Smilling")
    assert (portraits.flags("not Male", portraits.rows()) != portraits.flags("Male", portraits.rows())).all()
    assert portraits.flags("age", portraits.rows("train")).mean() == pytest.approx(0.5, abs=0.05)
