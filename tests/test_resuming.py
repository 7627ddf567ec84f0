"""Resuming from what is on the disk: nothing is renamed, cut or trained again without consent."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import recipe, spots
from zatlas.cli import main
from zatlas.core.errors import CannotRead, Damaged
from zatlas.data import sources
from zatlas.store import metrics, retry
from zatlas.training import checkpoint
from zatlas.training.loop import fit

UNTIMED = ("seconds", "images_per_second")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of four epochs on a file of images, and its recipe."""
    folder = tmp_path_factory.mktemp("trained")
    images, train = spots(150), spots(150).split != 2
    arrays = {}
    for name, some in {"train": train, "test": ~train}.items():
        arrays |= {f"x_{name}": images.pixels[some], f"y_{name}": images.labels[some]}
    np.savez(folder / "spots.npz", **arrays)
    source = str(folder / "spots.npz")
    plain = recipe(data={"source": source}, training={"epochs": 4, "schedule": "constant"})
    return fit(plain, sources.load(source), folder / "run")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run to damage."""
    return type(trained)(Path(shutil.copytree(trained.folder, tmp_path / "run")))


def state_of(run):
    """Every file of the run by name, with its bytes; the lock file says only who held it."""
    return {
        str(path.relative_to(run.folder)): path.read_bytes()
        for path in sorted(run.folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def rows_of(run):
    return [{k: v for k, v in row.items() if k not in UNTIMED} for row in run.metrics()]


def resumed(run, capsys, *words):
    """The exit status of `zatlas train --resume`, and the sentences on stderr."""
    status = main(["train", "--resume", str(run.folder), *words])
    return status, capsys.readouterr().err


def forbid(monkeypatch, name, latent, times=10**9):
    """Let reading a file of this name fail `times` times."""
    left = [times]
    for method in ("read_bytes", "open"):
        real = getattr(Path, method)

        def refused(self, *arguments, _real=real, **options):
            if self.name == name and left[0] > 0:
                left[0] -= 1
                raise OSError(latent, os.strerror(latent), str(self))
            return _real(self, *arguments, **options)

        monkeypatch.setattr(Path, method, refused)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(retry, "PAUSE", 0)


@pytest.mark.parametrize("name", ["MANIFEST.json", "state.safetensors", "meta.json"])
@pytest.mark.parametrize("latent", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT])
def test_a_read_error_ends_the_training_and_changes_nothing(run, monkeypatch, capsys, name, latent):
    before = state_of(run)
    with monkeypatch.context() as patch:
        forbid(patch, name, latent)
        status, output = resumed(run, capsys)
    assert status == 1 and state_of(run) == before
    assert f"{name} cannot be read: {os.strerror(latent)}" in output and "Nothing was changed" in output
    assert ("tried 3 times" in output) == (latent != errno.EACCES)


def test_a_read_error_that_passes_is_not_noticed(run, monkeypatch, capsys):
    before = rows_of(run)
    with monkeypatch.context() as patch:
        forbid(patch, "MANIFEST.json", errno.EIO, times=2)
        status, output = resumed(run, capsys)
    assert status == 0 and "cannot be read" not in output and rows_of(run) == before


def test_reading_a_file_that_is_missing_is_not_a_read_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        retry.read_bytes(tmp_path / "none")
    (tmp_path / "a").write_bytes(b"x")
    assert retry.digest(tmp_path / "a").startswith("2d711642")
    assert retry.names(tmp_path / "none") == [] and retry.names(tmp_path) == ["a"]


def test_a_folder_that_cannot_be_listed_is_a_read_error(run, monkeypatch):
    def refused(self):
        raise OSError(errno.EIO, "Input/output error", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(CannotRead, match="checkpoints cannot be read: Input/output error"):
        checkpoint.latest(run.checkpoints)


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_finished_run_without_checkpoints_is_reported_as_finished(run, capsys, how):
    shutil.rmtree(run.checkpoints)
    if how == "empty":
        run.checkpoints.mkdir()
    before = state_of(run)
    status, output = resumed(run, capsys)
    assert status == 0 and state_of(run) == before
    assert "is finished; nothing was done" in output
    assert f"checkpoints is {how}" in output and f"--resume {run.folder} --restart" in output
    status, output = resumed(run, capsys, "--epochs", "6")
    assert status == 2 and state_of(run) == before and "weights.safetensors is unchanged" in output


def test_a_run_that_lost_its_checkpoints_is_not_trained_again_without_consent(run, capsys):
    shutil.rmtree(run.checkpoints)
    (run.folder / "result.json").unlink()
    before = state_of(run)
    status, output = resumed(run, capsys)
    assert status == 2 and state_of(run) == before
    assert "cannot be resumed" in output and output.rstrip().endswith("--restart")


@pytest.mark.parametrize("harm", ["flip", "remove", "folder"])
def test_without_an_intact_checkpoint_nothing_is_renamed_before_consent(run, capsys, harm):
    for path in run.checkpoints.iterdir():
        state = path / "state.safetensors"
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.unlink()
        if harm == "flip":
            state.write_bytes(data)
        if harm == "folder":
            state.mkdir()
    before = state_of(run), sorted(run.checkpoints.iterdir())
    status, output = resumed(run, capsys)
    assert status == 1 and (state_of(run), sorted(run.checkpoints.iterdir())) == before
    assert "Each of the 3 checkpoints of" in output and "--restart" in output


def test_restart_trains_the_run_again_to_the_same_weights(run, capsys):
    before = run.weights.read_bytes(), rows_of(run)
    for folder in run.checkpoints.iterdir():
        (folder / "meta.json").write_text("{}")
    status, output = resumed(run, capsys, "--restart")
    assert status == 0 and "Training restarts at epoch 1" in output
    assert (run.weights.read_bytes(), rows_of(run)) == before
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert sum(name.startswith("damaged-") for name in names) == 3 and len(names) == 6


def test_restart_takes_another_recipe_and_notes_it(run, capsys):
    assert resumed(run, capsys, "--restart", "--epochs", "2", "--seed", "7")[0] == 0
    assert [row["epoch"] for row in run.metrics()] == [1, 2]
    assert run.provenance()["seed"] == 7 and "epochs = 2" in run.recipe_file.read_text()
    assert checkpoint.steps(run.checkpoints)[-1] == run.metrics()[-1]["step"]


def test_restart_keeps_the_weights_until_new_ones_are_written(run, capsys):
    before = run.weights.read_bytes()
    wild = ["--set", "training.rate=1e30"]
    status, output = resumed(run, capsys, "--restart", *wild)
    assert status == 2 and "NaN or infinite" in output
    assert run.weights.read_bytes() == before
    status, output = resumed(run, capsys)
    assert status == 2 and "cannot be resumed" in output and run.weights.read_bytes() == before


def test_restart_needs_resume(capsys):
    assert main(["train", "digits", "--restart"]) == 2
    assert "zatlas train --resume RUN --restart" in capsys.readouterr().err


def test_a_longer_training_is_noted_so_that_it_can_be_resumed(run, capsys):
    assert resumed(run, capsys, "--epochs", "5")[0] == 0
    before = rows_of(run)
    assert len(before) == 5
    status, output = resumed(run, capsys)
    assert status == 0 and rows_of(run) == before, output


@pytest.mark.parametrize("name", ["5", "٣", "0000000005", "00000005"])
def test_a_folder_that_only_looks_like_a_checkpoint_is_ignored(run, capsys, name):
    before = rows_of(run)
    stranger = run.checkpoints / name
    stranger.mkdir()
    (stranger / "note").write_text("mine")
    status, output = resumed(run, capsys)
    assert status == 0 and rows_of(run) == before
    assert "is ignored" in output and name in output
    assert (stranger / "note").read_text() == "mine"


HARM = {
    "bad JSON in the middle": lambda data: data.replace(b'"epoch": 2', b'"epoch": ', 1),
    "text that is not UTF-8": lambda data: data[:40] + b"\xff\xfe" + data[42:],
    "a row without its epoch": lambda data: data.replace(b'"epoch"', b'"epoxy"', 1),
    "a row that is a list": lambda data: b"[1]\n" + data,
    "no number": lambda data: data.replace(b'"epoch": 2', b'"epoch": NaN', 1),
    "brackets without end": lambda data: b"[" * 100_000 + b"\n" + data,
    "no row of the best": lambda data: data[: data.index(b"\n") + 1],
    "nothing": lambda data: b"",
}


@pytest.mark.parametrize("name", HARM)
def test_damaged_metrics_are_named_and_restored_from_the_checkpoint(run, capsys, name):
    good = run.metrics_file.read_bytes()
    run.metrics_file.write_bytes(HARM[name](good))
    assert main(["evaluate", str(run.folder), "--only", "likelihood"]) == 1
    assert "metrics.jsonl has changed since zatlas wrote it" in capsys.readouterr().err
    if name not in ("no row of the best", "nothing"):
        with pytest.raises(Damaged, match=r"line \d is not a row of metrics.*train --resume"):
            metrics.parse(run.metrics_file.read_bytes(), run.metrics_file)
    status, _ = resumed(run, capsys)
    assert status == 0 and run.metrics_file.read_bytes() == good


def test_unreadable_metrics_end_the_training_and_are_preserved(run, monkeypatch, capsys):
    before = state_of(run)
    with monkeypatch.context() as patch:
        forbid(patch, "metrics.jsonl", errno.EIO)
        status, output = resumed(run, capsys)
    assert status == 1 and "metrics.jsonl cannot be read" in output and state_of(run) == before


@pytest.mark.parametrize(
    "change",
    [{"cursor": {}}, {"cursor": None}, {"cursor": 7}, {"recipe": 5}, {"recipe": "["}, {"machine": []}],
    ids=str,
)
def test_a_checkpoint_of_other_making_gets_one_sentence(run, capsys, change):
    """Its manifest is right, and what it holds is not what zatlas writes."""
    path = run.checkpoints / f"{checkpoint.steps(run.checkpoints)[-1]:09d}"
    meta = json.loads((path / "meta.json").read_bytes()) | change
    (path / "meta.json").write_text(json.dumps(meta))
    manifest = json.loads((path / "MANIFEST.json").read_bytes())
    file = path / "meta.json"
    manifest["meta.json"] = {"size": file.stat().st_size, "sha256": retry.digest(file)}
    (path / "MANIFEST.json").write_text(json.dumps(manifest))
    status, output = resumed(run, capsys)
    assert status in (1, 2) and "zatlas: " in output.splitlines()[-1]
