"""torch compiles the loss of long trainings: the numbers are the same, also after a training was resumed."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.conftest import recipe, spots
from zatlas.core.errors import ZatlasError
from zatlas.data import sources
from zatlas.training import compiled_loss
from zatlas.training.callbacks import Callback
from zatlas.training.compiled_loss import LONG, is_worth_compiling
from zatlas.training.loop import fit, resume
from zatlas.training.recipe import make_recipe

ON = {"compile": "on", "precision": "32-true"}
compiler = pytest.mark.skipif(
    not any(map(shutil.which, compiled_loss.COMPILERS)), reason="torch needs a C++ compiler to compile"
)


class Noting(Callback):
    """Collects the sentences for the user, and may stop the training."""

    def __init__(self, last_step=0):
        self.messages, self.last_step = [], last_step

    def on_message(self, line):
        self.messages.append(line)

    def on_step_end(self, step, images, terms):
        if step == self.last_step:
            raise ZatlasError("enough")


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """What torch compiled before is not used."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))


def no_compiler():
    """A block in which torch finds no C++ compiler."""
    from torch._inductor import config  # slow

    return config.patch({"cpp.cxx": (None, "no-such-compiler")})


def saved_spots(folder):
    np.savez(folder / "spots.npz", x_train=spots(150).pixels[:, 0])
    return str(folder / "spots.npz")


@compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [{"family": "vae"}, {"family": "ae"}, {"family": "vae", "pixels": "dynamic"}]
)
def test_a_compiled_loss_gives_the_same_numbers(tmp_path, blobs, model):
    noting, rows = Noting(), {}
    for setting in ("on", "off"):
        tables = {"model": model, "training": {**ON, "compile": setting}}
        run = fit(recipe(**tables), blobs, tmp_path / setting, [noting])
        rows[setting] = [row["train/loss"] for row in run.metrics()]
    assert not noting.messages
    assert rows["on"] == pytest.approx(rows["off"], rel=1e-4)


@compiler
@pytest.mark.slow
def test_a_compiled_training_resumes_to_the_bit_in_another_process(tmp_path, fresh):
    source = saved_spots(tmp_path)
    settings = recipe(data={"source": source}, training=ON)
    images = sources.load(source)
    whole = fit(settings, images, tmp_path / "whole")
    with pytest.raises(ZatlasError, match="enough"):
        fit(settings, images, tmp_path / "stopped", [Noting(last_step=3)])
    threads = f"import torch; torch.set_num_threads({torch.get_num_threads()}); "
    code = "from pathlib import Path; from zatlas.training.loop import resume; resume(Path('stopped'))"
    subprocess.run([sys.executable, "-c", threads + code], cwd=tmp_path, check=True, timeout=300)
    stopped = (tmp_path / "stopped" / "weights.safetensors").read_bytes()
    assert stopped == whole.weights.read_bytes()


@compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"warmup": 2.0}, "it depends on the epoch"),
        ({"family": "gan"}, "several processes, or a model with several losses"),
    ],
)
def test_a_loss_that_cannot_be_compiled_is_used_as_it_is(tmp_path, blobs, model, reason):
    noting, runs = Noting(), {}
    for setting in ("on", "off"):
        tables = {"model": model, "training": {**ON, "compile": setting}}
        runs[setting] = fit(recipe(**tables), blobs, tmp_path / setting, [noting])
    assert noting.messages == [
        f"torch cannot compile the loss of this training ({reason}), so the training uses it as it is."
    ]
    assert runs["on"].weights.read_bytes() == runs["off"].weights.read_bytes()


def test_without_a_compiler_the_loss_is_used_as_it_is(tmp_path, blobs, fresh):
    noting = Noting()
    with no_compiler():
        run = fit(recipe(training=ON), blobs, tmp_path / "run", [noting])
    assert "No working C++ compiler found" in noting.messages[0] and len(noting.messages) == 1
    assert json.loads(run.result_file.read_text())["test"]["loss"] > 0


@compiler
@pytest.mark.slow
def test_a_run_resumed_without_its_compiler_says_so(tmp_path, fresh, monkeypatch):
    source = saved_spots(tmp_path)
    with pytest.raises(ZatlasError, match="enough"):
        fit(recipe(data={"source": source}, training=ON), sources.load(source), tmp_path / "run", [Noting(3)])
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "other"))
    noting = Noting()
    with no_compiler():
        resume(tmp_path / "run", callbacks=[noting])
    assert "Resuming is not exact to the bit: loss was compiled, now eager." in noting.messages


def test_only_long_trainings_of_nets_that_gain_are_compiled_by_default(monkeypatch):
    monkeypatch.setenv("CXX", "g++")
    device = torch.device("cpu")
    for family, net, steps, worth in (
        ("vae", "mlp", LONG, True),
        ("vae", "mlp", LONG - 1, False),
        ("vae", "conv-patch", LONG, False),
        ("gan", "mlp", LONG, False),
    ):
        settings = make_recipe({"data": {"source": "x"}, "model": {"family": family}, "net": {"name": net}})
        model = settings.describe((1, 8, 8), ()).build()
        assert is_worth_compiling(settings, model, device, steps) is worth
