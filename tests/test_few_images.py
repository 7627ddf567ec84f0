"""Runs of one, two or five images: the images are inside the data, and a single one leaves no gap."""

import numpy as np
import pyarrow as pa
import pytest

import zatlas
from tests.conftest import small_run
from zatlas.latent.chart import Chart, make_chart
from zatlas.latent.density import density
from zatlas.site import run_tree


def few_images(path, count):
    """A file of this many different 8x8 images."""
    images = np.zeros((count, 8, 8), np.uint8)
    for i in range(count):
        images[i, i : i + 3] = 200
    np.savez(path, x_train=images)
    return path


@pytest.fixture(scope="module", params=[(1, 2), (2, 2), (2, 3), (5, 1), (5, 2)], ids=str)
def few(request, tmp_path_factory):
    folder, (count, dim) = tmp_path_factory.mktemp("few"), request.param
    return small_run(folder / "run", few_images(folder / "images.npz", count), dim=dim, epochs=20)


def coverage_of(tree, chart):
    """The coverage of the grid of a chart, from 0 to 1, (n, n)."""
    n = chart["lattice"]["n"]
    return np.frombuffer(tree.files[chart["coverage"]](), np.uint8).reshape(n, n) / 255


def test_each_image_of_a_few_is_inside_the_data(few):
    tree = run_tree(few)
    distance = few.density.relative_distance(tree.latents)
    assert (distance < 2).all(), distance
    for name in ("pca", "dimensions"):
        chart = zatlas.Atlas(few).chart(name) if few.dim > 1 else make_chart(tree.latents, "pca")
        assert chart.covers(chart.positions).all()
    for chart in tree.entry["charts"]:
        covered = coverage_of(tree, chart)
        left, bottom, right, top = chart["box"]
        table = zatlas.Chart(tree.latents, positions_of(tree, chart)).positions
        columns = np.rint((table[:, 0] - left) / (right - left) * (len(covered) - 1)).astype(int)
        rows = np.rint((top - table[:, 1]) / (top - bottom) * (len(covered) - 1)).astype(int)
        assert (covered[rows, columns] > 0.9).all(), chart["name"]


def positions_of(tree, chart):
    table = pa.ipc.open_file(pa.BufferReader(tree.files[tree.entry["table"]]())).read_all()
    return np.stack([table[chart["x"]].to_numpy(), table[chart["y"]].to_numpy()], axis=1)


def test_no_place_on_the_chart_of_one_latent_is_a_gap():
    chart = Chart(np.ones((1, 3), np.float32), np.float32([[4, 5]]))
    assert chart.covers(chart.grid(9)[0]).all() and chart.neighbor_radius > 0
    assert not chart.covers(np.float32([[5, 5]])).any()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_latent_far_from_a_few_is_outside_and_they_are_not(count):
    latents = np.random.default_rng(count).standard_normal((count, 4)).astype(np.float32)
    for std in (None, np.full_like(latents, 0.5)):
        measured = density(latents, std)
        assert (measured.relative_distance(latents) < 2).all()
        assert (measured.relative_distance(latents + 20) > 3).all()
        assert (measured.relative_distance(latents + 0.02) < 2).all()
