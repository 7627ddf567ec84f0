"""Import latents without a model, with labels, flags, numbers and texts as other columns."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zatlas.core.errors import NotSupported
from zatlas.create import import_model
from zatlas.directions.find import find_direction
from zatlas.figures import attribute_edits, maps, sheets
from zatlas.locate import locate
from zatlas.site import run_tree
from zatlas.workspace import Workspace

COUNT = 300


@pytest.fixture(scope="module")
def clouds():
    """Three clouds of codes, the class of each, and a flag that is true to the right of the middle."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, COUNT)
    latents = rng.normal(size=(COUNT, 4)).astype(np.float32)
    latents[:, 0] += 6 * classes
    return latents, np.array(["cat", "dog", "fox"])[classes], latents[:, 1] > 0


def saved(kind, folder, clouds):
    latents, names, right = clouds
    years = [i if i % 7 else None for i in range(COUNT)]
    if kind == "npz":
        other = {"label": names, "right": right, "age": np.array(years, float), "other": np.zeros((5, 2))}
        np.savez(path := folder / "codes.npz", z=latents, **other)
    else:
        lists = {"z": latents.tolist()} if kind == "lists" else dict(zip("wxyz", latents.T, strict=True))
        table = pa.table({**lists, "animal": names, "right": right, "age": pa.array(years, pa.int32())})
        pq.write_table(table, path := folder / "codes.parquet")
    return path


@pytest.mark.parametrize("kind", ["npz", "lists", "columns"])
def test_other_columns_become_labels_and_attributes(kind, clouds, tmp_path, capsys):
    latents, names, right = clouds
    import_model(saved(kind, tmp_path, clouds), tmp_path / "run")
    output = capsys.readouterr().err
    label = "label" if kind == "npz" else "animal"
    assert f"Labels from {label}; attributes right (yes or no), age (number)" in output
    assert f"from {'w, x, y, z' if kind == 'columns' else 'z'}," in output
    workspace = Workspace.open(tmp_path / "run")
    every = workspace.chart_table("test")
    np.testing.assert_array_equal(every.latents, latents)
    assert workspace.dataset.classes == ("cat", "dog", "fox")
    np.testing.assert_array_equal(workspace.flags("dog", every.rows), names == "dog")
    np.testing.assert_array_equal(workspace.flags("right", every.rows), right)
    assert find_direction(workspace, "fox").score.auc > 0.95
    direction = find_direction(workspace, "right").vector
    assert abs(direction).argmax() == 1


def test_labels_color_latents_in_charts_and_on_the_page(clouds, tmp_path, monkeypatch):
    workspace = import_model(saved("npz", tmp_path, clouds), tmp_path / "run", verbose=False)
    requested = []
    monkeypatch.setattr(maps, "cloud", lambda *given, **words: requested.append((given, words)))
    maps.latent_scatter(workspace)
    maps.chart_scatter(workspace, workspace.chart("pca"), color_by="right")
    (first, words), (second, _) = requested
    assert len(np.unique(first[1])) == 3 and tuple(first[2]) == ("cat", "dog", "fox")
    assert len(np.unique(second[1])) == 2 and words["title"].startswith("300 latents in run")
    tree = run_tree(workspace, max_points=1000)
    kinds = {column["name"]: column["kind"] for column in tree.entry["columns"]}
    assert kinds == {"label": "class", "right": "flag", "age": "number"}
    assert tree.entry["kind"] == "latent" and tree.entry["sprites"] is None and len(tree.rows) == COUNT
    directions = [direction["name"] for direction in tree.entry["directions"]["list"]]
    assert {"right", "fox"} <= set(directions)
    json.dumps(tree.entry, allow_nan=False)
    stop = locate(workspace, "7")
    assert stop.title == "latent 7" and stop.image is None
    np.testing.assert_array_equal(stop.latent, clouds[0][7:8])
    assert locate(workspace, "fox").label == 2
    for ask in (
        lambda: sheets.reconstruction_sheet([workspace]),
        lambda: sheets.sample_sheet(workspace, 4),
        lambda: attribute_edits.attribute(workspace, "right").strip(),
        lambda: sheets.chart_positions(workspace, workspace.chart("pca"), np.zeros((1, 2), np.float32)),
    ):
        with pytest.raises(NotSupported, match=r"imported without|no encoder"):
            ask()


def test_a_text_with_many_values_is_an_attribute_and_missing_values_are_not_a_class(clouds, tmp_path):
    names = [f"image {i}" for i in range(COUNT)]
    kinds = [None if i % 10 == 0 else i % 2 for i in range(COUNT)]
    table = {"z": clouds[0].tolist(), "name": names, "class": pa.array(kinds, pa.int32())}
    pq.write_table(pa.table(table), tmp_path / "codes.parquet")
    workspace = import_model(tmp_path / "codes.parquet", tmp_path / "run", verbose=False)
    assert workspace.dataset.classes == ("0", "1", "unlabelled")
    assert workspace.dataset.attributes["name"][3] == "image 3"


def test_labels_of_latents_apply_to_the_images_imported_with_them(wide, tmp_path):
    every = np.zeros((len(wide.dataset), wide.dim), np.float32)
    for part in ("train", "valid", "test"):
        table = wide.table(part)
        every[table.rows] = table.latents
    np.savez(tmp_path / "codes.npz", z=every, right=every[:, 0] > 0)
    workspace = import_model(tmp_path / "codes.npz", tmp_path / "run", data="digits", verbose=False)
    assert find_direction(workspace, "right").score.auc > 0.8 and "3" in workspace.dataset.classes
    assert locate(workspace, "7").title == "image 7"
