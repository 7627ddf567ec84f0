import numpy as np
import pytest

from zatlas.core.errors import BadData, UnknownName
from zatlas.directions import estimate as directions
from zatlas.directions.estimate import ESTIMATORS, fit_direction, orthogonalize, with_side_effects
from zatlas.directions.find import find_direction
from zatlas.directions.probes import accuracy, roc_auc, fit_probes
from zatlas.directions.types import LinearDirection


@pytest.fixture(scope="module")
def latents():
    """Codes with two known effects: "tall" along axis 0, "old" along axes 0 and 1, and often together."""
    rng = np.random.default_rng(0)
    tall = rng.random(3000) < 0.5
    old = rng.random(3000) < np.where(tall, 0.7, 0.3)
    latents = rng.standard_normal((3000, 6)).astype(np.float32)
    latents[:, 0] += 2 * tall + old
    latents[:, 1] += 2 * old
    return latents, {"tall": tall, "old": old}


@pytest.mark.parametrize("way", ESTIMATORS)
def test_a_direction_moves_its_attribute_up(latents, way):
    points, flags = latents
    direction = fit_direction(points, flags["tall"], "tall", method=way)
    assert abs(np.linalg.norm(direction.vector) - 1) < 1e-5
    assert direction.score is not None and direction.score.significant
    probes = fit_probes(points, flags)
    column = probes.names.index("tall")
    moved = [probes.predict(direction.move(points, amount))[:, column].mean() for amount in (-2, 0, 2)]
    assert moved[0] < moved[1] - 0.2 and moved[1] < moved[2] - 0.2


@pytest.mark.parametrize("direction", ESTIMATORS)
def test_without_another_it_moves_that_one_less(latents, direction):
    points, flags = latents
    tall = fit_direction(points, flags["tall"], "tall", method=direction)
    old = fit_direction(points, flags["old"], "old", method="linear")
    clean = orthogonalize(tall, [old], points)
    effects = [abs(with_side_effects(d, points, flags).side_effects["old"]) for d in (tall, clean)]
    assert effects[1] < max(0.3 * effects[0], 0.01)
    assert with_side_effects(clean, points, flags).side_effects["tall"] > 0.05
    assert abs(clean.vector @ old.vector) < 1e-5


def test_an_amount_is_in_spreads_of_the_data(latents):
    points, flags = latents
    direction = fit_direction(points, flags["old"], "old")
    steps = (direction.move(points, 2) - points) @ direction.vector
    np.testing.assert_allclose(steps, 2 * (points @ direction.vector).std(), rtol=1e-3)
    several = direction.move(points[:3], np.float32([0, 1, -1]))
    np.testing.assert_allclose(several[0], points[0])


def test_a_meaningless_attribute_is_told_from_a_real_one(latents):
    points, _ = latents
    rng = np.random.default_rng(1)
    real = [
        fit_direction(points, rng.random(3000) < 0.5, "noise", seed=seed).score.significant for seed in range(12)
    ]
    assert sum(real) <= 1


def test_the_score_is_taken_on_codes_that_were_held_out():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((120, 100)).astype(np.float32)  # a plane parts these by heart
    score = fit_direction(latents, rng.random(120) < 0.5, "noise", method="linear").score
    assert score is not None and 0.2 < score.auc < 0.8 and score.low < score.auc < score.high


def test_by_example_and_principal_directions():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((500, 4)).astype(np.float32) * np.float32([1, 5, 1, 2])
    first, second = directions.principal_directions(latents, 2)
    assert abs(first.vector[1]) > 0.99 and abs(second.vector[3]) > 0.99
    assert abs(first.std - 5) < 0.5
    picked = directions.example_direction(latents[:3] + 1, latents[:3], "one more", latents)
    np.testing.assert_allclose(picked.vector, 0.5, atol=1e-4)
    assert directions.dimension_direction(latents, 1).std == pytest.approx(latents[:, 1].std(), rel=1e-4)


def test_what_cannot_be_learnt_says_so(latents):
    points, flags = latents
    none = np.zeros(3000, bool)
    with pytest.raises(BadData, match="true of 0 and false of 3000"):
        fit_direction(points, none, "nobody")
    with pytest.raises(UnknownName, match="Did you mean 'median_difference'"):
        fit_direction(points, flags["old"], "old", method="median_differenc")
    with pytest.raises(BadData, match="same codes"):
        fit_direction(np.ones((10, 3), np.float32), np.arange(10) < 5, "equal")
    old = fit_direction(points, flags["old"], "old")
    with pytest.raises(BadData, match="Nothing is left"):
        orthogonalize(old, [LinearDirection("twin", -old.vector)], points)


def test_the_area_counts_ties_as_half():
    assert roc_auc(np.array([1, 2, 3, 4.0]), np.array([0, 0, 1, 1], bool)) == 1
    assert roc_auc(np.array([1, 1, 1, 1.0]), np.array([0, 1, 0, 1], bool)) == 0.5
    assert roc_auc(np.array([3, 1, 2.0]), np.array([1, 0, 0], bool)) == 1


def test_a_probe_of_wide_codes_works_in_their_principal_axes():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((400, 3000)).astype(np.float32)
    flags = rng.random(400) < 0.5
    latents[flags, :200] += 1
    assert fit_direction(latents, flags, "wide", method="linear").score.auc > 0.95


def test_the_class_has_left_the_codes_of_a_conditional_model(digits, told):
    result = []
    for workspace in (digits, told):
        table = workspace.table("train")
        labels = workspace.labels(table.rows)
        held = np.arange(len(table)) % 3 == 0
        result.append(accuracy(table.latents, labels, held))
    assert result[0] > 0.4 and result[1] < 0.6 * result[0]


def test_directions_of_faces_tell_their_score_and_side_effects(portraits):
    direction = find_direction(portraits, "Bald", orthogonal_to=["Male"])
    assert direction.name == "Bald without Male" and direction.score.auc > 0.6
    assert {"Bald", "Male", "Smiling", "hair_colour=gray"} <= set(direction.side_effects)
    assert abs(direction.side_effects["Male"]) < 0.05
    with pytest.raises(UnknownName, match="Did you mean 'Smiling'"):
        find_direction(portraits, "Smilling")
    assert (portraits.flags("not Male", portraits.rows()) != portraits.flags("Male", portraits.rows())).all()
    assert portraits.flags("age", portraits.rows("train")).mean() == pytest.approx(0.5, abs=0.05)
