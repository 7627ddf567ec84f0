"""Training multiplies in bfloat16 where the machine does it natively; all that is summed stays float32."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import recipe, spots
from zatlas.core.errors import ZatlasError
from zatlas.data import sources
from zatlas.models.vae import VAEConfig
from zatlas.training import checkpoint, precision
from zatlas.training.callbacks import Callback
from zatlas.training.loop import fit, resume

FAMILIES = ("ae", "vae", "gan")
HALF = {"precision": "bf16-mixed"}


class Watching(Callback):
    """Notes the types of products and of the terms of the loss, and may stop the training."""

    def __init__(self, last_step=0):
        self.products, self.terms, self.messages, self.last_step = set(), set(), [], last_step

    def on_train_start(self, run, recipe, images, learner):
        for layer in learner.net.modules():
            if isinstance(layer, nn.Linear):
                layer.register_forward_hook(lambda layer, inputs, output: self.note(output))

    def note(self, output):
        if torch.is_grad_enabled():
            self.products.add(output.dtype)

    def on_step_end(self, step, images, terms):
        self.terms |= {term.dtype for term in terms.values()}
        if step == self.last_step:
            raise ZatlasError("enough")

    def on_message(self, line):
        self.messages.append(line)


def natively(monkeypatch, value):
    monkeypatch.setattr(precision, "native_bfloat16", lambda device: "AMX" if value else "")


@pytest.mark.parametrize("family", FAMILIES)
def test_only_products_are_bfloat16(tmp_path, blobs, family):
    watching = Watching()
    run = fit(recipe(family, training=HALF), blobs, tmp_path / "run", [watching])
    assert watching.products == {torch.bfloat16} and watching.terms == {torch.float32}
    last = checkpoint.steps(run.checkpoints)[-1]
    tensors, _ = checkpoint.load_checkpoint(run.checkpoints, last)
    assert torch.bfloat16 not in {tensor.dtype for tensor in tensors.values()}


@pytest.mark.parametrize("native", [True, False])
def test_auto_multiplies_in_bfloat16_only_where_it_is_native(tmp_path, blobs, monkeypatch, native):
    natively(monkeypatch, native)
    watching = Watching()
    made = fit(recipe(), blobs, tmp_path / "run", [watching]).provenance()
    assert watching.products == {torch.bfloat16 if native else torch.float32}
    assert made["precision"] == ("bfloat16" if native else "float32")
    assert made["precision_reason"] == (
        "AMX multiplies bfloat16" if native else "the device has no native bfloat16"
    )


def test_a_long_training_measures_what_bfloat16_gains_and_stays_the_same_to_the_bit(
    tmp_path, blobs, monkeypatch
):
    natively(monkeypatch, True)
    runs = []
    for name, limit in (("measured", 0), ("not", 10**9)):
        monkeypatch.setattr(precision, "MEASURED_FROM", limit)
        runs.append(fit(recipe(), blobs, tmp_path / name))
    assert runs[0].provenance()["bfloat16_gain"] > 0 and runs[1].provenance()["bfloat16_gain"] is None
    assert runs[0].weights.read_bytes() == runs[1].weights.read_bytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_that_was_stopped_resumes_to_the_bit_in_bfloat16(tmp_path, family):
    images = spots(150)
    data = tmp_path / "spots.npz"
    np.savez(data, x_train=images.pixels[:, 0])
    settings = recipe(family, data={"source": str(data)}, training=HALF)
    read = sources.load(str(data))
    whole = fit(settings, read, tmp_path / "whole")
    with pytest.raises(ZatlasError, match="enough"):
        fit(settings, read, tmp_path / "stopped", [Watching(last_step=3)])
    stopped = resume(tmp_path / "stopped")
    assert stopped.weights.read_bytes() == whole.weights.read_bytes()


def test_a_run_resumed_where_the_precision_differs_says_so(tmp_path, monkeypatch):
    natively(monkeypatch, True)
    data = tmp_path / "spots.npz"
    np.savez(data, x_train=spots(150).pixels[:, 0])
    settings = recipe(data={"source": str(data)})
    with pytest.raises(ZatlasError, match="enough"):
        fit(settings, sources.load(str(data)), tmp_path / "run", [Watching(last_step=3)])
    natively(monkeypatch, False)
    watching = Watching()
    run = resume(tmp_path / "run", callbacks=[watching])
    assert "Resuming is not exact to the bit: precision was bfloat16, now float32." in watching.messages
    assert json.loads(run.result_file.read_text())["test"] is not None


def test_a_family_of_another_package_is_trained_in_float32_unless_it_asks_for_bfloat16(monkeypatch):
    natively(monkeypatch, True)
    monkeypatch.setattr(VAEConfig, "BFLOAT16", False)
    chosen = precision.choose_precision(recipe(), torch.device("cpu"))
    assert chosen.dtype == torch.float32 and chosen.reason == "vae is not known to gain from bfloat16"
    asked = recipe(training={"precision": "bf16-mixed"})
    assert precision.choose_precision(asked, torch.device("cpu")).dtype == torch.bfloat16
