import json
import os
import shutil
import signal
import socket
import threading
import time
from functools import partial

import numpy as np
import pytest
import torch

from tests.processes import process
from tests.serving import FILES, Page, get
from zatlas.cli import main
from zatlas.core.errors import Damaged
from zatlas.create import import_model
from zatlas.sample import sample_latents
from zatlas.server.follow import follow_run
from zatlas.server.placeholder import placeholder
from zatlas.server.serve import Server
from zatlas.site import run_tree
from zatlas.store.run import Run

MAX_SECONDS = 6.0  # on a busy machine; 2 on an idle one
EXPLORE = """
import sys
from tests.serving import FILES
from zatlas.cli import main
from zatlas.server import serve
serve.page = lambda: FILES
sys.exit(main(["explore", "--no-open", *sys.argv[1:]]))
"""
TRAIN = """
import sys
from zatlas.cli import main
settings = {"training.preview": "0", "net.name": "mlp", "net.widths": "16", "training.batch": "16"}
options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
sys.exit(main(["train", "digits", "--dim", "2", "--seed", "3", *options, *sys.argv[1:]]))
"""


@pytest.mark.posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_explore_prints_its_address_and_stops_on_a_signal(digits, wide, number):
    with process("-c", EXPLORE, digits.run.folder, wide.run.folder, "--points", 100) as explorer:
        address = explorer.stdout.readline().strip()
        manifest = json.loads(get(address, "/data/manifest.json")[2])
        assert [(run["id"], run["count"]) for run in manifest["runs"]] == [("a", 100), ("b", 100)]
        assert manifest["socket"] == "socket"
        with Page(address, run="b") as page:
            assert page.request("latent", row=3)[0]["shape"] == [1, 12]
        lines = (line for line in explorer.stderr if "decoded in the page (" in line)
        assert [next(lines).partition(":")[0] for _ in range(2)] == [digits.name, wide.name]
        explorer.send_signal(number)
        output, messages = explorer.communicate(timeout=30)
    assert explorer.returncode == 128 + number
    assert output == "" and messages.splitlines()[-1] == "zatlas: The explorer is closed."
    assert "Traceback" not in messages


STUCK = """
import sys
import threading
from tests.serving import FILES
from zatlas.cli import main
from zatlas.models.generator import Generator
from zatlas.server import serve
serve.page = lambda: FILES
original = Generator.decode
def decode(self, *args, **kwargs):
    if threading.current_thread().name == "zatlas-a-decoder":
        while True: pass
    return original(self, *args, **kwargs)
Generator.decode = decode
sys.exit(main(["explore", "--no-open", *sys.argv[1:]]))
"""
COMPUTING = """
import sys
from zatlas.cli import main
from zatlas.server import session
def show_first(run, server):
    while True: pass
session.show_first = show_first
sys.exit(main(["explore", "--no-open", *sys.argv[1:]]))
"""


def assert_ctrl_c_ends(explorer):
    begun = time.monotonic()
    explorer.send_signal(signal.SIGINT)
    _, messages = explorer.communicate(timeout=30)
    assert time.monotonic() - begun < MAX_SECONDS
    assert explorer.returncode == 128 + signal.SIGINT
    assert messages.splitlines()[-1] == "zatlas: The explorer is closed." and "Traceback" not in messages


@pytest.mark.posix
@pytest.mark.slow
def test_ctrl_c_ends_an_explorer_whose_model_never_returns(digits):
    with process("-c", STUCK, digits.run.folder, "--points", 100) as explorer:
        address = explorer.stdout.readline().strip()
        get(address, "/data/manifest.json")
        with Page(address) as page:
            page.send("decode", sample_latents(digits, 1, seed=0).tobytes(), n=1)
            assert page.request("latent", row=3)[0]["shape"] == [1, 2]
            assert_ctrl_c_ends(explorer)


