"""Runs go to a hub and come back, over HTTP to a hub on this machine, by the package huggingface_hub."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import zatlas
from tests.hub_server import hub
from zatlas.core.errors import BadRun, Damaged, NeedsTrust, NotFound
from zatlas.data.hub_run import belongs_to_run, fetch_run
from zatlas.directions.find import store_of
from zatlas.models import trust

constants = pytest.importorskip("huggingface_hub.constants")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of its own upload


@pytest.fixture(scope="module")
def own(digits, tmp_path_factory):
    """A copy of a run, with a saved direction and files that stay private."""
    folder = tmp_path_factory.mktemp("own") / "digits-vae"
    shutil.copytree(digits.run.folder, folder)
    atlas = zatlas.load(folder)
    atlas.find_direction("7").save("seven")
    (folder / "notes.txt").write_text("private")
    return atlas


def use(address, patch):
    """Let huggingface_hub talk to this address, and send large files by git LFS."""
    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setenv("HF_TOKEN", "hf_test")


@pytest.fixture(scope="module")
def pushed(own):
    """The files in a repository to which this run was pushed."""
    with hub() as server, pytest.MonkeyPatch.context() as patch:
        use(server.address, patch)
        assert zatlas.push(own, "ada/digits", private=True) == f"{server.address}/ada/digits"
        assert server.private == {"ada/digits": True} and len(server.large) >= 2  # weights, direction
        return server.repositories["ada/digits"]


@pytest.fixture
def server(monkeypatch, tmp_path, pushed):
    """A hub that holds the pushed run, and an empty cache."""
    with hub() as started:
        started.repositories["ada/digits"], started.private["ada/digits"] = dict(pushed), True
        use(started.address, monkeypatch)
        monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "cache"))
        yield started


def test_a_pushed_run_comes_back_with_the_same_images_and_directions(server, own):
    loaded = zatlas.load("hf:ada/digits")
    z = own.sample_latents(4)
    np.testing.assert_array_equal(loaded.decode(z), own.decode(z))
    first, second = (store_of(each.workspace).load("seven").move(z, 1.0) for each in (own, loaded))
    np.testing.assert_array_equal(first, second)
    assert loaded.workspace.name == "digits"
    assert loaded.latents().shape == own.latents().shape  # the dataset is known by its name


def test_only_files_of_the_model_are_pushed_and_nothing_of_this_machine(pushed, own):
    files = pushed
    assert {"README.md", "made.json", "recipe.toml", "weights.safetensors", "metrics.jsonl"} <= files.keys()
    assert {name for name in files if name.startswith("directions/")}
    assert not [name for name in files if name.startswith(("latents", "checkpoints", "data", "notes"))]
    text = b"".join(data for name, data in files.items() if name.endswith((".md", ".json", ".toml")))
    assert str(own.workspace.run.folder).encode() not in text
    assert not {"system", "processor", "device"} & json.loads(files["made.json"]).keys()


def test_the_path_of_a_private_folder_is_not_pushed(server, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8)
    (tmp_path / "home").mkdir()
    np.savez(tmp_path / "home" / "photos.npz", x_train=images)
    run = zatlas.train(tmp_path / "home" / "photos.npz", epochs=1, out=tmp_path / "run", verbose=False)
    zatlas.push(run, "ada/photos")
    recipe = server.repositories["ada/photos"]["recipe.toml"].decode()
    assert 'source = "photos.npz"' in recipe
    loaded = zatlas.load("hf:ada/photos")
    assert loaded.generate(3).shape == (3, 1, 8, 8)
    with pytest.raises(NotFound, match=r"photos\.npz"):
        loaded.latents()


def test_the_card_shows_the_figures_and_says_how_to_open_the_run(pushed):
    files = pushed
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: zatlas\n") and "zatlas explore hf:ada/digits" in card
    shown = [line[line.index("(") + 1 : -1] for line in card.splitlines() if line.startswith("![")]
    assert len(shown) >= 3 and all(files[name].startswith(b"\x89PNG") for name in shown)
    assert "| distortion |" in card


def test_a_run_is_fetched_once_until_it_changes(server):
    first = fetch_run("hf:ada/digits")
    server.requests.clear()
    assert fetch_run("hf:ada/digits") == first
    assert not [request for request in server.requests if "/resolve/" in request]
    server.repositories["ada/digits"]["metrics.jsonl"] += b"\n"
    assert fetch_run("hf:ada/digits") != first


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "setup.py", "a/b/c.json", "directions/../../x", "/etc/passwd", "weights.py", ".zshrc"],
)
def test_a_file_that_zatlas_never_writes_is_not_fetched(server, name):
    server.repositories["ada/digits"][name] = b"import os"
    assert not belongs_to_run(name)
    folder = fetch_run("hf:ada/digits")
    assert not [path for path in folder.rglob("*") if path.is_file() and path.read_bytes() == b"import os"]
    assert zatlas.load(folder).generate(1).shape == (1, 1, 8, 8)


@pytest.mark.slow
def test_a_program_from_the_hub_needs_consent(server, tmp_path, monkeypatch):
    from torch import nn

    decoder = nn.Sequential(nn.Linear(3, 64), nn.Unflatten(1, (1, 8, 8)), nn.Sigmoid())
    made = zatlas.import_model(decoder, tmp_path / "program", shape=(3,), verbose=False)
    zatlas.push(made, "ada/program")
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "stranger"))  # another user, who imported nothing
    monkeypatch.setattr(trust, "_trusted", set())
    with pytest.raises(NeedsTrust, match=r"decoder\.pt2"):
        zatlas.load("hf:ada/program")
    assert zatlas.load("hf:ada/program", trust=True).generate(2).shape == (2, 1, 8, 8)


def test_a_fetched_file_that_changes_later_is_named(server):
    folder = fetch_run("hf:ada/digits")
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(Damaged, match=r"weights\.safetensors"):
        zatlas.load(folder)


def test_what_cannot_be_fetched_is_one_sentence(server, own, monkeypatch):
    with pytest.raises(NotFound, match=r"^A repository of the hub is named owner/name, not 'digits'\.$"):
        zatlas.load("hf:digits")
    with pytest.raises(NotFound, match=r"^The hub gave no access to ada/none: .*Check the name"):
        zatlas.load("hf:ada/none")
    server.repositories["ada/empty"], server.private["ada/empty"] = {"README.md": b"-"}, False
    with pytest.raises(BadRun, match="hf:ada/empty holds no run of zatlas"):
        zatlas.load("hf:ada/empty")
    use("http://127.0.0.1:9", monkeypatch)  # nobody listens
    with pytest.raises(NotFound, match="The hub gave no access to ada/digits"):
        zatlas.push(own, "ada/digits")


@pytest.mark.slow
def test_the_commands_push_and_open_a_run(server, own, tmp_path):
    environment = {**os.environ, "HF_ENDPOINT": server.address, "HF_HUB_DISABLE_XET": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))

    def zatlas_command(*words):
        command = [sys.executable, "-m", "zatlas", *words]
        options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        return subprocess.run(command, timeout=600, **options)

    pushed = zatlas_command("push", str(own.workspace.run.folder), "ada/digits")
    assert (pushed.returncode, pushed.stdout) == (0, f"{server.address}/ada/digits\n"), pushed.stderr
    sampled = zatlas_command("sample", "hf:ada/digits", "--out", "samples.png")
    assert sampled.returncode == 0 and (tmp_path / "samples.png").exists(), sampled.stderr
    assert "fetching hf:ada/digits: " in sampled.stderr
