"""`zatlas check`: what is damaged is named, what can be made again is, and nothing else is touched."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.store.run import Run
from zatlas.workspace import Workspace


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Workspace:
    """A run with latents and a chart, of which no other test adds or removes files."""
    workspace = small_run(tmp_path_factory.mktemp("original") / "run", "digits", dim=2)
    workspace.chart()
    return workspace


@pytest.fixture
def run(original, tmp_path) -> Run:
    """A copy whose files the tests damage."""
    copy = tmp_path / "a run"
    shutil.copytree(original.run.folder, copy)
    return Run(copy)


def flip(path, keep_time=False):
    before, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def check(run, capsys, *words):
    status = main(["check", str(run.folder), *words])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else None, err


def test_an_intact_run_is_reported_as_intact(run, capsys):
    status, result, output = check(run, capsys)
    assert status == 0 and result["files"] > 10 and "files are as zatlas wrote them" in output
    problems = {key: result[key] for key in ("damaged", "repaired", "missing", "unrecorded") if result[key]}
    assert not problems


@pytest.mark.parametrize("name", ["weights.safetensors", "recipe.toml", "metrics.jsonl"])
@pytest.mark.parametrize("harm", ["flip", "flip that keeps the time", "cut", "remove"])
def test_files_are_restored_from_a_checkpoint_byte_for_byte(run, capsys, name, harm):
    path = run.path(name)
    good = path.read_bytes()
    match harm:
        case "cut":
            os.truncate(path, len(good) // 2)
        case "remove":
            path.unlink()
        case _:
            flip(path, keep_time=harm != "flip")
    status, result, _ = check(run, capsys)
    assert status == 0 and list(result["repaired"]) == [name] and path.read_bytes() == good


def test_damaged_derived_files_are_removed_and_computed_again(run, capsys):
    before = Workspace.open(run.folder).chart().positions
    table, chart = (next(run.path(name).iterdir()) for name in ("latents", "charts"))
    flip(table)
    flip(chart)
    assert main(["chart", str(run.folder)]) == 1 and "zatlas check" in capsys.readouterr().err
    status, result, _ = check(run, capsys)
    assert status == 0 and len(result["repaired"]) == 2
    assert (Workspace.open(run.folder).chart().positions == before).all()


def test_damaged_originals_are_reported_and_not_changed(run, capsys):
    flip(run.provenance_file)
    damaged = run.provenance_file.read_bytes()
    status, result, output = check(run, capsys)
    assert status == 1 and list(result["damaged"]) == ["made.json"]
    assert "cannot be repaired" in output and run.provenance_file.read_bytes() == damaged


def test_a_damaged_checkpoint_is_reported(run, capsys):
    first = min(run.checkpoints.iterdir())
    flip(first / "state.safetensors")
    status, result, _ = check(run, capsys)
    assert status == 1 and list(result["damaged"]) == [f"checkpoints/{first.name}"]


def test_an_edited_recipe_is_used_after_it_is_accepted(run, capsys):
    run.recipe_file.write_text(run.recipe_file.read_text() + "# mine\n")
    assert main(["scatter", str(run.folder)]) == 1
    assert "recipe.toml has changed" in capsys.readouterr().err
    status, result, _ = check(run, capsys, "--accept", "recipe.toml")
    assert status == 0 and not result["repaired"]
    assert main(["scatter", str(run.folder)]) == 0


def test_a_lost_record_is_written_again_with_consent(run, capsys):
    run.path("digests.jsonl").unlink()
    assert main(["sample", str(run.folder)]) == 2 and "--accept ." in capsys.readouterr().err
    assert check(run, capsys, "--accept", ".")[0] == 0
    assert main(["sample", str(run.folder)]) == 0
    assert main(["train", "--resume", str(run.folder)]) == 0


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "none.txt"])
def test_only_a_file_of_the_run_is_accepted(run, capsys, name):
    status, _, output = check(run, capsys, "--accept", name)
    assert (status == 2 and "relative to the run's folder" in output) or "no file" in output


def test_files_that_zatlas_did_not_write_are_listed_and_unchanged(run, capsys, tmp_path):
    (run.folder / "notes.txt").write_text("mine")
    (run.folder / "link").symlink_to(tmp_path)
    status, result, _ = check(run, capsys)
    assert status == 0 and result["unrecorded"] == ["link", "notes.txt"]
    assert (run.folder / "notes.txt").read_text() == "mine"


def test_a_run_that_is_being_trained_is_not_checked(run, capsys):
    with run.lock():
        status, _, output = check(run, capsys)
    assert status == 1 and "being trained by process" in output


def test_a_folder_that_is_not_a_run_is_not_checked(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_cached_images_that_are_damaged_are_read_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "cache"))
    for index in range(12):
        Image.fromarray(np.full((8, 8), 20 * index, np.uint8)).save(photo(tmp_path, index))
    workspace = small_run(tmp_path / "run", str(tmp_path / "photos"), dim=2, epochs=1)
    before = workspace.dataset.images(workspace.rows("train"))
    (pixels,) = (tmp_path / "cache").glob("*/pixels.npy")
    flip(pixels, keep_time=True)
    status, result, _ = check(workspace.run, capsys)
    assert status == 0 and list(result["repaired"]) == ["cached images of photos"]
    second = Workspace.open(workspace.run.folder)
    assert (second.dataset.images(second.rows("train")) == before).all()


def photo(folder, index):
    (folder / "photos").mkdir(exist_ok=True)
    return folder / "photos" / f"{index}.png"


def test_a_link_in_place_of_a_derived_file_is_reported_and_not_changed(run, capsys, tmp_path):
    chart = next(run.path("charts").iterdir())
    chart.unlink()
    chart.symlink_to(tmp_path / "mine")
    status, result, _ = check(run, capsys)
    assert status == 1 and list(result["damaged"]) == [f"charts/{chart.name}"] and chart.is_symlink()


def test_files_that_another_command_writes_are_ignored(run, capsys):
    side = run.folder / ".side-samples.png-1-00000000"
    side.write_bytes(b"half a picture")
    assert check(run, capsys, "--accept", ".")[0] == 0
    assert side.read_bytes() == b"half a picture"