@pytest.mark.posix
@pytest.mark.slow
def test_ctrl_c_ends_an_explorer_while_the_first_page_is_computed(digits):
    with process("-c", COMPUTING, digits.run.folder, "--points", 100) as explorer:
        assert explorer.stdout.readline().startswith("http://127.0.0.1:")
        assert_ctrl_c_ends(explorer)


def test_a_run_that_cannot_be_read_is_reported_once_and_so_is_its_recovery(digits, caplog, monkeypatch):
    monkeypatch.setattr("zatlas.server.follow.CHECK_SECONDS", 0.01)
    run, updates, results = follow_run(digits.run.folder, "a", run_tree), [], iter("xx-xxxxx-")

    def check(display):
        result = next(results, "end")
        if result == "end":
            run.stopped.set()
        elif result == "x":
            raise Damaged("weights.safetensors is not as it was written.")

    class Display:
        def update(self, id, **values):
            updates.append(values)

    monkeypatch.setattr(run, "check", check)
    monkeypatch.setattr("zatlas.core.system.SYSTEM.lower_thread_priority", lambda: None)
    run.follow(Display())
    assert len(updates) == 2 and updates[1] == {"notice": None}
    assert "weights.safetensors is not as it was written." in updates[0]["notice"]
    assert len(caplog.records) == 2 and "can be read again" in caplog.records[1].getMessage()


BAD = {
    "no such run": (["{empty}/x"], "There is no run at"),
    "a folder that is no run": (["{empty}"], "is not a run"),
    "three runs": (["{run}", "{run}", "{run}"], "one run or two side by side, not 3."),
    "no points": (["{run}", "--points", "0"], "at least 1 point, not 0"),
    "no such port": (["{run}", "--port", "99999"], "ports go from 0 to 65535"),
    "no such address": (["{run}", "--host", "192.0.2.7"], "has no address '192.0.2.7'"),
}


