"""Trainings that Weights & Biases and MLflow follow, both offline: wandb writes a file, MLflow a database."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import zatlas
from zatlas import testing
from zatlas.core.errors import NotSupported
from zatlas.training import trackers

pytestmark = [pytest.mark.optional, pytest.mark.filterwarnings("ignore")]


class StopAfter(zatlas.Callback):
    """Raise an error after this number of epochs."""

    def __init__(self, epochs):
        self.left = epochs

    def on_epoch_end(self, row):
        self.left -= 1
        if not self.left:
            raise RuntimeError("stop")


def interrupted(folder, callback):
    """Train half of a run that stops with an error, and resume it."""
    with pytest.raises(RuntimeError, match="stop"):
        testing.small_run(folder, epochs=4, callbacks=[callback, StopAfter(2)])
    return zatlas.resume(folder, callbacks=[callback], verbose=False, device="cpu").workspace


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Weights & Biases without a network, in a folder of its own."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_PROJECT", "latents")
    yield tmp_path / "wandb"
    wandb.teardown()  # it reads its variables once


def records(folder):
    """What an offline run of Weights & Biases has written: its settings, history, summary and exit code."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("*.wandb")
    for data in chunks(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        yield record


def chunks(data, block=32_768):
    """The records of a file in LevelDB's log format, after 7 bytes of its own: checksum, length, type."""
    position, parts = 7, []
    while position + 7 <= len(data):
        if block - position % block < 7:  # the rest of a block is padding
            position += block - position % block
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        parts.append(data[position + 7 : position + 7 + length])
        position += 7 + length
        if kind in (1, 4):  # complete, or the last part
            yield b"".join(parts)
            parts = []


def items(entries):
    return {entry.key or "/".join(entry.nested_key): entry.value_json for entry in entries}


def test_wandb_gets_settings_metrics_and_results_offline(offline, tmp_path):
    run = testing.small_run(tmp_path / "digits-vae", callbacks=["wandb"])
    (folder,) = offline.glob("offline-run-*")
    written = list(records(folder))
    (start,) = [record.run for record in written if record.HasField("run")]
    assert (start.project, start.display_name) == ("latents", "digits-vae")
    assert items(start.config.update)["model.dim"] == "2"
    history = [items(record.history.item) for record in written if record.HasField("history")]
    rows = run.run.metrics()
    assert [float(row["train/loss"]) for row in history] == [row["train/loss"] for row in rows]
    assert [int(row["_step"]) for row in history] == [row["step"] for row in rows]
    summary = {}
    for record in written:
        summary |= items(record.summary.update) if record.HasField("summary") else {}
    assert "test/loss" in summary
    assert [record.exit.exit_code for record in written if record.HasField("exit")] == [0]


def test_wandb_continues_its_run_when_a_training_resumes(offline, tmp_path):
    interrupted(tmp_path / "run", "wandb")
    written = [record for folder in offline.glob("offline-run-*") for record in records(folder)]
    (name,) = {record.run.run_id for record in written if record.HasField("run")}  # one id
    codes = [record.exit.exit_code for record in written if record.HasField("exit")]
    assert len(name) == 16 and sorted(codes) == [0, 1]


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A database of MLflow."""
    mlflow = pytest.importorskip("mlflow")
    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "latents")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def runs_of(client):
    (experiment,) = client.search_experiments(filter_string="name = 'latents'")
    return client.search_runs([experiment.experiment_id])


def test_mlflow_gets_settings_metrics_and_results(database, tmp_path):
    run = testing.small_run(tmp_path / "digits-vae", callbacks=["mlflow"])
    (logged,) = runs_of(database)
    assert (logged.info.status, logged.info.run_name) == ("FINISHED", "digits-vae")
    assert logged.data.params["model.dim"] == "2"
    history = database.get_metric_history(logged.info.run_id, "valid/loss")
    assert [(m.step, m.value) for m in history] == [(r["step"], r["valid/loss"]) for r in run.run.metrics()]
    assert "test/loss" in logged.data.metrics


def test_mlflow_continues_its_run_when_a_training_resumes(database, tmp_path):
    run = interrupted(tmp_path / "run", "mlflow")
    (logged,) = runs_of(database)
    assert logged.info.status == "FINISHED"
    assert len(database.get_metric_history(logged.info.run_id, "train/loss")) == len(run.run.metrics()) == 4


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_tracker_does_not_change_the_training(name, offline, database):
    testing.check_callback(name)


def test_the_command_follows_a_training(offline, tmp_path):
    command = [sys.executable, "-m", "zatlas", "train", "digits", "--epochs", "1", "--callback", "wandb"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and done.stdout == "runs/digits-vae\n", done.stderr
    assert len(list(offline.glob("offline-run-*"))) == 1


@pytest.mark.parametrize("name", ["wandb", "mlflow", "tensorboard"])
def test_a_tracker_that_is_not_installed_is_named_with_the_command_to_type(name, monkeypatch, tmp_path):
    monkeypatch.setattr(trackers, "find_spec", lambda package: None)
    with pytest.raises(NotSupported, match=f"not installed: pip install {name}$"):
        zatlas.train("digits", callbacks=[name], out=tmp_path / "run")
    assert not Path(tmp_path / "run").exists()
