"""Many latents: charts of landmarks, an index of neighbors, and map tiles."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tests.conform import conforms
from zatlas.create import import_model
from zatlas.latent import landmarks as module
from zatlas.latent.chart import make_chart, trustworthiness
from zatlas.latent.landmarks import landmarks, write_positions
from zatlas.latent.neighbor_index import IndexedNeighbors, neighbor_index
from zatlas.latent.neighbors import ExactNeighbors, nearest
from zatlas.site import run_page, run_tree
from zatlas.site.quadtree import MAX_DEPTH, quadtree
from zatlas.store import chart_positions
from zatlas.store.latent_table import LatentTable


def groups(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    """Latents in thirty clusters."""
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(30, d))
    return (centers[rng.integers(0, 30, n)] + rng.normal(size=(n, d))).astype(np.float32)


def imported(folder, n: int, d: int = 4):
    """A run of imported latents in labelled clusters, with a flag and a number."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, n)
    latents = 3 * rng.normal(size=(5, d))[labels] + rng.normal(size=(n, d))
    columns = {"label": labels, "big": latents[:, 0] > 1, "norm": np.linalg.norm(latents, axis=1)}
    np.savez(folder / "codes.npz", codes=latents.astype(np.float32), **columns)
    return import_model(folder / "codes.npz", folder / "run", verbose=False)


def test_landmarks_are_all_latents_or_a_fixed_uniform_sample():
    assert np.array_equal(landmarks(50, 100), np.arange(50))
    sample = landmarks(100_000, 5000)
    assert len(np.unique(sample)) == 5000
    assert np.array_equal(sample, landmarks(100_000, 5000))
    assert np.histogram(sample, 10, (0, 100_000))[0] == pytest.approx(500, rel=0.2)


def test_other_latents_get_positions_with_similar_trustworthiness(tmp_path):
    latents = groups(6000)
    chosen = landmarks(len(latents), 1000)
    chart = make_chart(latents[chosen], "pca")
    blocks = [LatentTable(np.arange(i, i + 1500), latents[i : i + 1500]) for i in range(0, 6000, 1500)]
    path = write_positions(chart, tmp_path / "places.parquet", blocks, 6000, {"of": "these"})
    rows, positions = chart_positions.read(path)
    assert np.array_equal(rows, np.arange(6000))
    assert np.array_equal(positions, np.concatenate([chart.transform(block.latents) for block in blocks]))
    assert trustworthiness(latents, positions) == pytest.approx(chart.trustworthiness, abs=0.05)


def test_positions_are_cached_until_the_latents_change(tmp_path):
    latents = groups(300)
    chart = make_chart(latents, "pca")

    def blocks():
        yield LatentTable(np.arange(300), latents)

    path = write_positions(chart, tmp_path / "places.parquet", blocks(), 300, {"of": "these"})
    assert write_positions(chart, path, iter([]), 300, {"of": "these"}) == path
    write_positions(chart, path, [LatentTable(np.arange(7), latents[:7])], 7, {"of": "those"})
    assert len(chart_positions.read(path)[0]) == 7


