"""Runs whose recipe names data that they were not made with: nothing of it is shown without consent."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.core.errors import DataMismatch
from zatlas.create import import_model
from zatlas.data.source import DataSource
from zatlas.encode import encode
from zatlas.sample import sample_latents
from zatlas.server.follow import follow_run
from zatlas.site import run_tree
from zatlas.store import digests
from zatlas.workspace import Workspace

SIDE = 8


def fill(folder, seed):
    """Forty images of two classes; those of one seed are one another's neighbours, no others."""
    for number in range(40):
        path = folder / f"kind {number % 2}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng((seed, number)).integers(0, 256, (SIDE, SIDE), np.uint8)
        Image.fromarray(noise).save(path)
    return folder


@pytest.fixture(scope="module")
def public(tmp_path_factory, own_cache):
    """A run of forty images that its maker has."""
    path = tmp_path_factory.mktemp("public")
    small_run(path / "run", fill(path / "images", 1), dim=2, epochs=1)
    return path


@pytest.fixture
def stranger(public, tmp_path):
    """The run as a stranger hands it on: its recipe names a private folder of the reader."""
    private = fill(tmp_path / "private", 2)
    run = Path(shutil.copytree(public / "run", tmp_path / "run"))
    text = (run / "recipe.toml").read_text()
    rename(run, "recipe.toml", text.replace(str(public / "images"), str(private)))
    return run


def rename(run, name, text):
    """Write a file of a run, and its record, as its maker can."""
    (run / name).write_text(text)
    (run / digests.FILE).unlink()
    digests.start(run)


def refused(capsys, words):
    """Run a command that has to refuse the data; what it said."""
    status = main([str(word) for word in words])
    output = capsys.readouterr()
    assert status == 2, output.err
    assert "was made with other data than" in output.err and "--data-changed" in output.err
    assert "Traceback" not in output.err and not output.out
    return output.err


def pictures_of(*places):
    return [p for path in places for p in path.rglob("*") if p.suffix in (".png", ".html", ".bin")]


COMMANDS = [
    ["gallery", "RUN"],
    ["export", "RUN", "OUT"],
    ["export", "RUN", "OUT.html"],
    ["evaluate", "RUN"],
    ["reconstruct", "RUN"],
    ["chart", "RUN", "--layout", "pca"],
    ["scatter", "RUN"],
    ["encode", "RUN"],
    ["interpolate", "RUN", "kind 0:1", "kind 1:1"],
    ["explore", "RUN", "--no-open"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:3]))
def test_a_command_refuses_other_data_than_the_run_was_made_with(stranger, tmp_path, capsys, words):
    positions = {"RUN": stranger, "OUT": tmp_path / "out", "OUT.html": tmp_path / "out.html"}
    before = sorted(stranger.rglob("*"))
    refused(capsys, [positions.get(word, word) for word in words])
    assert sorted(stranger.rglob("*")) == before
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.html").exists()


def test_with_the_option_the_data_is_used(stranger, tmp_path, capsys):
    assert main(["scatter", str(stranger), "--data-changed"]) == 0
    assert main(["reconstruct", str(stranger), "--data-changed", "--out", str(tmp_path / "r.png")]) == 0
    assert (tmp_path / "r.png").exists()
    refused(capsys_cleared(capsys), ["gallery", stranger])  # the consent holds for one command


def capsys_cleared(capsys):
    capsys.readouterr()
    return capsys


def test_in_python_the_data_is_refused_and_can_be_accepted(stranger, tmp_path):
    with pytest.raises(DataMismatch, match=r"fingerprints differ.*data_changed=True"):
        _ = Workspace.open(stranger).dataset
    with pytest.raises(DataMismatch):
        encode(Workspace.open(stranger), out=tmp_path / "points")
    workspace = Workspace.open(stranger, data_changed=True)
    assert len(workspace.dataset) == 40 and len(workspace.latents()) > 0
    assert sample_latents(workspace, 3).shape == (3, 2)


def test_commands_without_data_work_without_it(stranger, tmp_path):
    assert main(["sample", str(stranger), "--out", str(tmp_path / "s.png")]) == 0
    assert Workspace.open(stranger).decode(np.zeros((1, 2), np.float32)).shape == (1, 1, SIDE, SIDE)


@pytest.mark.parametrize("fingerprint", [None, "", "0" * 64, 7])
def test_a_missing_or_wrong_fingerprint_is_refused(stranger, fingerprint):
    created = json.loads((stranger / "made.json").read_text())
    created = {key: value for key, value in created.items() if key != "fingerprint"}
    if fingerprint is not None:
        created["fingerprint"] = fingerprint
    rename(stranger, "made.json", json.dumps(created))
    with pytest.raises(DataMismatch):
        _ = Workspace.open(stranger).dataset


def test_following_a_run_refuses_other_data(stranger):
    with pytest.raises(DataMismatch):
        _ = follow_run(stranger, "run", run_tree).images


def test_images_that_changed_since_training_are_reported(public, tmp_path, capsys):
    images, run = tmp_path / "images", tmp_path / "own"
    small_run(run, fill(images, 3), dim=2, epochs=1)
    assert main(["scatter", str(run)]) == 0
    capsys.readouterr()
    (images / "kind 0" / "00.png").unlink()
    words = refused(capsys, ["scatter", run])
    assert "39 grey images" in words


def test_the_data_of_an_imported_model_is_recorded_and_compared(tmp_path, capsys):
    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(3, SIDE * SIDE)

        def forward(self, z):
            return torch.sigmoid(self.net(z)).reshape(-1, 1, SIDE, SIDE)

    images = fill(tmp_path / "images", 4)
    run = tmp_path / "brought"
    import_model(Decoder(), run, data=str(images), verbose=False)
    assert len(json.loads((run / "made.json").read_text())["fingerprint"]) == 64
    assert len(Workspace.open(run).dataset) == 40
    (images / "kind 0" / "00.png").unlink()
    with pytest.raises(DataMismatch, match="was made with other data"):
        _ = Workspace.open(run).dataset


def test_synthetic_images_are_not_compared(tmp_path, capfd):
    run = small_run(tmp_path / "run", "sprites:count=64", size=SIDE, dim=2, epochs=1).run.folder
    created = json.loads((run / "made.json").read_text()) | {"fingerprint": "0" * 64}
    rename(run, "made.json", json.dumps(created))
    capfd.readouterr()
    assert len(Workspace.open(run).dataset) == 64
    assert "other data" not in capfd.readouterr().err
    assert not DataSource("", Workspace.open).synthetic
