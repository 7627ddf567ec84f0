import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness as theirs

from zatlas.core.errors import BadData, BadRun, Damaged, ShapeError
from zatlas.latent.chart import Chart, dimension_chart, make_chart, trustworthiness
from zatlas.latent.neighbors import nearest, nearest_others
from zatlas.latent.subprocess_layout import make_in_subprocess


def shell(n: int = 1500, d: int = 16, seed: int = 0) -> np.ndarray:
    """Points around a bent sheet, all of about one norm."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(-1, 1, (2, n))
    sheet = np.stack([u, v, u * v, np.sin(3 * u), np.cos(3 * v)], axis=1)
    z = sheet @ rng.normal(size=(5, d)) + 0.05 * rng.normal(size=(n, d))
    return (4 * z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module", params=["pca", "grid_umap", "grid_tsne"])
def chart(request) -> Chart:
    few = {"steps": 200} if request.param == "grid_tsne" else {}
    return make_chart(shell(), request.param, seed=0, **few)


@pytest.fixture(scope="module")
def umap_chart() -> Chart:
    return make_chart(shell(), "grid_umap", seed=0)


def inside(chart: Chart, n: int = 300) -> np.ndarray:
    """Places where the chart has data."""
    sampled = np.random.default_rng(1).uniform(*chart.box, (20 * n, 2)).astype(np.float32)
    return sampled[chart.covers(sampled)][:n]


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 400),
    m=st.integers(1, 20),
    d=st.integers(1, 9),
    k=st.integers(1, 450),
    offset=st.sampled_from([0, 100]),
)
def test_the_nearest_are_found_in_order(n, m, d, k, offset):
    rng = np.random.default_rng(n)
    source = (rng.normal(size=(n, d)) + offset).astype(np.float32)
    query = (rng.normal(size=(m, d)) + offset).astype(np.float32)
    index, distance = nearest(query, source, k)
    table = np.linalg.norm(query[:, None].astype(np.float64) - source, axis=2)
    expected = np.sort(table, axis=1)[:, :k]
    assert index.shape == distance.shape == (m, min(n, k))
    assert distance.dtype == np.float32
    # Sums of squares in float32: of two that are nearly as far, the farther may be taken.
    np.testing.assert_allclose(distance**2, expected**2, rtol=1e-3, atol=2e-6)
    np.testing.assert_allclose(np.take_along_axis(table, index, 1), distance, atol=1e-4)


def test_many_sources_are_sieved_without_a_loss():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(5003, 12)).astype(np.float32)
    index, _ = nearest(source[:50], source, 10)
    table = np.linalg.norm(source[:50, None] - source, axis=2)
    np.testing.assert_array_equal(np.sort(index), np.sort(np.argsort(table, axis=1)[:, :10]))


def test_the_others_leave_the_point_itself_out_even_among_duplicates():
    twins = np.repeat(np.random.default_rng(0).normal(size=(5, 3)), 30, axis=0).astype(np.float32)
    index, distance = nearest_others(twins, 4)
    assert (index != np.arange(150)[:, None]).all()
    assert distance.max() < 1e-5


def test_neighbours_of_other_widths_are_refused():
    with pytest.raises(ShapeError, match="equal width"):
        nearest(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32), 1)


def test_a_chart_comes_back_to_the_place_it_was_asked_for(chart):
    positions = inside(chart)
    missed = np.linalg.norm(chart.transform(chart.inverse_transform(positions)) - positions, axis=1)
    size = np.linalg.norm(chart.box[1] - chart.box[0])
    assert np.median(missed) < 0.02 * size
    assert np.quantile(missed, 0.9) < 0.1 * size


def test_anchors_fall_on_their_own_places(chart):
    size = np.linalg.norm(chart.box[1] - chart.box[0])
    np.testing.assert_allclose(chart.transform(chart.latents[:200]), chart.positions[:200], atol=1e-3 * size)


def test_a_new_point_falls_beside_its_neighbours_and_not_between_two_groups():
    rng = np.random.default_rng(0)
    latents = np.concatenate([rng.normal(m, 1, (100, 8)) for m in (0, 4)]).astype(np.float32)
    positions = np.concatenate([rng.normal(m, 1, (100, 2)) for m in (0, 50)]).astype(np.float32)
    chart = Chart(latents, positions)
    fell = chart.transform(rng.normal(1.8, 1, (100, 8)).astype(np.float32))
    assert chart.covers(fell).mean() > 0.9


def test_a_chart_knows_where_it_has_data(chart):
    assert chart.covers(chart.positions).mean() > 0.95
    away = chart.box[1] + 10 * (chart.box[1] - chart.box[0])
    assert not chart.covers(away[None]).any()


def test_any_place_has_a_code_even_where_there_is_no_data(chart):
    away = np.float32([[1e4, -1e4], [0, 0]])
    assert np.isfinite(chart.inverse_transform(away)).all()


def test_codes_keep_the_norm_of_those_around(umap_chart):
    created = np.linalg.norm(
        umap_chart.inverse_transform(inside(umap_chart)) - umap_chart.latents.mean(axis=0), axis=1
    )
    real = np.linalg.norm(umap_chart.latents - umap_chart.latents.mean(axis=0), axis=1)
    assert abs(created.mean() / real.mean() - 1) < 0.05


def test_a_code_moves_little_when_the_place_moves_little(umap_chart):
    positions = inside(umap_chart)
    step = np.float32([[1e-4, 0]]) * (umap_chart.box[1] - umap_chart.box[0])
    moved = np.linalg.norm(
        umap_chart.inverse_transform(positions + step) - umap_chart.inverse_transform(positions), axis=1
    )
    assert moved.max() < 0.1 * np.linalg.norm(umap_chart.latents, axis=1).mean()


def test_a_grid_runs_by_rows_from_the_top_left(umap_chart):
    positions, latents = umap_chart.grid(4)
    assert positions.shape == (16, 2) and latents.shape == (16, 16)
    (left, low), (right, high) = umap_chart.box
    np.testing.assert_allclose(
        positions[[0, 3, 12, 15]], [[left, high], [right, high], [left, low], [right, low]]
    )
    np.testing.assert_array_equal(latents, umap_chart.inverse_transform(positions))


def test_normalised_positions_go_both_ways(umap_chart):
    corners = np.float32([[-1, -1], [1, 1], [0, 0], [-0.857, 0]])
    np.testing.assert_allclose(umap_chart.denormalised(corners)[:2], umap_chart.box, rtol=1e-5)
    np.testing.assert_allclose(umap_chart.normalised(umap_chart.denormalised(corners)), corners, atol=1e-5)
    assert (np.abs(umap_chart.normalised(umap_chart.positions)) < 1).all()


def test_a_saved_chart_is_the_same_to_the_bit(chart, tmp_path):
    loaded = Chart.load(chart.save(tmp_path / "charts" / "one.safetensors"))
    np.testing.assert_array_equal(loaded.latents, chart.latents)
    np.testing.assert_array_equal(loaded.positions, chart.positions)
    assert (loaded.layout, loaded.parameters) == (chart.layout, chart.parameters)
    positions = chart.grid(5)[0]
    np.testing.assert_array_equal(loaded.inverse_transform(positions), chart.inverse_transform(positions))
    np.testing.assert_array_equal(loaded.transform(chart.latents[:9]), chart.transform(chart.latents[:9]))


def test_a_file_that_is_no_chart_says_so(tmp_path):
    from safetensors.numpy import save_file

    with pytest.raises(BadRun, match="no chart at"):
        Chart.load(tmp_path / "none.safetensors")
    (tmp_path / "bytes.safetensors").write_bytes(b"not a chart")
    with pytest.raises(Damaged):
        Chart.load(tmp_path / "bytes.safetensors")
    save_file({"weights": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(BadRun, match="not a chart"):
        Chart.load(tmp_path / "other.safetensors")


def test_trust_is_what_others_measure_and_tells_structure_from_noise(umap_chart):
    latents, positions = umap_chart.latents[:500], umap_chart.positions[:500]
    assert trustworthiness(latents, positions) == pytest.approx(
        theirs(latents, positions, n_neighbors=15), abs=1e-3
    )
    noise = Chart(umap_chart.latents, np.random.default_rng(0).permutation(umap_chart.positions))
    assert 0 <= noise.trustworthiness < 0.6 < 0.9 < umap_chart.trustworthiness <= 1


@pytest.mark.parametrize("n", [1, 2, 3, 10])
@pytest.mark.parametrize("layout", ["pca", "grid_umap", "grid_tsne"])
def test_a_chart_of_few_or_equal_points_still_works(n, layout):
    for latents in (shell(n), np.ones((n, 4), np.float32)):
        chart = make_chart(latents, layout)
        positions, codes = chart.grid(3)
        assert np.isfinite(positions).all() and np.isfinite(codes).all()
        assert np.isfinite(chart.transform(latents)).all()
        assert chart.covers(chart.positions).any()
        assert 0 <= chart.trustworthiness <= 1


def test_own_axes_are_kept_exactly_and_the_rest_is_as_nearby():
    latents = shell()
    chart = dimension_chart(latents, 3, 1)
    requested = inside(chart)
    codes = chart.inverse_transform(requested)
    np.testing.assert_allclose(codes[:, [3, 1]], requested, atol=1e-5)
    np.testing.assert_allclose(chart.transform(codes), requested, atol=1e-5)
    with pytest.raises(ShapeError, match="no dimension 16"):
        dimension_chart(latents, 0, 16)


def test_a_pca_chart_of_two_coordinates_loses_nothing():
    latents = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    chart = make_chart(latents, "pca")
    expected = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    np.testing.assert_allclose(chart.inverse_transform(chart.transform(expected)), expected, atol=1e-4)


def test_shapes_that_make_no_chart_are_refused(umap_chart):
    with pytest.raises(ShapeError, match="3 latents and 2 positions"):
        Chart(np.zeros((3, 4), np.float32), np.zeros((2, 2), np.float32))
    with pytest.raises(ShapeError, match="finite numbers"):
        umap_chart.inverse_transform(np.float32([[np.nan, 0]]))
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        umap_chart.inverse_transform(np.zeros(3, np.float32))


def test_charts_need_no_torch():
    latent = "import sys, zatlas.latent.chart; assert 'torch' not in sys.modules, 'torch'"
    subprocess.run([sys.executable, "-c", latent], check=True)


@pytest.mark.parametrize(
    ("layout", "supervised"), [pytest.param("grid_umap", True, marks=pytest.mark.slow), ("pca", False)]
)
def test_a_chart_of_another_process_is_the_same_to_the_bit(layout, supervised):
    latents = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    labels = np.arange(200) % 3 if supervised else None
    here, there = make_chart(latents, layout, labels), make_in_subprocess(latents, layout, labels)
    np.testing.assert_array_equal(here.positions, there.positions)
    assert (here.parameters, here.layout) == (there.parameters, there.layout)
    assert (here.components is None) == (there.components is None)


def test_an_error_of_the_other_process_is_a_sentence():
    with pytest.raises(BadData, match="nosuch"):
        make_in_subprocess(np.zeros((9, 3), np.float32), "nosuch")