def test_a_run_of_many_latents_is_charted_by_landmarks(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_CHARTED", 500)
    workspace = imported(tmp_path, 3000)
    chart = workspace.chart("pca")
    table = workspace.table("test")
    assert np.array_equal(chart.latents, table.latents[landmarks(3000)])
    assert np.array_equal(chart.rows, table.rows[landmarks(3000)])
    rows, positions = chart_positions.read(workspace.chart_positions(chart))
    assert np.array_equal(rows, table.rows)
    assert np.allclose(positions[landmarks(3000)], chart.positions, atol=1e-4)


def test_the_index_finds_nineteen_of_twenty_neighbors_with_exact_distances(tmp_path):
    latents = groups(20_000)
    query = latents[:400] + np.float32(0.1)
    index = neighbor_index(latents, tmp_path / "codes", "0", indexed=1000)
    assert isinstance(index, IndexedNeighbors)
    rows, distance = index.search(query, 10)
    true = nearest(query, latents, 10)[0]
    shared = [len(set(a) & set(b)) for a, b in zip(rows, true, strict=True)]
    assert np.mean(shared) >= 9.5
    assert (np.diff(distance, axis=1) >= 0).all()
    assert np.allclose(distance, np.linalg.norm(latents[rows] - query[:, None], axis=2), atol=1e-5)


def test_an_index_is_cached_until_the_latents_change(tmp_path):
    latents = groups(2000)
    first = neighbor_index(latents, tmp_path / "codes", "0", indexed=1000)
    rows = first.search(latents[:5], 3)[0]
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    loaded = neighbor_index(latents, tmp_path / "codes", "0", indexed=1000)
    assert np.array_equal(loaded.search(latents[:5], 3)[0], rows)
    assert file.stat().st_mtime_ns == written
    other = neighbor_index(latents[::-1].copy(), tmp_path / "codes", "1", indexed=1000)
    assert other.search(latents[:1], 1)[0][0, 0] == 1999
    assert [path.name for path in tmp_path.iterdir()] == ["codes.1.cells.npz"]


def test_a_damaged_index_is_rebuilt(tmp_path):
    latents = groups(2000)
    rows = neighbor_index(latents, tmp_path / "codes", "0", indexed=1000).search(latents[:5], 3)[0]
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    loaded = neighbor_index(latents, tmp_path / "codes", "0", indexed=1000)
    assert np.array_equal(loaded.search(latents[:5], 3)[0], rows)
    assert file.read_bytes() == content


def test_an_index_returns_the_requested_number_of_neighbors(tmp_path):
    latents = groups(2000)
    index = neighbor_index(latents, tmp_path / "codes", "0", indexed=1000)
    rows = index.search(latents[:3], 1500)[0]
    assert all(len(set(row)) == 1500 for row in rows) and (rows[:, 0] == [0, 1, 2]).all()
    assert index.search(latents[:3], 5000)[0].shape == (3, 2000)
    assert index.search(latents[:0], 4)[0].shape == (0, 4)


@pytest.mark.parametrize("kind", ["isotropic", "identical"])
def test_latents_without_clusters_are_searched_exactly(tmp_path, kind):
    latents = np.random.default_rng(0).normal(size=(3000, 64)).astype(np.float32)
    if kind == "identical":
        latents[:] = latents[0]
    query = latents[:50] + np.float32(0.1)
    rows, distance = neighbor_index(latents, tmp_path / "codes", "0", indexed=1000).search(query, 10)
    assert np.allclose(distance, nearest(query, latents, 10)[1], atol=1e-5)
    assert np.allclose(distance, np.linalg.norm(latents[rows] - query[:, None], axis=2), atol=1e-5)


def test_few_latents_are_searched_exactly():
    assert isinstance(neighbor_index(groups(100), None, "0"), ExactNeighbors)


def test_every_point_is_in_one_tile_of_its_square_or_in_the_page():
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(5000, 2)).astype(np.float32) ** 3  # dense at the center
    kinds = rng.integers(0, 3, 5000)
    result = quadtree(positions, np.array([[-9, -9], [9, 9]]), 500, {"kind": kinds}, capacity=50)
    ranks = np.concatenate([square.ranks for square in result])
    assert np.array_equal(np.sort(ranks), np.arange(500, 5000))
    for square in result:
        level, x, y = square.name
        side = 18 / 2**level
        at = np.clip((positions[square.ranks].astype(float) + 9) // side, 0, 2**level - 1)
        assert (at == [x, y]).all()
        assert len(square.ranks) <= 50 or level == MAX_DEPTH


def test_a_square_counts_the_points_of_its_tile_and_of_the_tiles_inside():
    positions = np.random.default_rng(0).uniform(0, 1, (4000, 2)).astype(np.float32)
    kinds = np.arange(4000) % 3
    result = quadtree(positions, np.array([[0, 0], [1, 1]]), 100, {"kind": kinds}, capacity=60)

    def all_ranks(name):
        inner = [all_ranks(child) for child in result.children.get(name, [])]
        return np.concatenate([result.squares[name].ranks, *inner])

    for square in result:
        ranks = all_ranks(square.name)
        assert square.count == len(ranks)
        assert square.counts["kind"] == np.bincount(kinds[ranks], minlength=3).tolist()
        inner = [result.squares[child].ranks for child in result.children.get(square.name, [])]
        assert all(square.ranks.max() < ranks.max() for ranks in inner)


def test_the_page_and_the_tiles_of_a_large_run_hold_each_point_once(tmp_path, monkeypatch):
    monkeypatch.setattr(run_page, "MIN_TILED", 2000)
    monkeypatch.setattr(run_page, "MIN_POINTS", 700)
    monkeypatch.setattr(run_page, "FIRST_BYTES", 0)
    workspace = imported(tmp_path, 3000, 2)
    tree = run_tree(workspace, tiled=True)
    conforms([tree])
    (chart,) = tree.entry["charts"]
    assert (tree.entry["count"], tree.entry["total"]) == (700, 3000)
    table = opened(tree, tree.entry["table"])
    assert len(table) == 700
    result = [table["index"].to_numpy()]
    squares = list(chart["tiles"]["squares"])
    for square in squares:
        name = "-".join(str(square[key]) for key in ("level", "x", "y"))
        tile = opened(tree, f"{chart['tiles']['url']}{name}.arrow")
        squares += json.loads(tile.schema.metadata[b"zatlas"])["squares"]
        rows = tile["index"].to_numpy()
        assert np.array_equal(rows, tree.all_points.rows[tile["rank"].to_numpy()])
        positions = np.stack([tile["x:0"], tile["y:0"]], axis=1)
        assert np.allclose(positions, workspace.source.latents[rows], atol=1e-4)
        result.append(rows)
    assert np.array_equal(np.sort(np.concatenate(result)), np.arange(3000))
    assert sum(square["count"] for square in chart["tiles"]["squares"]) == 2300


def test_a_page_of_few_points_has_no_tiles(tmp_path):
    workspace = imported(tmp_path, 300, 2)
    tree = run_tree(workspace, tiled=True)
    assert tree.entry["charts"][0]["tiles"] is None
    assert tree.entry["count"] == 300


def opened(tree, url):
    """The table in a file of a page."""
    return pa.ipc.open_file(tree.files[url]()).read_all()
