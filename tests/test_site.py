import io
import json
import os
import shutil
from dataclasses import astuple, replace
from functools import partial

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from PIL import Image

from tests.conform import conforms
from zatlas.core.errors import NotSupported
from zatlas.create import import_model
from zatlas.directions.evaluate import evaluate
from zatlas.directions.find import find_direction, find_directions, store_of
from zatlas.directions.measure import make_evaluator
from zatlas.latent.density import density
from zatlas.models.classifier import Classifier
from zatlas.server.follow import follow_run
from zatlas.site import manifest, run_tree
from zatlas.site.columns import columns
from zatlas.site.subset import PageSubset
from zatlas.store import atomic
from zatlas.training.classifier_training import train_classifier
from zatlas.workspace import Workspace

from .conftest import small_run


def table_of(tree):
    return pa.ipc.open_file(io.BytesIO(tree.files[tree.entry["table"]]())).read_all()


def halves(tree, url):
    return np.frombuffer(tree.files[url](), "<f2").astype(np.float32)


def floats(tree, url):
    return np.frombuffer(tree.files[url](), "<f4").reshape(-1, tree.entry["dim"])


def thumbnail(tree, row):
    """The thumbnail of a point as the page cuts it out."""
    sprites = tree.entry["sprites"]
    sheet, position = divmod(row, sprites["columns"] * sprites["rows"])
    i, j = divmod(position, sprites["columns"])
    image = np.asarray(Image.open(io.BytesIO(tree.files[sprites["sheets"][sheet]]())))
    height, width = sprites["height"], sprites["width"]
    return image[i * height : (i + 1) * height, j * width : (j + 1) * width]


@pytest.mark.parametrize("name", ["digits", "wide", "conditional", "plain", "rival", "portraits"])
def test_the_manifest_lists_exactly_the_files_of_the_tree(name, request):
    tree = run_tree(request.getfixturevalue(name), geodesics=True)
    entry = json.loads(manifest([tree], None))["runs"][0]
    urls = [entry["table"], entry["latents"], *(chart["coverage"] for chart in entry["charts"])]
    urls += [chart["lattice"]["url"] for chart in entry["charts"]]
    urls += (entry["sprites"] or {"sheets": []})["sheets"]
    urls += [entry[half]["url"] for half in ("decoder", "encoder") if entry[half]]
    urls += [entry["directions"][key] for key in ("vectors", "normals", "weights")]
    urls += [curve["url"] for curve in entry["geodesics"]]
    urls += [entry["samples"]] if entry["samples"] else []
    assert sorted(urls) == sorted(tree.files)
    for url, make in tree.files.items():
        assert url.startswith("data/a/") and isinstance(make(), bytes)
    for chart in entry["charts"]:
        n = chart["lattice"]["n"]
        assert halves(tree, chart["lattice"]["url"]).shape == (n * n * entry["dim"],)
        assert len(tree.files[chart["coverage"]]()) == n * n


def test_points_are_a_uniform_sample_that_runs_of_the_same_images_share(digits, conditional):
    one, other = run_tree(digits, "a", max_points=300), run_tree(conditional, "b", max_points=300)
    assert one.entry["count"] == 300 and one.entry["total"] > 1500
    assert one.entry["fingerprint"] == other.entry["fingerprint"]
    np.testing.assert_array_equal(one.rows, other.rows)
    assert len(set(one.rows.tolist())) == 300
    share = np.isin(one.rows, digits.rows("test")).mean()
    expected = len(digits.rows("test")) / one.entry["total"]
    assert abs(share - expected) < 0.08
    table = table_of(one)
    np.testing.assert_array_equal(table["index"].to_numpy(), one.rows)
    train = digits.table("train")
    for row in np.flatnonzero(np.isin(one.rows, train.rows))[:20]:
        np.testing.assert_array_equal(one.latents[row], train.latents[train.rows == one.rows[row]][0])
    np.testing.assert_allclose(
        halves(one, one.entry["latents"]).reshape(300, 2), one.latents, rtol=2e-3, atol=1e-3
    )
    assert {url.split("/")[1] for url in other.files} == {"b"}


