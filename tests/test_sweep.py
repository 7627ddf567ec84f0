import _thread
import json
import signal
import threading
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

import zatlas
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.figures.sweep_plots import metric_plots, sample_table
from zatlas.sweeps import as_rows, parse_values, sweep
from zatlas.training import sweep_jobs
from zatlas.training.recipe import make_recipe, read_recipe
from zatlas.training.sweep_jobs import SweepJob
from zatlas.workspace import Workspace

SMALL = {
    "model.dim": 2,
    "net.name": "mlp",
    "net.widths": [[16]],
    "training.epochs": 2,
    "training.preview": 0,
    "training.batch": 256,
}


def words(settings: dict) -> list[str]:
    result = []
    for key, value in settings.items():
        values = value if isinstance(value, list) else [value]
        result += ["--set", f"{key}={','.join(str(one).replace(' ', '') for one in values)}"]
    return result


@pytest.fixture(scope="module")
def swept(tmp_path_factory, own_cache):
    """Two by two runs of digits."""
    out = tmp_path_factory.mktemp("sweeps") / "digits"
    settings = {**SMALL, "model.beta": [1, 4], "model.dim": [2, 3]}
    return sweep("digits", settings, out=out, verbose=False), settings


def test_each_combination_is_a_run_of_its_own_and_a_row(swept):
    result, _ = swept
    assert [row.name for row in result.rows] == [
        "dim-2_beta-1",
        "dim-2_beta-4",
        "dim-3_beta-1",
        "dim-3_beta-4",
    ]
    for row in result.rows:
        workspace = Workspace.open(result.folder / row.name)
        assert (workspace.dim, workspace.recipe.model["beta"]) == tuple(row.settings.values())
        assert row.epochs == 2 and row.seconds > 0 and not row.error
        assert row.metrics["loss"] >= -row.metrics["elbo"]
    saved = json.loads((result.folder / "sweep.json").read_text())
    assert saved["varied"] == {"model.dim": [2, 3], "model.beta": [1, 4]}
    assert [run["metrics"] for run in saved["runs"]] == [row.metrics for row in result.rows]
    assert list(as_rows(result)[0])[:4] == ["dim", "beta", "epochs", "seconds"]
    for name in ("sweep.png", "samples.png"):
        assert (result.folder / name).read_bytes().startswith(b"\x89PNG")


def test_what_is_finished_is_not_trained_again(swept):
    result, settings = swept
    before = {path: path.stat().st_mtime_ns for path in result.folder.glob("*/weights.safetensors")}
    second = zatlas.sweep("digits", settings, out=result.folder, verbose=False)
    assert second.rows == result.rows
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_another_recipe_in_the_same_folder_is_refused_before_anything_is_trained(swept):
    result, settings = swept
    with pytest.raises(BadRecipe, match=r"training.batch: 64, not 256.*--out"):
        sweep("digits", {**settings, "training.batch": 64}, out=result.folder, verbose=False)


LONG = {**SMALL, "training.epochs": 40, "training.batch": 64}


@pytest.fixture(scope="module")
def full(tmp_path_factory, own_cache):
    """One run that was never stopped."""
    return sweep("digits", LONG, out=tmp_path_factory.mktemp("sweeps") / "whole", verbose=False)