@pytest.mark.posix
@pytest.mark.slow
def test_imported_models_and_latents_are_explored_without_a_recipe(tmp_path, capsys):
    layers = (torch.nn.Linear(6, 64), torch.nn.Unflatten(1, (1, 8, 8)), torch.nn.Sigmoid())
    model = import_model(torch.nn.Sequential(*layers), tmp_path / "theirs", verbose=False)
    table = {"z": model.cloud[:50], "label": np.arange(50) % 3}
    np.savez(tmp_path / "codes.npz", **table)
    latents = import_model(tmp_path / "codes.npz", tmp_path / "map", verbose=False)
    runs = model.run.folder, latents.run.folder
    with process("-c", EXPLORE, *runs, "--points", 100) as explorer:
        address = explorer.stdout.readline().strip()
        manifest = json.loads(get(address, "/data/manifest.json")[2])
        with Page(address, run="a") as page:
            answer, _ = page.request("decode", sample_latents(model, 2, seed=0).tobytes(), n=2)
        explorer.send_signal(signal.SIGINT)
        _, messages = explorer.communicate(timeout=30)
    visible = [(run["kind"], run["count"]) for run in manifest["runs"]]
    assert visible == [("sample", 100), ("latent", 50)] and answer["shape"] == [2, 1, 8, 8]
    assert "Traceback" not in messages


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_of_explore_are_one_sentence(name, digits, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("zatlas.server.serve.page", lambda: FILES)
    arguments, expected = BAD[name]
    formatted = [argument.format(empty=tmp_path, run=digits.run.folder) for argument in arguments]
    assert main(["explore", "--no-open", *formatted]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and expected in captured.err


@pytest.mark.slow
def test_a_training_is_followed_and_not_changed(tmp_path, digits):
    with process("-c", TRAIN, "--epochs", 12, "--out", tmp_path / "reference") as reference:
        assert reference.wait(60) == 0, reference.stderr.read()
    folder = tmp_path / "run"
    with process("-c", TRAIN, "--epochs", 12, "--out", folder) as training:
        while not (folder / "made.json").exists():
            assert training.poll() is None, training.stderr.read()
            time.sleep(0.02)
        states = follow(folder, training)
    assert training.returncode == 0
    assert (folder / "weights.safetensors").read_bytes() == (
        tmp_path / "reference" / "weights.safetensors"
    ).read_bytes()
    stamps = list(dict.fromkeys(stamp for stamp, _, _ in states))
    assert len(stamps) >= 2  # during the training, and at the end
    epochs = [epoch for _, epoch, _ in states]
    assert epochs == sorted(epochs) and epochs[-1] == 12
    running = [running for _, _, running in states]
    assert running[0] is True and running[-1] is False


def follow(folder, training):
    """The states of a run in the manifest until it is trained: stamp, epoch, running."""
    run, states = follow_run(folder, "a", partial(run_tree, max_points=100)), []
    server = Server(1 << 20, port=0, files=FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zatlas.server.follow.RETRY_FACTOR", 0)
        try:
            tree = placeholder("a", "run", run.recipe, run.images)
            tree.entry["training"] = run.training()
            server.show(tree, None)
            server.begin()
            while True:
                ended = training.poll() is not None
                run.check(server)
                entry = json.loads(get(server.url, "/data/manifest.json")[2])["runs"][0]
                state = (entry["stamp"], entry["training"]["epoch"], entry["training"]["running"])
                if not states or state != states[-1]:
                    states.append(state)
                if ended:
                    with Page(server.url) as page:
                        assert page.request("latent", row=0)[0]["kind"] == "latents"
                    return states
        finally:
            server.close()


def test_a_run_without_weights_has_a_page_without_points(digits):
    tree = placeholder("a", "new", digits.recipe, digits.dataset)
    server = Server(1 << 20, port=0, files=FILES)
    try:
        server.show(tree, None)
        server.begin()
        entry = json.loads(get(server.url, "/data/manifest.json")[2])["runs"][0]
        assert entry["count"] == 0 and entry["dim"] == 2
        full = run_tree(digits, max_points=50).entry
        assert entry.keys() == full.keys()
        for url in tree.files:
            assert get(server.url, f"/{url}")[0] == 200
        with Page(server.url) as page:
            assert page.request("latent", row=0)[0]["code"] == "no-weights"
    finally:
        server.close()


def test_a_finished_run_is_not_training(digits, tmp_path):
    assert digits.run.lock_holder is None and Run(tmp_path).lock_holder is None
    assert follow_run(digits.run.folder, "a", run_tree).training() is None
    with digits.run.lock():
        assert digits.run.lock_holder == f"process {os.getpid()} on {socket.gethostname()}"
    assert digits.run.lock_holder is None


def test_the_manifest_waits_until_there_is_something_to_show(digits):
    server, answers = Server(1 << 20, port=0, files=FILES), []
    try:
        request = threading.Thread(target=lambda: answers.append(get(server.url, "/data/manifest.json")))
        request.start()
        assert get(server.url, "/")[0] == 200
        time.sleep(0.2)
        assert not answers
        server.show(run_tree(digits, max_points=50), digits)
        server.begin()
        request.join(10)
        assert answers[0][0] == 200
    finally:
        server.close()


@pytest.mark.slow
def test_a_first_start_shows_a_pca_before_the_map_is_computed(tmp_path, wide):
    folder = tmp_path / "fresh"
    shutil.copytree(wide.run.folder, folder, ignore=shutil.ignore_patterns("site", "charts", "latents"))
    run, shown = follow_run(folder, "a", partial(run_tree, max_points=200)), []

    class Display:
        def show(self, tree, workspace):
            shown.append(tree.entry)

        def update(self, id, **values):
            shown[-1].update(values)

    assert run.cold
    run.show_quickly(Display())
    run.check(Display())
    quick, complete = shown
    assert [chart["name"] for chart in quick["charts"]] == ["pca"] and "computing" in quick["notice"]
    assert complete["charts"][0]["name"] == "grid_umap" and "notice" not in complete
    assert quick["stamp"] != complete["stamp"] and complete["count"] == 200
    assert not run.cold