def test_columns_hold_the_properties_of_each_point(portraits):
    tree = run_tree(portraits)
    table, entries = table_of(tree), {column["name"]: column for column in tree.entry["columns"]}
    attributes = portraits.dataset.attributes
    smiling = table["Smiling"].to_numpy()
    assert smiling.dtype == np.uint8
    np.testing.assert_array_equal(smiling == 1, attributes["Smiling"][tree.rows])
    hair = np.array(entries["hair_colour"]["values"])[table["hair_colour"].to_numpy()]
    np.testing.assert_array_equal(hair, attributes["hair_colour"][tree.rows])
    low, high = entries["age"]["range"]
    assert entries["age"]["kind"] == "number" and low < high
    np.testing.assert_array_equal(table["age"].to_numpy(), attributes["age"][tree.rows])
    error = table["error"].to_numpy()
    row = 5
    x = portraits.dataset.images(tree.rows[row : row + 1])
    loaded = portraits.decode(tree.latents[row : row + 1])
    assert error[row] == pytest.approx(float(np.sqrt(((loaded - x) ** 2).mean())), rel=1e-3)


def test_labels_of_any_text_stay_plain_data(digits):
    bad = '</script><script>alert("x")</script>'
    rows = np.arange(40)
    attributes = {bad: rows % 2 == 0, "index": np.full(1797, "\ud800"), "x:0": rows * 1.0}
    attributes = {name: np.resize(values, 1797) for name, values in attributes.items()}
    images = type(digits.dataset)(**{**vars_of(digits.dataset), "attributes": attributes})
    workspace = Workspace(digits.run, digits.description, digits.generator, opened_dataset=images)
    result = columns(workspace, PageSubset(rows, np.zeros((40, 2), np.float32), 40), np.zeros(40, np.float32))
    assert {bad, "_index", "_x:0", "split", "label", "error"} == set(result)
    json.dumps([entry for entry, _ in result.values()], allow_nan=False).encode()


def vars_of(images):
    return {name: getattr(images, name) for name in images.__dataclass_fields__}


@pytest.mark.parametrize("name", ["digits", "portraits"])
def test_each_point_has_its_own_thumbnail(name, request):
    workspace = request.getfixturevalue(name)
    tree = run_tree(workspace)
    for row in (0, 7, tree.entry["count"] - 1):
        real = workspace.dataset.pixels[tree.rows[row]].transpose(1, 2, 0).squeeze()
        visible = thumbnail(tree, row)
        assert visible.shape == real.shape
        assert np.abs(visible.astype(int) - real).mean() < (1 if real.ndim == 2 else 12)


@pytest.mark.slow
def test_large_images_have_small_thumbnails(tmp_path):
    workspace = small_run(tmp_path / "run", "faces:count=60", size=96, dim=3, epochs=1)
    sprites = run_tree(workspace).entry["sprites"]
    assert (sprites["width"], sprites["height"]) == (64, 64)
    assert max(sprites["columns"] * sprites["width"], sprites["rows"] * sprites["height"]) <= 2048


def test_the_decoder_and_the_encoder_are_those_of_the_run(wide):
    tree = run_tree(wide)
    data = tree.files[tree.entry["decoder"]["url"]]()
    assert len(data) == tree.entry["decoder"]["bytes"]
    images = onnxruntime.InferenceSession(data).run(None, {"z": tree.latents[:5]})[0]
    np.testing.assert_allclose(images, wide.decode(tree.latents[:5]), atol=2e-3)
    x = wide.dataset.images(tree.rows[:5])
    result = onnxruntime.InferenceSession(tree.files[tree.entry["encoder"]["url"]]())
    np.testing.assert_allclose(result.run(None, {"x": x})[0], tree.latents[:5], atol=2e-2)


