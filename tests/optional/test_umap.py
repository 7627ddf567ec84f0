"""The layout of umap-learn: the laws of every layout, its settings, and labels."""

import numpy as np
import pytest

from tests.contracts.test_layouts import SHAPES, groups, points
from zatlas import testing
from zatlas.core.errors import BadRecipe
from zatlas.latent.chart import make_chart
from zatlas.latent.layouts import compute_layout

pytestmark = pytest.mark.optional
pytest.importorskip("numba", reason="umap-learn is not installed")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [0, 3, 5, 10, 60])
def test_any_latents_have_finite_positions(shape, n):
    positions = compute_layout("umap", points(shape, n), n_epochs=20)
    assert positions.shape == (n, 2)
    assert positions.dtype == np.float32 and np.isfinite(positions).all()


@pytest.mark.parametrize("check", testing.LAYOUT_CHECKS, ids=lambda check: check.__name__)
def test_it_passes_the_checks_of_every_layout(check):
    check("umap", {"n_epochs": 20})


def test_its_settings_reach_umap_learn_and_equal_seeds_agree():
    latents = groups(300)[0].astype(np.float32)
    default, loaded, other = (compute_layout("umap", latents, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(default, loaded)
    assert not np.array_equal(default, other)
    for settings in ({"n_neighbors": 5}, {"min_dist": 0.9}, {"metric": "cosine"}):
        assert not np.array_equal(default, compute_layout("umap", latents, **settings))


def test_labels_supervise_it():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(400, 4)).astype(np.float32)
    labels = (latents[:, 0] + 0.5 * rng.normal(size=400) > 0).astype(np.int64)
    free, supervised = (compute_layout("umap", latents, given) for given in (None, labels))

    def separation(positions: np.ndarray) -> float:
        a, b = positions[labels == 0], positions[labels == 1]
        return float(np.linalg.norm(a.mean(0) - b.mean(0)) / (a.std() + b.std()))

    assert separation(supervised) > 1.5 * separation(free)


def test_settings_that_umap_learn_refuses_are_a_sentence():
    with pytest.raises(BadRecipe, match="umap-learn does not accept these settings"):
        compute_layout("umap", points("2-D", 20), metric="nosuch")
    with pytest.raises(BadRecipe, match="min_dist must not exceed spread"):
        compute_layout("umap", points("2-D", 20), min_dist=2.0)


def test_its_chart_has_an_inverse():
    latents = groups(300)[0].astype(np.float32)
    chart = make_chart(latents, "umap")
    assert np.isfinite(chart.inverse_transform(chart.positions)).all()
    assert chart.trustworthiness > 0.8
