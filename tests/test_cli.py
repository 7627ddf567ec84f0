import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.processes import process
from tests.write_docs import DOCS
from zatlas.cli import main
from zatlas.store import run as runs

FAST = ["--set", "training.preview=0", "--set", "net.widths=16", "--epochs", "2"]


def zatlas(*words, **options):
    command = [sys.executable, "-m", "zatlas", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.mark.posix
def test_help_is_quick_and_brings_no_torch():
    latent = "import sys; from zatlas.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    latent += "print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", latent], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"
    assert min(own_time("--help") for _ in range(5)) < 1


def test_help_says_what_can_be_said_and_not_what_stands_for_nothing():
    page = (DOCS / "commands.md").read_text()
    for word in ("None", "(default: )", "default: False", "(fixed"):
        assert word not in page
    assert "--kind {mixture,flow}" in page and "Random seed. (default: 0)" in page


def own_time(*words):
    """Seconds of a processor that a command takes: the same whatever else the machine does."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    zatlas(*words, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_train_prints_the_run_and_nothing_else(tmp_path):
    run = tmp_path / "run"
    done = zatlas("train", "digits", "--out", run, *FAST, check=True)
    assert done.stdout == f"{run}\n"
    assert "1,797 grey images 8x8 in 10 classes" in done.stderr
    assert "-elbo" in done.stderr and "nats = distortion" in done.stderr


@pytest.mark.slow
def test_a_loss_that_is_no_bound_is_not_called_one(tmp_path):
    done = zatlas(
        "train", "digits", "--out", tmp_path / "run", "--set", "model.likelihood=mse", *FAST, check=True
    )
    assert "elbo" not in done.stderr and "nats" not in done.stderr
    assert "loss" in done.stderr and "distortion" in done.stderr


def test_runs_are_named_after_their_images_and_their_model(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/digits-ae", "runs/digits-ae-2"):
        assert main(["train", "digits", "--model", "ae", *FAST]) == 0
        assert capsys.readouterr().out == f"{name}\n"


def test_a_recipe_of_one_run_makes_another_of_the_same_weights(tmp_path, capsys):
    assert main(["train", "digits", "--out", str(tmp_path / "a"), "--dim", "3", *FAST]) == 0
    recipe = str(tmp_path / "a" / "recipe.toml")
    assert main(["train", "--recipe", recipe, "--out", str(tmp_path / "b")]) == 0
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("command", ["datasets", "models", "presets"])
def test_lists_are_json_for_a_program(command, capsys):
    assert main([command]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows and all({"name", "description"} <= row.keys() for row in rows)


def test_datasets_tell_size_licence_and_whether_they_are_here(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ZATLAS_DATA", str(tmp_path))
    main(["datasets"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["digits"]["available"] is True and rows["mnist"]["available"] is False
    assert all(row["license"] and row["images"] and row["size"] for row in rows.values())


BAD = {
    "a misspelt dataset": (["train", "digts"], "Did you mean 'digits'"),
    "a misspelt model": (["train", "digits", "--model", "vea"], "Did you mean 'vae'"),
    "a misspelt preset": (["train", "digits", "--preset", "gan-d"], "Did you mean 'gan-d2'"),
    "no images": (["train"], "needs images"),
    "no such file": (["train", "none/such"], "There is no file or folder none/such"),
    "an empty folder": (["train", "{empty}"], "has no images; it contains nothing"),
    "no axes": (["train", "digits", "--dim", "0"], "model.dim must be a whole number from 1 to"),
    "no epochs": (["train", "digits", "--epochs", "0"], "training.epochs"),
    "a negative seed": (["train", "digits", "--seed", "-1"], "seed must be"),
    "a size that the net cannot take": (
        ["train", "digits", "--size", "9", "--set", "net.name=conv"],
        "multiples of 4, not 9x9",
    ),
    "a setting without a value": (["train", "digits", "--set", "model.beta"], "TABLE.NAME=VALUE"),
    "an unknown setting": (["train", "digits", "--set", "model.betta=2"], "Did you mean 'beta'"),
    "a rate that explodes": (
        ["train", "digits", "--set", "training.rate=1e30", "--set", "training.schedule=constant"],
        "The loss is NaN or infinite at step",
    ),
    "a model that does not fit": (
        ["train", "{plain}", "--set", "net.widths=[1000000,1000000]"],
        "do not fit into memory",
    ),
    "labels that are not there": (
        ["train", "{plain}", "--set", "model.conditional=true"],
        "needs labels, and these images have none",
    ),
    "no such run": (["train", "--resume", "{empty}/x"], "There is no run at"),
    "a folder that is no run": (["train", "--resume", "{empty}"], "is not a run"),
    "a run of a newer format": (["train", "--resume", "{newer}"], "pip install -U zatlas"),
    "two recipes": (["train", "--preset", "demo", "--recipe", "x.toml"], "not both"),
    "a place that is taken": (["train", "digits", "--out", "{newer}"], "not empty"),
    "a read-only place": (["train", "digits", "--out", "/proc/run"], "cannot be written"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_sentence(name, tmp_path, capsys):
    words, expected = BAD[name]
    positions = {key: tmp_path / key for key in ("empty", "newer", "plain")}
    for path in positions.values():
        path.mkdir()
    runs.create_run(positions["newer"], {"made.json": b'{"format": 99}'})
    import numpy as np
    from PIL import Image

    for index in range(3):
        Image.fromarray(np.full((8, 8), index, np.uint8)).save(positions["plain"] / f"{index}.png")
    given = [word.format(**positions) for word in words]
    if "train" in words and "--out" not in words and "--resume" not in words:
        given += ["--out", str(tmp_path / "run")]
    assert main(given) == 2
    output = capsys.readouterr()
    assert output.out == ""
    last = output.err.strip().splitlines()[-1]
    assert last.startswith("zatlas: ") and expected in last
    assert not (tmp_path / "run").exists() or name == "a rate that explodes"


def test_an_option_that_does_not_exist_is_bad_input():
    assert zatlas("train", "digits", "--epoch", "3").returncode == 2


@contextmanager
def begun(words, folder, threads=1):
    """A training in a process of its own that has written two rows."""
    with process("-m", "zatlas", *words, threads=threads) as training:
        metrics = folder / "metrics.jsonl"
        while not (metrics.exists() and metrics.read_text().count("\n") >= 2):
            assert training.poll() is None, training.stderr.read()
            time.sleep(0.01)
        yield training


LONG = ["--set", "training.preview=0", "--set", "net.widths=16", "--epochs", "60"]


@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_to_the_bit(tmp_path, number, capsys):
    assert main(["train", "digits", "--out", str(tmp_path / "whole"), *LONG]) == 0
    folder = tmp_path / "run"
    with begun(["train", "digits", "--out", folder, *LONG], folder) as training:
        training.send_signal(number)
        out, err = training.communicate(timeout=20)
    assert training.returncode == 128 + number
    assert f"zatlas train --resume {folder}" in err.splitlines()[-1] and out == ""
    assert main(["train", "--resume", str(folder)]) == 0
    saved = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "run")]
    assert saved[0] == saved[1]


@pytest.mark.posix
@pytest.mark.slow
def test_a_second_training_of_a_run_is_refused_by_the_name_of_the_first(tmp_path):
    folder = tmp_path / "run"
    with begun(["train", "digits", "--out", folder, *LONG[:-1], "5000"], folder) as training:
        done = zatlas("train", "--resume", folder)
        training.send_signal(signal.SIGTERM)
        training.communicate(timeout=60)
    assert done.returncode == 1
    assert f"is being trained by process {training.pid} on " in done.stderr


@pytest.mark.posix
@pytest.mark.slow
def test_another_number_of_threads_is_said_to_be_inexact(tmp_path):
    folder = tmp_path / "run"
    with begun(["train", "digits", "--out", folder, *LONG], folder, threads=2) as training:
        training.send_signal(signal.SIGINT)
        training.communicate(timeout=60)
    done = zatlas("train", "--resume", folder, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0
    assert "not exact to the bit: threads was 2, now 1" in done.stderr