def test_charts_hold_every_point_and_their_lattice_inverts_them(wide, digits):
    tree = run_tree(wide)
    assert [chart["name"] for chart in tree.entry["charts"]] == ["grid_umap", "pca", "grid_umap by label"]
    table = table_of(tree)
    for chart in tree.entry["charts"]:
        xy = np.stack([table[chart[axis]].to_numpy() for axis in "xy"], axis=1)
        left, bottom, right, top = chart["box"]
        assert (xy > [left, bottom]).all() and (xy < [right, top]).all()
        assert 0.5 < chart["trustworthiness"] <= 1
        n = chart["lattice"]["n"]
        lattice = halves(tree, chart["lattice"]["url"]).reshape(n, n, -1)
        coverage = np.frombuffer(tree.files[chart["coverage"]](), np.uint8).reshape(n, n)
        row = np.rint((top - xy[:, 1]) / (top - bottom) * (n - 1)).astype(int)
        column = np.rint((xy[:, 0] - left) / (right - left) * (n - 1)).astype(int)
        assert np.median(coverage[row, column]) == 255 and coverage[0, 0] == 0
        distance = np.linalg.norm(lattice[row, column] - tree.latents, axis=1)
        shuffled = np.linalg.norm(lattice[row, column] - tree.latents[::-1], axis=1)
        assert np.median(distance) < 0.8 * np.median(shuffled)
    pca = tree.entry["charts"][1]
    components = np.reshape(pca["projection"]["components"], (2, 12))
    projected = pca["projection"]["origin"] + (tree.latents - pca["projection"]["mean"]) @ components.T
    np.testing.assert_allclose(projected[:, 0], table[pca["x"]].to_numpy(), atol=1e-3)
    (only,) = run_tree(digits).entry["charts"]
    assert only["name"] == "dimensions" and np.reshape(only["projection"]["components"], (2, 2)).tolist() == [
        [1, 0],
        [0, 1],
    ]


@pytest.mark.slow
def test_a_single_dimension_is_charted_as_a_strip(tmp_path):
    tree = run_tree(small_run(tmp_path / "run", "digits", dim=1, epochs=2))
    (chart,) = tree.entry["charts"]
    table, n = table_of(tree), chart["lattice"]["n"]
    np.testing.assert_array_equal(table[chart["x"]].to_numpy(), tree.latents[:, 0])
    left, bottom, right, top = chart["box"]
    assert 0.1 < (top - bottom) / (right - left) < 0.5
    lattice = halves(tree, chart["lattice"]["url"]).reshape(n, n)
    np.testing.assert_allclose(lattice, np.tile(np.linspace(left, right, n), (n, 1)), atol=0.01)
    assert tree.entry["summary"] == "VAE, 1 latent dimension"


def test_the_density_is_that_of_the_latents_and_their_posteriors(wide):
    tree = run_tree(wide)
    tables = [wide.table("train"), wide.table("test")]
    std = np.zeros((len(wide.dataset), wide.dim), np.float32)
    for part in tables:
        std[part.rows] = part.std
    data = density(tree.latents, std[table_of(tree)["index"].to_numpy()])
    entry = tree.entry["density"]
    for name in ("scale", "norm_scale", "distance_scale"):
        np.testing.assert_allclose(entry[name], astuple(getattr(data, name)), rtol=1e-5)
    np.testing.assert_allclose(entry["weights"], data.coordinates.weights, rtol=1e-5)
    np.testing.assert_allclose(tree.entry["mean"], tree.latents.mean(axis=0), atol=1e-5)


