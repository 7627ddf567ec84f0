"""A sweep as tasks of a real ray: the same runs, and what was stopped goes on."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.test_sweep import LONG, SMALL, words
from zatlas.cli import main
from zatlas.sweeps import sweep

pytestmark = [pytest.mark.optional, pytest.mark.filterwarnings("ignore")]  # ray's own


def test_a_sweep_on_ray_has_the_runs_of_one_in_this_process(tmp_path, capfd):
    settings = {**SMALL, "training.rate": [1e-3, 1e30], "training.epochs": 1}
    path = tmp_path / "ray"
    status = main(["sweep", "digits", "--on", "ray", "--out", str(path), *words(settings)])
    assert status == 1 and capfd.readouterr().out == f"{path}\n"
    rows = json.loads((path / "sweep.json").read_text())["runs"]
    assert "NaN or infinite" in rows[1]["error"]
    here = sweep("digits", settings, out=tmp_path / "here", verbose=False)
    a, b = (load_file(f / "training.rate-0.001" / "weights.safetensors") for f in (path, here.folder))
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_a_sweep_on_ray_that_is_stopped_saves_and_goes_on(tmp_path, capfd):
    settings = {**LONG, "training.epochs": 400}
    run = tmp_path / "s" / "run"

    def interrupt():
        until = time.monotonic() + 200
        while not list((run / "checkpoints").glob("[0-9]*")) and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    other = threading.Thread(target=interrupt)
    other.start()
    status = main(["sweep", "digits", "--on", "ray", "--out", str(tmp_path / "s"), *words(settings)])
    other.join()
    assert status == 143
    assert "Stopped by SIGTERM after 0 of 1 runs" in capfd.readouterr().err
    assert not (run / "result.json").exists()
    log = (tmp_path / "s" / "logs" / "run.txt").read_text()
    assert "all is saved" in log
