"""A terminal that is closed, or a connection that ends, while a run is trained."""

import os
import signal
import subprocess
import sys
import time

import pytest

from zatlas.cli import main
from zatlas.store.run import Run

pytestmark = pytest.mark.posix
EPOCHS = 240
LONG = ["--set", "training.preview=0", "--set", "net.widths=16", "--epochs", str(EPOCHS)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, own_cache):
    """The weights of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "digits", "--out", str(folder), *LONG]) == 0
    return (folder / "weights.safetensors").read_bytes()


def words(folder):
    return [sys.executable, "-m", "zatlas", "train", "digits", "--out", str(folder), *LONG]


def wait_for_rows(folder, ended):
    """Until the training has written two rows."""
    while not (folder / "metrics.jsonl").exists() or len(Run(folder).metrics()) < 2:
        assert not ended()
        time.sleep(0.01)


@pytest.mark.slow
def test_closing_the_terminal_saves_and_the_run_goes_on_to_the_bit(tmp_path, whole):
    pty = pytest.importorskip("pty")
    folder = tmp_path / "run"
    child, terminal = pty.fork()
    if child == 0:
        os.environ["OMP_NUM_THREADS"] = "1"
        os.execv(sys.executable, words(folder))
    wait_for_rows(folder, lambda: False)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGHUP
    assert len(Run(folder).metrics()) < EPOCHS
    assert main(["train", "--resume", str(folder)]) == 0
    assert (folder / "weights.safetensors").read_bytes() == whole


def begin(folder, **options):
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words(folder), stderr=subprocess.PIPE, text=True, env=env, **options)


@pytest.mark.slow
def test_a_hangup_that_comes_twice_saves_once_and_says_so(tmp_path):
    folder = tmp_path / "run"
    with begin(folder) as training:
        wait_for_rows(folder, lambda: training.poll() is not None)
        for _ in range(2):
            training.send_signal(signal.SIGHUP)
        output = training.communicate(timeout=60)[1]
    assert training.returncode == 129
    assert "Stopped by SIGHUP at step" in output and f"train --resume {folder}" in output


@pytest.mark.slow
def test_below_nohup_a_training_goes_on(tmp_path, whole):
    folder = tmp_path / "run"

    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with begin(folder, preexec_fn=ignore) as training:
        wait_for_rows(folder, lambda: training.poll() is not None)
        training.send_signal(signal.SIGHUP)
        training.communicate(timeout=120)
    assert training.returncode == 0
    assert (folder / "weights.safetensors").read_bytes() == whole


def test_a_command_that_has_nothing_to_save_leaves_the_hangup_as_it_was(capsys):
    before = signal.getsignal(signal.SIGHUP)
    assert main(["datasets"]) == 0
    assert signal.getsignal(signal.SIGHUP) is before
