import numpy as np
import pytest

from tests.conftest import small_run
from zatlas.data import faces
from zatlas.latent.curves import lerp
from zatlas.metrics import factor_metrics, semantics
from zatlas.metrics.metric import Metric
from zatlas.metrics.semantics import (
    neighbor_agreement,
    pixel_change_rate,
    probe_predictions,
    probe_scores,
    small_steps,
)

SCORES = {
    "mig",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "sap",
    "modularity",
    "factor_vae",
    "beta_vae",
}


def figures(workspace) -> dict[str, Metric]:
    result = {figure.name: figure for figure in semantics.meaning_metrics(workspace)}
    for figure in result.values():
        assert figure.group == "meaning" and figure.n > 0 and np.isfinite(figure.value)
        assert figure.about and (figure.baseline is None) == (not figure.baseline_name)
    return result


def test_latents_of_digits_predict_labels_far_better_than_at_random(digits):
    result = figures(digits)
    assert not SCORES & set(result)  # no one knows the factors of handwriting
    for name in ("linear_probe", "neighbor_agreement"):
        assert result[name].baseline < 0.2 < result[name].value < 1, name
        assert result[name].parts["label"] == pytest.approx(result[name].value)
    assert result["path_length"].value > 0 and result["path_evenness"].value > 0
    assert 0.5 < result["straightness"].value <= 1.001


@pytest.mark.slow
def test_of_portraits_each_attribute_has_its_own_part(portraits):
    result = figures(portraits)
    probe = result["linear_probe"]
    assert probe.baseline == 0.5 < probe.value and probe.error > 0
    assert {"Smiling", "Male", "hair_colour=gray", "age"} <= set(probe.parts)
    assert result["neighbor_agreement"].baseline < result["neighbor_agreement"].value
    assert set(result) >= SCORES  # drawn faces say what they are made of
    assert set(result["mig"].parts) == {
        *factor_metrics.true_factors(portraits, portraits.table("train").rows)
    }


def test_without_an_encoder_only_images_are_measured(rival):
    assert set(figures(rival)) == {"path_length", "path_evenness", "straightness"}


def test_every_family_has_its_figures(conditional, plain):
    for workspace in (conditional, plain):
        assert {"linear_probe", "neighbor_agreement", "path_length", "path_evenness", "straightness"} <= set(
            figures(workspace)
        )


def test_figures_follow_from_the_seed(digits):
    second = semantics.meaning_metrics(digits, seed=3)
    assert semantics.meaning_metrics(digits, seed=3) == second
    values = {f.name: f.value for f in semantics.meaning_metrics(digits, seed=4)}
    assert values["path_length"] != {f.name: f.value for f in second}["path_length"]


def test_probes_predict_a_linear_attribute_and_not_noise():
    """A flag that is the side of a plane has AUC 1; a linear number with noise of equal std has R^2 1/2;
    noise has AUC 1/2 and R^2 0."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((6000, 5)).astype(np.float32)
    labelled = {
        "side": z[:, 0] + z[:, 1] > 0,
        "lot": rng.random(6000) < 0.3,
        "line": z[:, 2] + 7,
        "half": z[:, 3] + rng.standard_normal(6000).astype(np.float32),
        "noise": rng.standard_normal(6000).astype(np.float32),
    }
    labelled["line"][::7] = np.nan  # not known, so not counted
    half = {name: column[:3000] for name, column in labelled.items()}
    rest = {name: column[3000:] for name, column in labelled.items()}
    result = probe_scores(probe_predictions(z[:3000], half, z[3000:]), rest)
    assert result["side"] > 0.999 and result["line"] > 0.999
    assert result["lot"] == pytest.approx(0.5, abs=0.05)
    assert result["half"] == pytest.approx(0.5, abs=0.05)
    assert result["noise"] == pytest.approx(0, abs=0.02)


def test_neighbours_agree_at_random_in_one_cluster_and_always_in_two():
    rng = np.random.default_rng(0)
    kinds = np.arange(1000) % 2
    latents = rng.standard_normal((1000, 3)).astype(np.float32)
    same, chance = neighbor_agreement(latents, kinds)
    assert chance == pytest.approx(499 / 999)  # of the others, its own kind less itself
    assert same.mean() == pytest.approx(chance, abs=0.03)
    same, _ = neighbor_agreement(latents + 20 * kinds[:, None], kinds)
    assert same.mean() == 1


def test_a_small_step_has_the_given_length():
    a, b = np.zeros((50, 4), np.float32), np.full((50, 4), 2, np.float32)
    z, further = small_steps(a, b, lerp, seed=0)
    distance = np.linalg.norm(further - z, axis=1)
    np.testing.assert_allclose(distance, 4 * semantics.STEP, rtol=1e-3)
    before, after = (latents.reshape(50, 1, 2, 2) for latents in (z, further))
    # A decoder that is the identity on four pixels: a unit in z moves each by 1/2, so their RMS by 1/2.
    np.testing.assert_allclose(pixel_change_rate(before, after, distance), 0.5, rtol=1e-2)


def test_factors_that_go_together_have_no_scores():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3000))
    assert factor_metrics.are_independent({"a": a, "b": b, "kind": rng.integers(0, 4, 3000)})
    assert not factor_metrics.are_independent({"a": a, "b": 0.5 * a + 0.5 * b})
    single, in_life = (faces.factors(3000, seed=0, correlated=c) for c in (False, True))
    assert factor_metrics.are_independent(single) and not factor_metrics.are_independent(in_life)


def test_the_factors_of_a_source_are_columns_of_its_table(portraits, tmp_path):
    assert set(factor_metrics.true_factors(portraits, np.arange(600))) == {
        *faces.factors.__globals__["RANGES"],
        "Male",
        "Bald",
        "Bangs",
        "No_Beard",
        "Eyeglasses",
        "Wearing_Earrings",
        "hair_colour",
    }
    sprites = small_run(tmp_path / "sprites", "sprites:count=800", size=16, dim=4, epochs=2)
    table = factor_metrics.true_factors(sprites, np.arange(800))
    assert set(table) == {"label", "scale", "rotation", "x", "y"}
    assert table["label"].dtype.kind == "i" and table["x"].dtype.kind == "f"
    result = figures(sprites)
    assert set(result) >= SCORES
    for name in SCORES:
        assert 0 <= result[name].value <= 1 and result[name].error is not None


def test_scores_are_highest_for_all_factors_and_lowest_for_random_latents():
    rng = np.random.default_rng(0)
    table = {name: rng.random(2000).astype(np.float32) for name in "abcd"}
    ideal = np.stack(list(table.values()), axis=1)
    worse = ideal + 0.3 * rng.standard_normal(ideal.shape).astype(np.float32)
    lost = rng.permutation(ideal)
    ordered = [factor_metrics.factor_scores(latents, table) for latents in (ideal, worse, lost)]
    for name in SCORES:
        best, center, least = (score[name].value for score in ordered)
        assert best >= center > least, name
