import numpy as np
import pytest
from sklearn.manifold import trustworthiness as theirs

from zatlas.latent.chart import Chart, make_chart
from zatlas.latent.trust import trust_of_each
from zatlas.metrics import chart_quality as module
from zatlas.metrics.chart_quality import (
    box_coverage,
    chart_metrics,
    default_chart,
    latent_round_trip,
    position_round_trip,
)

NAMES = ["trustworthiness", "continuity", "box_coverage", "round_trip"]


def cloud(n=400, d=2, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def continuity(chart):
    """How far neighbors in the latent space are neighbors on the chart."""
    return float(trust_of_each(chart.positions, chart.latents).mean())


def test_a_chart_that_is_the_space_keeps_every_neighbour():
    chart = Chart(cloud(), cloud())
    assert chart.trustworthiness == continuity(chart) == 1


def test_a_shuffled_chart_has_random_neighbours():
    chart = Chart(cloud(), cloud(seed=1))
    assert chart.trustworthiness == pytest.approx(0.5, abs=0.03)
    assert continuity(chart) == pytest.approx(0.5, abs=0.03)


def test_a_torn_chart_is_not_continuous_and_a_folded_chart_is_not_trustworthy():
    latents = cloud()
    torn = latents + np.float32(100) * (latents[:, :1] > 0)
    assert Chart(latents, torn).trustworthiness > 0.995 > continuity(Chart(latents, torn))
    folded = np.abs(latents)
    assert continuity(Chart(latents, folded)) > 0.95 > Chart(latents, folded).trustworthiness


def test_of_two_far_groups_most_of_the_box_is_empty():
    even = np.random.default_rng(0).uniform(-1, 1, (2000, 2)).astype(np.float32)
    assert box_coverage(Chart(even, even)) > 0.9
    distance = even * np.float32(0.1) + np.sign(even[:, :1])
    assert box_coverage(Chart(distance, distance)) < 0.3


def test_a_plane_loses_no_variance_and_a_projection_loses_the_rest():
    flat = make_chart(cloud(), "pca")
    assert position_round_trip(flat).max() < 1e-5 and latent_round_trip(flat, cloud(seed=1)).max() < 1e-3
    deep = make_chart(cloud(d=12), "pca")
    assert (
        position_round_trip(deep).max() < 1e-4 and latent_round_trip(deep, cloud(d=12, seed=1)).mean() > 0.5
    )


def test_trust_and_continuity_are_those_of_the_chart_and_of_scikit_learn(wide):
    chart = default_chart(wide)
    trust, continuity, *_ = chart_metrics(wide)
    assert trust.value == chart.trustworthiness
    for metric, pair in (
        (trust, (chart.latents, chart.positions)),
        (continuity, (chart.positions, chart.latents)),
    ):
        assert metric.value == pytest.approx(theirs(*pair, n_neighbors=15), abs=1e-4)
        assert metric.n == len(chart.latents) and 0 < metric.error < 0.01


def test_trust_of_many_latents_ranks_a_sample_among_all():
    latents = cloud(3000, 5)
    each = trust_of_each(latents, latents[:, :2], max_samples=600)
    exact = theirs(latents, latents[:, :2], n_neighbors=15)
    assert len(each) == 600 and each.mean() == pytest.approx(exact, abs=4 * float(each.std()) / 600**0.5)


def test_every_model_has_all_metrics_of_its_chart(digits, plain, rival):
    for workspace in (digits, plain, rival):
        figures = chart_metrics(workspace)
        assert [figure.name for figure in figures] == NAMES
        assert all(np.isfinite(figure.value) and figure.n for figure in figures)


def test_the_chart_of_two_dimensions_is_exact_and_covers_other_latents(digits):
    trust, saved, covered, back = chart_metrics(digits)
    assert trust.value == saved.value == 1 and "dimensions chart" in trust.about
    assert 0.2 < covered.value < 1 and covered.parts["other latents"] > 0.9
    assert back.value < 1e-5 and back.parts["latent to position to latent"] < 1e-3


def test_metrics_are_equal_for_equal_seeds(wide):
    assert chart_metrics(wide, seed=2) == chart_metrics(wide, seed=2)


def test_a_sample_of_very_many_latents_is_charted_unless_their_chart_is_saved(wide, monkeypatch):
    monkeypatch.setattr(module, "MAX_LATENTS", 100)
    saved = wide.chart()
    assert np.array_equal(default_chart(wide).latents, saved.latents)
    monkeypatch.setattr(module, "MAX_CHARTED", 200)
    assert len(default_chart(wide).latents) == 100