def test_directions_have_scores_and_probes(wide, portraits):
    tree = run_tree(portraits)
    directions = tree.entry["directions"]
    by_name = {entry["name"]: i for i, entry in enumerate(directions["list"])}
    vectors = floats(tree, directions["vectors"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    same = find_direction(portraits, "Male")
    entry = directions["list"][by_name["Male"]]
    np.testing.assert_allclose(vectors[by_name["Male"]], same.vector, atol=1e-5)
    assert entry["score"]["auc"] == pytest.approx(same.score.auc, abs=1e-3)
    assert entry["effects"]["Male"] == pytest.approx(same.side_effects["Male"], abs=0.02)
    assert set(entry["effects"]) == {probe["name"] for probe in directions["probes"]}
    probe = [probe["name"] for probe in directions["probes"]].index("Male")
    weights, normals = floats(tree, directions["weights"]), floats(tree, directions["normals"])
    probability = 1 / (1 + np.exp(-(tree.latents @ weights[probe] + directions["probes"][probe]["offset"])))
    male = portraits.dataset.attributes["Male"][tree.rows]
    assert probability[male].mean() > probability[~male].mean() + 0.02
    assert normals[probe] @ weights[probe] > 0
    principal = [entry for entry in directions["list"] if entry["kind"] == "principal"]
    shares = [entry["explained_variance"] for entry in principal]
    assert shares == sorted(shares, reverse=True) and 0.9 < sum(shares) < 1.01
    kinds = {entry["name"]: entry["kind"] for entry in run_tree(wide).entry["directions"]["list"]}
    assert kinds["4"] == "class" and kinds["principal 1"] == "principal"


def test_geodesics_connect_points(wide):
    tree = run_tree(wide, geodesics=True)
    curves = tree.entry["geodesics"]
    assert 1 <= len(curves) <= 6
    for curve in curves:
        z = halves(tree, curve["url"]).reshape(curve["steps"], 12)
        np.testing.assert_allclose(z[[0, -1]], tree.latents[[curve["start"], curve["end"]]], atol=1e-2)
    assert run_tree(wide).entry["geodesics"] == []


def test_a_model_without_an_encoder_shows_samples(rival):
    tree = run_tree(rival)
    entry = tree.entry
    assert entry["sprites"] is None and entry["encoder"] is None and entry["decoder"]
    assert set(table_of(tree)["index"].to_pylist()) == {-1} and (tree.rows == -1).all()
    assert entry["columns"] == [] and entry["charts"][0]["name"] == "grid_umap"
    with pytest.raises(NotSupported, match="samples without images"):
        tree.chart("grid_umap", "label")


@pytest.mark.slow
def test_a_new_chart_holds_the_same_points(wide):
    tree = run_tree(wide)
    chart = tree.chart("grid_tsne")
    assert chart.positions.shape == (tree.entry["count"], 2)
    assert {chart.site["lattice"]["url"], chart.site["coverage"]} == set(chart.files)
    assert not set(chart.files) & set(tree.files)


@pytest.mark.slow
def test_slow_parts_are_cached_until_the_weights_change(digits, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(digits.run.folder, copy, ignore=shutil.ignore_patterns("site"))
    first = run_tree(Workspace.open(copy))
    every = {url: make() for url, make in first.files.items()}
    before = {path: path.stat().st_mtime_ns for path in (copy / "site").rglob("*.*")}
    loaded = run_tree(Workspace.open(copy))
    assert {url: make() for url, make in loaded.files.items()} == every
    assert loaded.entry == first.entry
    assert {path: path.stat().st_mtime_ns for path in (copy / "site").rglob("*.*")} == before
    other = small_run(tmp_path / "other", "digits", dim=2, epochs=1, **{"training.rate": 1e-3})
    atomic.write_file(copy / "weights.safetensors", other.run.weights.read_bytes())
    changed = run_tree(Workspace.open(copy))
    assert changed.entry["stamp"] != first.entry["stamp"]
    assert not any(path.exists() for path in before)


def test_a_light_tree_writes_nothing_into_the_run(wide, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(wide.run.folder, copy, ignore=shutil.ignore_patterns("site", "latents", "charts"))
    before = sorted(path for path in copy.rglob("*"))
    tree = run_tree(Workspace.open(copy), light=True)
    for make in tree.files.values():
        make()
    assert sorted(path for path in copy.rglob("*")) == before
    entry = json.loads(manifest([tree], "socket"))["runs"][0]
    assert entry["decoder"] is None
    assert [chart["name"] for chart in entry["charts"]] == ["pca"]
    assert entry["training"]["epoch"] == entry["training"]["epochs"] == 8
    assert "train/loss" in entry["training"]["metrics"][0]


@pytest.mark.slow
def test_a_read_only_run_has_a_page(digits, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(digits.run.folder, copy, ignore=shutil.ignore_patterns("site", "latents", "charts"))
    before = sorted(path for path in copy.rglob("*"))
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, how: how != os.W_OK and may(path, how))
    tree = run_tree(Workspace.open(copy))
    assert all(len(make()) for make in tree.files.values())
    assert sorted(path for path in copy.rglob("*")) == before


def test_a_saved_direction_is_a_slider_with_the_range_of_its_report(digits, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(digits.run.folder, folder)
    workspace = Workspace.open(folder)
    before = run_tree(workspace, max_points=200).entry
    direction = replace(find_direction(workspace, "1"), name="upright")
    report = evaluate(make_evaluator(workspace), [direction])[0]
    store_of(workspace).save(direction, report)
    after = run_tree(workspace, max_points=200).entry
    (entry,) = [item for item in after["directions"]["list"] if item["kind"] == "saved"]
    assert entry["name"] == "upright"
    assert entry["range"] == [round(report.low, 2), round(report.high, 2)]
    assert after["stamp"] != before["stamp"]


@pytest.mark.slow
def test_nonlinear_directions_and_the_classifier_are_files_of_the_page(portraits, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(portraits.run.folder, folder)
    workspace = Workspace.open(folder)
    (direction,) = find_directions(workspace, "labels", names=["Male"], method="local", steps=30)
    store_of(workspace).save(replace(direction, name="beardy", description="Male"))
    workspace = workspace.annotate(
        train_classifier(workspace.dataset, ["Male", "age"], epochs=1, show=False), save=True
    )
    tree = run_tree(workspace, max_points=200)
    conforms([tree])
    (entry,) = [item for item in tree.entry["directions"]["list"] if item["kind"] == "saved"]
    field, dim = entry["field"], workspace.dim
    assert field["kind"] == "gradient" and field["sizes"][0] == dim and entry["description"] == "Male"
    assert entry["range"][0] <= 0 <= entry["range"][1]
    numbers = np.frombuffer(tree.files[field["url"]](), "<f4")
    np.testing.assert_array_equal(
        numbers[: 2 * dim],
        np.concatenate([direction.vector_field.network.mean, direction.vector_field.network.std]),
    )
    sizes = np.array(field["sizes"])
    assert numbers.size == 2 * dim + (sizes[:-1] * sizes[1:]).sum() + sizes[1:].sum()
    classifier = tree.entry["classifier"]
    assert classifier["names"] == ["Male", "age"] and classifier["kinds"] == ["flag", "number"]
    data = tree.files[classifier["url"]]()
    assert len(data) == classifier["bytes"]
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    images = workspace.decode(tree.latents[:5])
    expected = workspace.classifier.predict(images)
    np.testing.assert_allclose(session.run(None, {"x": images})[0], expected, atol=0.02, rtol=0.02)
    attributes = [item for item in tree.entry["directions"]["list"] if item["kind"] == "attribute"]
    assert attributes and all("range" in item for item in attributes)
    assert all("range" not in item for item in run_tree(workspace, light=True).entry["directions"]["list"])


def test_imported_latents_are_named_by_their_number(tmp_path):
    latents = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    np.save(tmp_path / "codes.npy", latents)
    tree = run_tree(import_model(tmp_path / "codes.npy", tmp_path / "run", verbose=False), max_points=20)
    numbers = np.array(table_of(tree)["index"].to_pylist())
    np.testing.assert_array_equal(latents[numbers], tree.latents)


def test_a_followed_run_has_the_predictions_of_its_classifier(digits, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(digits.run.folder, folder)
    classifier = Classifier(("bright",), lambda images: images.mean((1, 2, 3))[:, None], ("number",))
    workspace = Workspace.open(folder).annotate(classifier, save=True)
    display = Recorder()
    follow_run(folder, "a", partial(run_tree, max_points=50)).check(display)
    (tree,) = display.trees
    names = [column["name"] for column in tree.entry["columns"]]
    assert "bright" in names
    column = np.array(table_of(tree)["bright"].to_pylist(), np.float32)
    np.testing.assert_allclose(column, workspace.dataset.attributes["bright"][tree.rows], rtol=1e-6)


class Recorder:
    """A display that records the trees."""

    def __init__(self):
        self.trees = []

    def show(self, tree, workspace):
        self.trees.append(tree)
