"""The chart that was made last is the one that figures and the explorer use, and it means something."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from zatlas.atlas import Atlas
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName
from zatlas.figures import sheets
from zatlas.integrity import check
from zatlas.latent.chart import Chart
from zatlas.latent.saved_charts import ChartRequest
from zatlas.site import run_tree
from zatlas.workspace import Workspace


@pytest.fixture
def faces(portraits, tmp_path) -> Workspace:
    """A copy of a run with attributes, whose charts no other test changes."""
    shutil.copytree(
        portraits.run.folder, tmp_path / "faces", ignore=shutil.ignore_patterns("charts", "site", "gallery")
    )
    return Workspace.open(tmp_path / "faces")


@pytest.fixture(scope="module")
def supervised(portraits) -> Chart:
    return portraits.chart("grid_umap", "Male")


def command(workspace, capsys, *words):
    """Give a command on a run that succeeds, and return its messages."""
    capsys.readouterr()
    group = 2 if words[0] == "directions" else 1
    assert main([*words[:group], str(workspace.run.folder), *words[group:]]) == 0
    return capsys.readouterr().err


def files(workspace):
    return {path.name for path in (workspace.run.folder / "charts").iterdir()}


def test_decode_and_grid_use_the_chart_that_was_made_last_and_say_which(faces, capsys, tmp_path):
    command(faces, capsys, "chart", "--supervise", "Male", "--set", "n_neighbors=8", "--seed", "3")
    charts = files(faces)
    about = "grid_umap, supervised by Male, n_neighbors=8, seed 3"
    for words in (
        ["decode"],
        ["grid", "--by", "chart"],
        ["grid", "--supervise", "Male"],
        ["decode", "0", "0"],
    ):
        file = tmp_path / "figure.svg"
        messages = command(faces, capsys, *words, "--out", str(file))
        assert f"chart: {about} (the last that zatlas chart made)" in messages
        assert "supervised by Male, n_neighbors=8" in " ".join(file.read_text().split())
    assert files(faces) == charts
    assert "chart: pca\n" in command(faces, capsys, "decode", "--layout", "pca")
    assert "n_neighbors=9" in command(faces, capsys, "decode", "--set", "n_neighbors=9")
    assert about in command(faces, capsys, "decode")  # the last chart is that of `zatlas chart`
    command(faces, capsys, "chart")
    assert "chart: grid_umap (the last" in command(faces, capsys, "decode")


def test_a_supervised_sheet_needs_one_command_and_has_the_coordinates_of_decode(faces, capsys, tmp_path):
    file = tmp_path / "sheet.svg"
    command(faces, capsys, "grid", "--by", "chart", "--supervise", "Male", "--n", "15", "--out", str(file))
    text = file.read_text()
    assert "supervised by Male" in " ".join(text.split())
    assert ">0.86<" in text and text.count(">1.00<") == 2 and "x of zatlas decode" in text
    chart = faces.chart(supervise="Male")
    steps = np.linspace(-1, 1, 15, dtype=np.float32)
    positions, _ = chart.grid(15)
    requested = chart.denormalised(np.float32([[steps[3], steps[10]]]))
    np.testing.assert_allclose(positions[(14 - 10) * 15 + 3], requested[0], atol=1e-4)


def test_options_of_a_chart_do_not_go_with_another_grid(faces, capsys):
    assert main(["grid", str(faces.run.folder), "--by", "std", "--supervise", "Male"]) == 2
    assert "not with `--by std`" in capsys.readouterr().err


def test_positions_outside_the_data_are_drawn_in_full_with_the_nearest_position_inside(
    portraits, supervised, monkeypatch
):
    steps = np.linspace(-0.999, 0.999, 30, dtype=np.float32)
    places = np.stack([axis.ravel() for axis in np.meshgrid(steps, steps)], axis=1)
    covered = supervised.covers(supervised.denormalised(places))
    corner = np.stack([places[~covered][0], places[covered][0]])
    positions, outside = supervised.denormalised(corner), np.array([True, False])
    drawn = {}
    monkeypatch.setattr(sheets, "sheet", lambda images, *rest, **options: drawn.update(options))
    sheets.chart_positions(portraits, supervised, corner)
    assert drawn.get("dim") is None
    assert [head.endswith(" outside") for head in drawn["heads"]] == outside.tolist()
    inside = supervised.nearest_covered(positions)
    assert supervised.covers(inside).all()
    np.testing.assert_array_equal(inside[~outside], positions[~outside])
    near = supervised.normalised(inside)[outside][0]
    assert f"the nearest position inside is ({near[0]:.3g}, {near[1]:.3g})" in drawn["note"]


def test_two_charts_at_once_leave_one_of_them_as_the_current_one(faces):
    requests = [ChartRequest("pca", seed=number) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(faces.charts.set_current, requests))
    assert faces.charts.current in requests
    assert not check(faces.run.folder).damaged


def test_check_finds_a_damaged_choice_of_the_chart_and_the_default_is_used_after_it(faces, capsys):
    faces.charts.set_current(ChartRequest("pca"))
    (faces.run.folder / "charts" / "current.json").write_text('{"format": 1, "layout": "grid_tsne"}')
    assert main(["decode", str(faces.run.folder)]) == 1
    assert "zatlas check" in capsys.readouterr().err
    result = check(faces.run.folder)
    assert "charts/current.json" in result.repaired
    assert faces.charts.current is None
    assert "chart: grid_umap\n" in command(faces, capsys, "decode")


@pytest.mark.slow
def test_the_explorer_starts_with_the_chart_that_was_made_last(faces):
    before = [chart["name"] for chart in run_tree(faces).entry["charts"]]
    chart = Atlas(faces).chart("grid_umap", "Male", settings={"n_neighbors": 8})
    tree = run_tree(Workspace.open(faces.run.folder))
    first, *others = tree.entry["charts"]
    assert first["title"] == "UMAP (grid), supervised by Male, n_neighbors=8"
    assert [each["name"] for each in others] == before
    np.testing.assert_allclose(first["box"], chart.box.ravel(), rtol=1e-5)
    positions = tree._page.charts[0].positions
    own = np.flatnonzero(np.isin(tree.rows, chart.rows))
    order = np.searchsorted(chart.rows, tree.rows[own])
    np.testing.assert_allclose(positions[own], chart.positions[order], atol=1e-2)
    Atlas(faces).chart()  # the default chart takes the place of that of the page
    names = [each["name"] for each in run_tree(Workspace.open(faces.run.folder)).entry["charts"]]
    assert names == before


@pytest.mark.slow
def test_the_explorer_opens_if_the_last_chart_cannot_be_made_any_more(faces, capsys):
    faces.charts.set_current(ChartRequest("grid_umap", "Moustache"))
    assert run_tree(faces).entry["charts"][0]["name"] == "grid_umap"
    assert "omits the chart grid_umap, supervised by Moustache" in capsys.readouterr().err


def test_a_chart_of_posterior_samples_differs_from_one_of_means_and_says_so(faces, plain, capsys, tmp_path):
    chart = Atlas(faces).chart("pca", samples=True)
    np.testing.assert_array_equal(chart.latents, faces.posterior_samples("test", seed=0))
    assert (chart.latents != faces.chart("pca").latents).any()
    file = tmp_path / "chart.svg"
    messages = command(faces, capsys, "chart", "--layout", "pca", "--samples", "--out", str(file))
    assert "chart: pca, posterior samples;" in messages and "posterior samples" in file.read_text()
    for call in (lambda: plain.chart(samples=True), lambda: Atlas(plain).plot.scatter(samples=True)):
        with pytest.raises(NotSupported, match="no posterior"):
            call()


def test_a_name_that_is_no_setting_of_a_layout_is_refused(faces):
    for layout, name, message in (
        ("pca", "labels", "'labels' is an argument of every layout"),
        ("dimensions", "n_neighbors", "has the settings i and j, not 'n_neighbors'.*--layout grid_umap"),
    ):
        with pytest.raises(BadRecipe, match=message):
            faces.chart(layout, settings={name: 1})
    with pytest.raises(UnknownName, match="Known: none"):
        faces.chart("pca", settings={"n_neighbors": 1})


def test_a_chart_of_a_model_without_an_encoder_is_laid_out_by_what_the_samples_look_like(rival, tmp_path):
    chart = rival.chart()
    assert "by what the images look like" in chart.about and len(chart.latents) == 2000
    images = rival.decode(chart.latents).reshape(2000, -1)
    by_latents = ChartRequest("grid_umap").fit(chart.latents, chart.rows)
    trust = [Chart(images, each.positions).trustworthiness for each in (chart, by_latents)]
    assert trust[0] > trust[1] + 0.1, trust
    np.testing.assert_allclose(chart.transform(chart.latents[:50]), chart.positions[:50], atol=1e-2)
    loaded = Chart.load(chart.save(tmp_path / "one.safetensors"))
    np.testing.assert_array_equal(loaded.features, chart.features)
    assert loaded.trustworthiness == chart.trustworthiness
    np.testing.assert_allclose(loaded.transform(chart.latents[:9]), chart.positions[:9], atol=1e-2)


def test_a_position_of_a_chart_by_images_decodes_to_an_image_like_those_around_it(rival):
    chart = rival.chart()
    box = chart.box
    positions = np.random.default_rng(0).uniform(box[0], box[1], (400, 2)).astype(np.float32)
    positions = positions[chart.covers(positions)][:60]
    z = chart.inverse_transform(positions)
    norms = np.linalg.norm(z, axis=1), np.linalg.norm(chart.latents, axis=1)
    assert abs(norms[0].mean() / norms[1].mean() - 1) < 0.1
    near = np.linalg.norm(chart.positions[:, None] - positions, axis=2).argmin(axis=0)
    distance = np.linalg.norm(rival.decode(z) - rival.decode(chart.latents[near]), axis=(2, 3)).mean()
    random = np.linalg.norm(rival.decode(z) - rival.decode(chart.latents[:60]), axis=(2, 3)).mean()
    assert distance < 0.6 * random


@pytest.mark.slow
def test_the_explorer_and_the_metrics_use_a_chart_by_images_too(rival):
    from zatlas.metrics.chart_quality import chart_metrics

    tree = run_tree(rival)
    assert tree._page.charts[0].chart.features is not None
    assert tree.entry["charts"][0]["trustworthiness"] > 0.7 and tree.entry["charts"][0]["averaged"] < 16
    trust = next(metric for metric in chart_metrics(rival) if metric.name == "trustworthiness")
    assert trust.value > 0.7 and "look alike" in trust.about


@pytest.mark.slow
def test_directions_of_a_model_without_an_encoder_are_closed_form_by_default(rival, capsys, tmp_path):
    command(rival, capsys, "directions", "find", "--set", "count=1", "--out", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["direction-closed_form-closed-form-1.png"]
    messages = command(rival, capsys, "directions", "find", "principal", "--set", "count=1")
    assert "no principal components" in messages and "closed_form" in messages
    assert messages.index("no principal components") < messages.index("principal 1:")
    kinds = [entry["kind"] for entry in run_tree(rival).entry["directions"]["list"]]
    assert "closed_form" in kinds and "principal" not in kinds


def test_the_default_method_of_a_run_with_labels_is_labels(digits, capsys, tmp_path):
    messages = command(digits, capsys, "directions", "find", "--out", str(tmp_path))
    assert "method: labels" in messages and len(list(tmp_path.iterdir())) == 10


def test_evaluate_says_when_a_chart_tells_nothing(wide, monkeypatch):
    noise = np.random.default_rng(0)
    chart = wide.chart()
    mixed = Chart(chart.latents, noise.permutation(chart.positions), rows=chart.rows)
    monkeypatch.setattr("zatlas.metrics.chart_quality.default_chart", lambda *words, **options: mixed)
    (finding,) = [f for f in Atlas(wide).evaluate(["charts"]).findings if f.name == "uninformative chart"]
    assert "random" in finding.text and finding.suggestions[0].command.startswith("zatlas chart")
    monkeypatch.undo()
    assert not [f for f in Atlas(wide).evaluate(["charts"]).findings if f.name == "uninformative chart"]
