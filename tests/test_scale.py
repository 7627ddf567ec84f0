"""Very many codes: charts of landmarks, an index of neighbours, and tiles of points."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tests.conform import conforms
from zatlas.create import import_run
from zatlas.latent import landmarks as module
from zatlas.latent.chart import make, trustworthiness
from zatlas.latent.landmarks import carry, landmarks
from zatlas.latent.neighbor_index import IndexedNeighbors, nearest_of
from zatlas.latent.neighbors import ExactNeighbors, nearest
from zatlas.site import page, run_tree
from zatlas.site.tiles import DEEPEST, tiles
from zatlas.store import places as tables
from zatlas.store.codes import Codes


def groups(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    """Codes in thirty groups."""
    chance = np.random.default_rng(seed)
    middles = 2 * chance.normal(size=(30, d))
    return (middles[chance.integers(0, 30, n)] + chance.normal(size=(n, d))).astype(np.float32)


def brought(folder, n: int, d: int = 4):
    """A run of codes alone, in groups that are their labels, with a flag and a number."""
    chance = np.random.default_rng(1)
    kinds = chance.integers(0, 5, n)
    codes = 3 * chance.normal(size=(5, d))[kinds] + chance.normal(size=(n, d))
    beside = {"label": kinds, "big": codes[:, 0] > 1, "norm": np.linalg.norm(codes, axis=1)}
    np.savez(folder / "codes.npz", codes=codes.astype(np.float32), **beside)
    return import_run(folder / "codes.npz", folder / "run", show=False)


def test_landmarks_are_all_or_a_fair_draw_and_always_the_same():
    assert np.array_equal(landmarks(50, 100), np.arange(50))
    some = landmarks(100_000, 5000)
    assert len(np.unique(some)) == 5000
    assert np.array_equal(some, landmarks(100_000, 5000))
    assert np.histogram(some, 10, (0, 100_000))[0] == pytest.approx(500, rel=0.2)


def test_codes_are_carried_to_where_the_chart_puts_them_and_trusted_nearly_as_much(tmp_path):
    codes = groups(6000)
    chosen = landmarks(len(codes), 1000)
    chart = make(codes[chosen], "pca")
    blocks = [Codes(np.arange(i, i + 1500), codes[i : i + 1500]) for i in range(0, 6000, 1500)]
    path = carry(chart, tmp_path / "places.parquet", blocks, 6000, {"of": "these"})
    rows, places = tables.read(path)
    assert np.array_equal(rows, np.arange(6000))
    assert np.array_equal(places, np.concatenate([chart.transform(one.points) for one in blocks]))
    assert trustworthiness(codes, places) == pytest.approx(chart.trust, abs=0.05)


def test_places_are_made_once_and_again_for_other_codes(tmp_path):
    codes = groups(300)
    chart = make(codes, "pca")

    def blocks():
        yield Codes(np.arange(300), codes)

    path = carry(chart, tmp_path / "places.parquet", blocks(), 300, {"of": "these"})
    assert carry(chart, path, iter([]), 300, {"of": "these"}) == path
    carry(chart, path, [Codes(np.arange(7), codes[:7])], 7, {"of": "those"})
    assert len(tables.read(path)[0]) == 7


def test_a_run_of_many_codes_is_charted_by_landmarks_from_all_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHARTED", 500)
    workspace = brought(tmp_path, 3000)
    chart = workspace.chart("pca")
    codes = workspace.table("test")
    assert np.array_equal(chart.points, codes.points[landmarks(3000)])
    assert np.array_equal(chart.rows, codes.rows[landmarks(3000)])
    rows, places = tables.read(workspace.chart_positions(chart))
    assert np.array_equal(rows, codes.rows)
    assert np.allclose(places[landmarks(3000)], chart.places, atol=1e-4)


def test_the_index_finds_nineteen_of_twenty_neighbours_and_their_true_distances(tmp_path):
    codes = groups(20_000)
    query = codes[:400] + np.float32(0.1)
    index = nearest_of(codes, tmp_path / "codes", "0", indexed=1000)
    assert isinstance(index, IndexedNeighbors)
    rows, distance = index.of(query, 10)
    true = nearest(query, codes, 10)[0]
    shared = [len(set(a) & set(b)) for a, b in zip(rows, true, strict=True)]
    assert np.mean(shared) >= 9.5
    assert (np.diff(distance, axis=1) >= 0).all()
    assert np.allclose(distance, np.linalg.norm(codes[rows] - query[:, None], axis=2), atol=1e-5)


def test_an_index_is_kept_for_the_codes_it_is_of_and_no_longer(tmp_path):
    codes = groups(2000)
    first = nearest_of(codes, tmp_path / "codes", "0", indexed=1000)
    rows = first.of(codes[:5], 3)[0]
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    again = nearest_of(codes, tmp_path / "codes", "0", indexed=1000)
    assert np.array_equal(again.of(codes[:5], 3)[0], rows)
    assert file.stat().st_mtime_ns == written
    other = nearest_of(codes[::-1].copy(), tmp_path / "codes", "1", indexed=1000)
    assert other.of(codes[:1], 1)[0][0, 0] == 1999
    assert [one.name for one in tmp_path.iterdir()] == ["codes.1.cells.npz"]


def test_a_damaged_index_is_built_anew(tmp_path):
    codes = groups(2000)
    rows = nearest_of(codes, tmp_path / "codes", "0", indexed=1000).of(codes[:5], 3)[0]
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = nearest_of(codes, tmp_path / "codes", "0", indexed=1000)
    assert np.array_equal(again.of(codes[:5], 3)[0], rows)
    assert file.read_bytes() == whole


def test_an_index_gives_as_many_neighbours_as_are_asked_for(tmp_path):
    codes = groups(2000)
    index = nearest_of(codes, tmp_path / "codes", "0", indexed=1000)
    rows = index.of(codes[:3], 1500)[0]
    assert all(len(set(some)) == 1500 for some in rows) and (rows[:, 0] == [0, 1, 2]).all()
    assert index.of(codes[:3], 5000)[0].shape == (3, 2000)
    assert index.of(codes[:0], 4)[0].shape == (0, 4)


@pytest.mark.parametrize("kind", ["alike on all sides", "all the same"])
def test_codes_that_fall_into_no_cells_are_searched_exactly(tmp_path, kind):
    codes = np.random.default_rng(0).normal(size=(3000, 64)).astype(np.float32)
    if kind == "all the same":
        codes[:] = codes[0]
    query = codes[:50] + np.float32(0.1)
    rows, distance = nearest_of(codes, tmp_path / "codes", "0", indexed=1000).of(query, 10)
    assert np.allclose(distance, nearest(query, codes, 10)[1], atol=1e-5)
    assert np.allclose(distance, np.linalg.norm(codes[rows] - query[:, None], axis=2), atol=1e-5)


def test_few_codes_are_searched_exactly():
    assert isinstance(nearest_of(groups(100), None, "0"), ExactNeighbors)


def test_every_point_is_in_one_tile_of_its_square_or_in_the_page():
    chance = np.random.default_rng(0)
    places = chance.normal(size=(5000, 2)).astype(np.float32) ** 3  # dense in the middle
    kinds = chance.integers(0, 3, 5000)
    found = tiles(places, np.array([[-9, -9], [9, 9]]), 500, {"kind": kinds}, held=50)
    held = np.concatenate([square.ranks for square in found])
    assert np.array_equal(np.sort(held), np.arange(500, 5000))
    for square in found:
        level, x, y = square.name
        side = 18 / 2**level
        at = np.clip((places[square.ranks].astype(float) + 9) // side, 0, 2**level - 1)
        assert (at == [x, y]).all()
        assert len(square.ranks) <= 50 or level == DEEPEST


def test_a_square_tells_what_its_own_tile_and_those_within_hold_and_no_larger_one_does():
    places = np.random.default_rng(0).uniform(0, 1, (4000, 2)).astype(np.float32)
    kinds = np.arange(4000) % 3
    found = tiles(places, np.array([[0, 0], [1, 1]]), 100, {"kind": kinds}, held=60)

    def within(name):
        inner = [within(one) for one in found.within.get(name, [])]
        return np.concatenate([found.squares[name].ranks, *inner])

    for square in found:
        ranks = within(square.name)
        assert square.count == len(ranks)
        assert square.counts["kind"] == np.bincount(kinds[ranks], minlength=3).tolist()
        inner = [found.squares[one].ranks for one in found.within.get(square.name, [])]
        assert all(square.ranks.max() < ranks.max() for ranks in inner)


def test_a_page_of_very_many_points_has_tiles_and_its_files_hold_each_point_once(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "TILED", 2000)
    monkeypatch.setattr(page, "FEWEST", 700)
    monkeypatch.setattr(page, "FIRST", 0)
    workspace = brought(tmp_path, 3000, 2)
    tree = run_tree(workspace, tiled=True)
    conforms([tree])
    (chart,) = tree.entry["charts"]
    assert (tree.entry["count"], tree.entry["total"]) == (700, 3000)
    table = opened(tree, tree.entry["points"])
    assert len(table) == 700
    found = [table["index"].to_numpy()]
    squares = list(chart["tiles"]["squares"])
    for square in squares:
        name = "-".join(str(square[key]) for key in ("level", "x", "y"))
        tile = opened(tree, f"{chart['tiles']['url']}{name}.arrow")
        squares += json.loads(tile.schema.metadata[b"zatlas"])["squares"]
        rows = tile["index"].to_numpy()
        assert np.array_equal(rows, tree.everyone.rows[tile["rank"].to_numpy()])
        places = np.stack([tile["x:0"], tile["y:0"]], axis=1)
        assert np.allclose(places, workspace.source.latents[rows], atol=1e-4)
        found.append(rows)
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(3000))
    assert sum(square["count"] for square in chart["tiles"]["squares"]) == 2300


def test_a_page_of_few_points_has_no_tiles_nor_has_one_that_is_told_how_many(tmp_path):
    workspace = brought(tmp_path, 300, 2)
    tree = run_tree(workspace, tiled=True)
    assert tree.entry["charts"][0]["tiles"] is None
    assert tree.entry["count"] == 300


def opened(tree, url):
    """The table in a file of a page."""
    return pa.ipc.open_file(tree.files[url]()).read_all()
