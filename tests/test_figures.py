"""Every command that draws figures, on every kind of run."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.directions.find import find_direction
from zatlas.figures import film_panel
from zatlas.figures.attribute_edits import attribute
from zatlas.figures.comparison import compare_run, verdict
from zatlas.figures.paths import interpolation
from zatlas.latent import landmarks
from zatlas.locate import locate_all
from zatlas.workspace import Workspace

RUNS = ("digits", "conditional", "wide", "plain", "rival", "portraits")
PLAIN = {  # what a command takes by itself, on a run with an encoder
    "sample": [],
    "reconstruct": [],
    "grid": ["--n", "5"],
    "scatter": [],
    "chart": [],
    "decode": [],
    "interpolate": ["--frames", "8"],
    "traverse": [],
    "geometry": [],
    "path": ["--frames", "8"],
    "edit": ["--frames", "4"],
    "arithmetic": [],
}
NO_ENCODER = PLAIN.keys() - {"reconstruct"}


def run(command, workspace, *words, out=None):
    """Give a command and return the paths that it prints."""
    import contextlib
    import io

    result = io.StringIO()
    with contextlib.redirect_stdout(result):
        options = ["--out", str(out)] if out else []
        status = main([command, str(workspace.run.folder), *map(str, words), *options])
    assert status == 0
    return [Path(line) for line in result.getvalue().splitlines()]


def refused(capsys, command, workspace, *words):
    """Give a command that cannot be done, and return its one sentence."""
    capsys.readouterr()
    assert main([command, str(workspace.run.folder), *map(str, words)]) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith("zatlas: ") and "Traceback" not in output.err
    return output.err


def seen(path):
    """The size of a figure, after checking that it is not blank."""
    with Image.open(path) as figure:
        assert len(set(figure.convert("L").resize((40, 40)).tobytes())) > 8
        return figure.size


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("command", PLAIN)
def test_every_command_needs_nothing_but_a_run(request, capsys, name, command):
    workspace = request.getfixturevalue(name)
    if workspace.generator.encoder is None and command not in NO_ENCODER:
        assert "no encoder" in refused(capsys, command, workspace)
        return
    paths = run(command, workspace, *PLAIN[command])
    assert paths and all(path.parent == workspace.run.gallery for path in paths)
    for path in paths:
        if path.suffix in (".png", ".gif"):
            assert min(seen(path)) > 100


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("command", ["sample", "scatter", "traverse"])
def test_figures_are_written_in_the_format_of_the_file_name(digits, tmp_path, command, suffix):
    (path,) = run(command, digits, "--dark", out=tmp_path / f"picture{suffix}")
    start = {".png": b"\x89PNG", ".svg": b"<", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)


def test_samples_follow_seed_temperature_and_class(conditional, digits, tmp_path):
    def bytes_of(workspace, *words):
        return run("sample", workspace, "--count", 9, *words, out=tmp_path / "s.png")[0].read_bytes()

    assert bytes_of(digits) == bytes_of(digits) != bytes_of(digits, "--seed", 1)
    assert bytes_of(digits) != bytes_of(digits, "--temperature", 0.3)
    assert bytes_of(digits, "--prior", "mixture") != bytes_of(digits)
    assert bytes_of(conditional, "--label", "3") != bytes_of(conditional, "--label", "4")


def test_a_manifold_has_the_prior_s_quantiles_on_its_axes(digits, tmp_path):
    (path,) = run("grid", digits, "--n", 10, out=tmp_path / "m.svg")
    text = path.read_text()
    assert all(f">{mark}<" in text for mark in ("1.64", "1.04", "0.67", "0.39", "0.13"))
    assert "5 % to 95 % of the prior" in text
    for by in ("range", "std", "chart"):
        assert seen(run("grid", digits, "--n", 4, "--by", by, out=tmp_path / f"{by}.png")[0])


def test_interpolations_of_every_kind(digits, tmp_path):
    film = run("interpolate", digits, "1", "3", "--frames", 12, out=tmp_path / "film.gif")[0]
    with Image.open(film) as figure:
        assert figure.n_frames == 12
    assert run(
        "interpolate",
        digits,
        "0",
        "1",
        "2",
        "--loop",
        "--method",
        "spline",
        "--constant-speed",
        out=tmp_path / "strip.png",
    )
    assert run("interpolate", digits, "0", "1", "2", "3", "--corners", out=tmp_path / "c.png")
    assert run("interpolate", digits, "0", "random", "1", "random", "--pairs", out=tmp_path / "p.png")
    for panel in ("prior", "chart"):
        file = tmp_path / f"{panel}.mp4"
        assert run("interpolate", digits, "--panel", panel, "--frames", 6, out=file) == [file]


def test_an_interpolation_begins_and_ends_at_the_decoded_anchors(digits):
    from zatlas.figures.paths import interpolation

    anchors = locate_all(digits, ["4", "9"])
    move = interpolation(digits, anchors)
    ends = digits.decode(move.curves[0].sample(2))
    rebuilt = digits.decode(np.concatenate([stop.latent for stop in anchors]))
    np.testing.assert_allclose(ends, rebuilt, atol=1e-6)


@pytest.mark.parametrize("direction", ["mean_difference", "median_difference", "linear", "medians", "chart"])
def test_attributes_are_moved_by_every_method(portraits, tmp_path, direction):
    paths = run("edit", portraits, "Gray_Hair", "--method", direction, "--frames", 5, out=tmp_path / "a.png")
    assert seen(paths[0])
    far = attribute(portraits, "Gray_Hair", method=direction).curves[0].sample(2)
    moved = find_direction(portraits, "Gray_Hair")
    assert (far @ moved.vector)[1] > (far @ moved.vector)[0]


def test_several_attributes_go_into_a_folder(portraits, tmp_path, capsys):
    paths = run("edit", portraits, "Bald", "not Male", "--frames", 4, out=tmp_path / "many")
    names = ["edit-Bald.png", "edit-Bald.gif", "edit-not-Male.png", "edit-not-Male.gif"]
    assert [path.name for path in paths] == names and all(path.exists() for path in paths)
    assert "Give a folder" in refused(
        capsys, "edit", portraits, "Bald", "Male", "--out", tmp_path / "one.png"
    )


def test_equations_by_attribute_number_and_file(portraits, rival, digits, tmp_path, capsys):
    file = run("sample", digits, "--count", 1, out=tmp_path / "one.png")[0]
    for workspace, text in (
        (portraits, "Eyeglasses - not Eyeglasses + Smiling"),
        (portraits, "3,14,15 - 9,26 + 35,8"),
        (rival, "3,1 - 4,1 + 5,9"),
        (digits, f"{file} - class:4 + class:3:2"),
    ):
        assert seen(run("arithmetic", workspace, text, out=tmp_path / "equation.png")[0])
    assert "two terms" in refused(capsys, "arithmetic", digits, "4")
    assert "not an equation" in refused(capsys, "arithmetic", digits, " - 4")


def test_a_spiral_of_any_formula(digits, tmp_path, capsys):
    file = tmp_path / "loop.mp4"
    words = ["--x", "2*cos(2*pi*t)", "--y", "sin(4*pi*t)", "--frames", 6, "--constant-speed"]
    assert run("path", digits, *words, out=file) == [file]
    assert "both --x and --y" in refused(capsys, "path", digits, "--x", "t")
    assert "not a formula" in refused(capsys, "path", digits, "--x", "t", "--y", "exit()")


def test_directions_are_listed_as_json_for_a_program(portraits, capsys):
    assert (
        main(["directions", "evaluate", str(portraits.run.folder), "Bald", "Male", "--orthogonal-to", "Male"])
        == 0
    )
    rows = json.loads(capsys.readouterr().out)
    assert [row["direction"] for row in rows] == ["Bald without Male", "Male"]
    assert rows[0]["low"] <= rows[0]["effect"] <= rows[0]["high"] and rows[0]["auc"] > 0.5


def test_runs_are_compared_side_by_side(digits, plain, conditional, tmp_path, capsys):
    folders = [str(workspace.run.folder) for workspace in (plain, digits, conditional)]
    assert main(["compare", *folders, "--out", str(tmp_path)]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    names = {
        "latents.png",
        "samples.png",
        "reconstructions.png",
        "manifold-conditional.png",
        "comparison.json",
        "index.html",
    }
    assert names <= {path.name for path in paths}
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all(f'src="{name}"' in page for name in names if name.endswith(".png"))
    assert "Open the explorer: <code>zatlas explore" in page
    assert re.search(r"linear probe for the label</td>\s*<td[^>]*>0\.\d+</td>", page)
    rows = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["family"] for row in rows] == ["ae", "vae", "vae"]
    assert {"value", "error"} == set(rows[0]["detour"])


def test_the_table_of_a_comparison_fits_eighty_columns_and_shows_few_digits(
    digits, plain, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["compare", str(plain.run.folder), str(digits.run.folder), "--out", str(tmp_path)]) == 0
    table = capsys.readouterr().err
    assert max(map(len, table.split("In ")[0].splitlines())) <= 80
    assert "length of straight paths" in table and not re.search(r"\d\.\d{4}", table)


@pytest.fixture(scope="module", params=[2, 16])
def pair_of_runs(request, tmp_path_factory):
    """An auto-encoder and a VAE of the same digits, with the same net, seed and number of epochs."""
    folder = tmp_path_factory.mktemp("pair")
    return [
        small_run(folder / model, "digits", model=model, dim=request.param, epochs=30)
        for model in ("ae", "vae")
    ]


def test_comparison_metrics_distinguish_an_auto_encoder_from_a_vae(pair_of_runs):
    plain, vae = map(compare_run, pair_of_runs)
    assert plain.detour.interval[0] > vae.detour.interval[1]
    assert plain.samples.value > vae.samples.value
    assert plain.overlap.interval[1] < vae.overlap.interval[0]
    assert "straight paths are longer" in verdict([plain, vae])


def test_a_comparison_says_what_its_images_do_not_show(plain):
    measured = compare_run(plain)
    text = verdict([measured, replace(measured, family="vae")])
    assert text.startswith("These images show no such difference in: range unlike any image")
    assert verdict([measured, measured]) == ""


def test_a_probe_reads_less_of_the_class_from_a_conditional_model(digits, conditional):
    vae, cvae = compare_run(digits), compare_run(conditional)
    assert cvae.probe < 0.6 * vae.probe and cvae.most_frequent < 0.2


@pytest.mark.slow
def test_comparing_can_train_for_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["compare", "--data", "digits", "--epochs", "1", "--models", "ae", "vae", "cvae"]
    assert main(words) == 0
    assert (tmp_path / "runs/compare/cvae/weights.safetensors").exists()
    assert (tmp_path / "runs/compare/latents.png").exists()
    capsys.readouterr()
    assert main(["compare"]) == 2 and "two runs or more" in capsys.readouterr().err


def test_runs_of_other_images_are_not_compared(digits, portraits, capsys):
    assert main(["compare", str(digits.run.folder), str(portraits.run.folder)]) == 2
    assert "Only runs of the same images" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["digits", "conditional", *(pytest.param(name, marks=pytest.mark.slow) for name in RUNS[2:])]
)
def test_the_gallery_shows_all_that_applies_and_leads_nowhere_else(request, name, tmp_path):
    workspace = request.getfixturevalue(name)
    (page,) = run("gallery", workspace, "--no-open", out=tmp_path)
    text = page.read_text()
    entries = set(re.findall(r'src="([^"]+)"', text))
    assert entries == {path.name for path in tmp_path.iterdir()} - {"index.html"}
    assert "<script" not in text and "http" not in text
    assert all(f"zatlas {command} {workspace.run.folder}" in text for command in ("sample", "geometry"))
    assert ("reconstructions.png" in entries) == (workspace.generator.encoder is not None)
    assert ("classes.png" in entries) == bool(workspace.generator.classes)


def test_wrong_words_are_answered_with_one_sentence(digits, conditional, capsys, tmp_path):
    for words, answer in {
        ("sample", "--label", "3"): "is not a conditional model",
        ("sample", "--prior", "magic"): "prior",
        ("grid", "--by", "quantiles"): "Did you mean 'quantile'",
        ("grid", "--dimensions", "0", "7"): "two different dimensions",
        ("grid", "--n", "0"): "between 1 and 100",
        ("scatter", "--color-by", "Snaeker"): "No class or attribute",
        ("decode", "0.5"): "pairs of numbers",
        ("interpolate", "0"): "2 anchors or more",
        ("interpolate", "0", "1", "--frames", "0"): "from 1 frame",
        ("interpolate", "0", "1", "--method", "slurp"): "Did you mean 'slerp'",
        ("interpolate", "0", "1", "--corners"): "four anchors",
        ("sample", "--out", str(tmp_path / "picture.xyz")): "xyz",
        ("sample", "--count", "100000000"): "between 1 and 10,000",
        ("reconstruct", "--count", "0"): "between 1 and 100",
        ("interpolate", "--frames", "100000000"): "from 1 frame to 100,000",
        ("traverse", "--dimensions", "5"): "There is no dimension 5",
    }.items():
        assert answer in refused(capsys, words[0], digits, *words[1:]), words
    assert "No class named" in refused(capsys, "sample", conditional, "--label", "eleven")


def test_a_copied_run_needs_no_other_folder(digits, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(digits.run.folder, copy)
    assert main(["sample", str(copy)]) == 0 and (copy / "gallery" / "samples.png").exists()


def test_a_chart_of_a_sample_of_the_latents_keeps_their_own_labels(wide, tmp_path, monkeypatch):
    """More latents than a chart is laid out for: its attribute and its film go by the rows it holds."""
    monkeypatch.setattr(landmarks, "MAX_CHARTED", 150)
    copy = tmp_path / "wide"
    shutil.copytree(wide.run.folder, copy)
    workspace = Workspace.open(copy)
    chart = workspace.chart(supervise="3")
    assert len(chart.positions) == 150 < len(workspace.table("test"))
    with_it = workspace.flags("3", chart.rows)
    ends = attribute(workspace, "3", method="chart").curves[0].sample(2)
    far = np.linalg.norm(chart.positions[:, None] - chart.transform(ends), axis=2)
    near = np.argsort(far, axis=0)[:10]
    assert with_it[near[:, 1]].mean() > 0.9 and with_it[near[:, 0]].mean() < 0.1
    visible = []
    monkeypatch.setattr(film_panel, "cloud_panel", lambda cloud, labels, z, **_: visible.append(labels))
    interpolation(workspace, locate_all(workspace, ["0", "1"])).film(tmp_path / "a.gif", 2, panel="chart")
    assert np.array_equal(visible[0], workspace.labels(workspace.chart().rows))
