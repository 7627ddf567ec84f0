"""Laws that every layout keeps, whatever points it is given."""

import numpy as np
import pytest

from zatlas import testing
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.registry import LAYOUTS
from zatlas.latent.chart import trustworthiness
from zatlas.latent.layouts import compute_layout

NAMES = [name for name in LAYOUTS.names() if name != "umap"]  # tests/optional/test_umap.py
FEW = {"grid_umap": {"steps": 30}, "grid_tsne": {"steps": 40, "early_steps": 10}}  # enough for these laws
SHAPES = {
    "constant": lambda n, chance: np.full((n, 8), 3.0),
    "duplicate": lambda n, chance: np.repeat(chance.normal(size=(1 + n // 2, 8)), 2, axis=0)[:n],
    "1-D": lambda n, chance: chance.normal(size=(n, 1)),
    "2-D": lambda n, chance: chance.normal(size=(n, 2)),
    "on a line": lambda n, chance: np.outer(np.arange(n), np.ones(5)),
    "wide": lambda n, chance: chance.normal(size=(n, 700)),
    "huge": lambda n, chance: 1e30 * chance.normal(size=(n, 4)),
    "tiny": lambda n, chance: 1e-30 * chance.normal(size=(n, 4)),
    "far away": lambda n, chance: 1e6 + chance.normal(size=(n, 4)),
    "two islands": lambda n, chance: chance.normal(size=(n, 4)) + 1e3 * (np.arange(n) % 2)[:, None],
}


def points(shape: str, n: int) -> np.ndarray:
    return SHAPES[shape](n, np.random.default_rng(n)).astype(np.float32)


def groups(n: int, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Points of four clear groups, and which each is of."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 4
    return (rng.normal(size=(4, d)) * 4)[labels] + rng.normal(size=(n, d)), labels


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 10, 200])
def test_any_points_have_finite_places(name, shape, n):
    given = points(shape, n)
    positions = compute_layout(name, given, seed=1, **FEW.get(name, {}))
    assert positions.shape == (n, 2)
    assert positions.dtype == np.float32
    assert np.isfinite(positions).all()


@pytest.mark.parametrize("check", testing.LAYOUT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_layout_passes_the_checks(name, check):
    check(name, FEW.get(name, {}))


@pytest.mark.parametrize("name", NAMES)
def test_equal_points_have_one_place(name):
    given = points("2-D", 40)
    positions = compute_layout(name, np.concatenate([given, given]), **FEW.get(name, {}))
    np.testing.assert_allclose(positions[:40], positions[40:], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_that_are_no_numbers_are_counted_and_refused(name, bad):
    given = points("wide", 10)
    given[[2, 5], 3] = bad
    with pytest.raises(BadData, match="2 of 10 latents contain NaN or infinity"):
        compute_layout(name, given)


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_do_not_fit_are_refused(name):
    with pytest.raises(BadData, match="one label per latent; there are 10 and 9"):
        compute_layout(name, points("2-D", 10), np.zeros(9, np.int64))


@pytest.mark.parametrize("name", NAMES)
def test_structure_is_kept_better_than_chance(name):
    given, _ = groups(300)
    positions = compute_layout(name, given.astype(np.float32), seed=0)
    shuffled = np.random.default_rng(0).permutation(positions)
    assert trustworthiness(given, positions) > trustworthiness(given, shuffled) + 0.2


@pytest.mark.parametrize("name", ["grid_umap", "grid_tsne"])
def test_groups_stand_apart(name):
    given, labels = groups(300)
    positions = compute_layout(name, given.astype(np.float32), seed=0)
    far = np.linalg.norm(positions[:, None] - positions, axis=2)
    np.fill_diagonal(far, np.inf)
    assert (labels[far.argmin(axis=1)] == labels).mean() > 0.98


def test_supervision_separates_labels_that_the_latents_do_not():
    rng = np.random.default_rng(0)
    given = rng.normal(size=(400, 4)).astype(np.float32)
    labels = (given[:, 0] + 0.5 * rng.normal(size=400) > 0).astype(np.int64)
    alike = [_purity(compute_layout("grid_umap", given, by, n_neighbors=15), labels) for by in (None, labels)]
    assert alike[1] > alike[0] + 0.1


def test_unknown_layouts_and_settings_are_answered_by_name():
    with pytest.raises(UnknownName, match="Did you mean 'grid_umap'"):
        compute_layout("grid_umpa", points("2-D", 10))
    with pytest.raises(UnknownName, match="Did you mean 'n_neighbors'"):
        compute_layout("grid_umap", points("2-D", 10), n_neighbours=5)


def test_settings_that_mean_nothing_are_refused():
    for name, settings in (
        ("grid_umap", {"n_neighbors": 1}),
        ("grid_umap", {"min_dist": 2.0}),
        ("grid_umap", {"target_weight": 2.0}),
        ("grid_tsne", {"n_neighbors": 0}),
        ("umap", {"n_neighbors": 1}),
    ):
        with pytest.raises(ValueError, match=next(iter(settings)).removesuffix("s")):
            compute_layout(name, points("2-D", 10), **settings)


def test_pca_keeps_distances_on_a_plane():
    given = points("2-D", 50)
    positions = compute_layout("pca", given)
    for one in (0, 7):
        np.testing.assert_allclose(
            np.linalg.norm(positions - positions[one], axis=1),
            np.linalg.norm(given - given[one], axis=1),
            atol=1e-5,
        )


def test_pca_finds_the_wide_axes_of_many_coordinates():
    rng = np.random.default_rng(0)
    given = rng.normal(size=(200, 600)).astype(np.float32)
    given[:, 5] *= 30
    given[:, 9] *= 20
    positions = compute_layout("pca", given)
    assert abs(np.corrcoef(positions[:, 0], given[:, 5])[0, 1]) > 0.99
    assert abs(np.corrcoef(positions[:, 1], given[:, 9])[0, 1]) > 0.99


def _purity(positions: np.ndarray, labels: np.ndarray) -> float:
    far = np.linalg.norm(positions[:, None] - positions, axis=2)
    near = np.argsort(far, axis=1)[:, 1:11]
    return float((labels[near] == labels[:, None]).mean())