@pytest.mark.parametrize("on", ["here", "processes"])
@pytest.mark.slow
def test_a_stopped_run_of_a_sweep_resumes_exactly(tmp_path, capfd, full, on):
    run = tmp_path / "s" / "run"

    def interrupt():
        until = time.monotonic() + 100
        while not list((run / "checkpoints").glob("[0-9]*")) and time.monotonic() < until:
            time.sleep(0.01)
        _thread.interrupt_main()  # as Ctrl-C, also on Windows

    other = threading.Thread(target=interrupt)
    other.start()
    status = main(["sweep", "digits", "--on", on, "--out", str(tmp_path / "s"), *words(LONG)])
    other.join()
    output = capfd.readouterr().err.strip().splitlines()
    assert status == 130
    assert output[-1].startswith("zatlas: Stopped by SIGINT after 0 of 1 runs; unfinished runs are saved")
    assert not (run / "result.json").exists()
    second = sweep("digits", LONG, out=tmp_path / "s", verbose=False)
    assert second.rows[0].metrics == full.rows[0].metrics
    a, b = (load_file(s.folder / "run" / "weights.safetensors") for s in (full, second))
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("on", ["here", pytest.param("processes", marks=pytest.mark.slow)])
def test_a_failed_run_does_not_end_the_sweep(tmp_path, capfd, on):
    """A learning rate that is far too high makes the loss infinite."""
    settings = {**SMALL, "training.rate": [1e-3, 1e30], "training.epochs": 1}
    status = main(["sweep", "digits", "--on", on, "--out", str(tmp_path / "s"), *words(settings)])
    output = capfd.readouterr()
    assert status == 1
    assert output.out == f"{tmp_path / 's'}\n"
    assert "1 of 2 runs failed. The first is training.rate-1e30: The loss is NaN or infinite" in output.err
    rows = json.loads((tmp_path / "s" / "sweep.json").read_text())["runs"]
    assert [bool(row["error"]) for row in rows] == [False, True]
    assert rows[0]["metrics"]["loss"] > 0 and (tmp_path / "s" / "samples.png").exists()


def test_a_value_that_means_nothing_is_the_error_of_its_run_and_of_all_if_it_is_in_all(tmp_path):
    some = sweep("digits", {**SMALL, "model.dim": [2, 0]}, out=tmp_path / "some", verbose=False)
    assert "model.dim must be" in some.failed[0].error and not some.rows[0].error
    for settings, error in (
        ({"model.bet": [1, 2]}, UnknownName),
        ({"model.beta": [1, 1]}, BadRecipe),
        ({"model.beta": []}, BadRecipe),
    ):
        with pytest.raises(error):
            sweep("digits", {**SMALL, **settings}, out=tmp_path / "none", verbose=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.posix
def test_a_killed_process_ends_only_its_own_run(tmp_path, swept):
    result, _ = swept
    recipe = make_recipe(read_recipe(result.folder / "dim-2_beta-1" / "recipe.toml"))
    job = SweepJob(tmp_path / "killed", recipe)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "killed.txt").write_text("epoch 1/2\n")
    assert "SIGKILL ended its process" in sweep_jobs._last_error(job, -signal.SIGKILL)
    assert sweep_jobs._last_error(job, 0) == ""
    (tmp_path / "logs" / "killed.txt").write_text("epoch 1/2\nzatlas: The disk is full.\n")
    assert sweep_jobs._last_error(job, 2) == "The disk is full."


def test_a_sweep_begins_with_a_preset_or_a_recipe_file_too(tmp_path, swept):
    result, _ = swept
    file = result.folder / "dim-2_beta-1" / "recipe.toml"
    second = sweep(file, {"seed": [1, 2], "training.epochs": 1}, out=tmp_path / "file", verbose=False)
    assert [row.name for row in second.rows] == ["seed-1", "seed-2"]
    losses = [row.metrics["loss"] for row in second.rows]
    assert losses[0] != losses[1]
    with pytest.raises(UnknownName, match="demos"):
        sweep("demos", {}, out=tmp_path / "none", verbose=False)


def test_values_are_parted_by_commas_outside_brackets_and_quotes():
    assert parse_values("1,4,16") == [1, 4, 16]
    assert parse_values("[64],[128, 64]") == [[64], [128, 64]]
    assert parse_values("'a,b',true, 0.5") == ["a,b", True, 0.5]
    assert parse_values("vae") == ["vae"]


def test_figures_show_text_settings_and_runs_of_other_sizes(tmp_path):
    varied = {"model.likelihood": ["bernoulli", "gaussian"], "data.size": [8, 12]}
    result = sweep("digits", {**SMALL, **varied}, out=tmp_path / "s", verbose=False)
    assert not result.failed
    labelled = [(row.name, row.settings, {"loss": 1.0}) for row in result.rows]
    plot = metric_plots({"model.likelihood": ["bernoulli", "gaussian"]}, labelled)
    assert [text.get_text() for text in plot.figure.axes[0].get_xticklabels()] == ["bernoulli", "gaussian"]
    folders = {row.name: result.folder / row.name for row in result.rows[1:]}
    assert len(sample_table(varied, labelled, folders).items) > 4
