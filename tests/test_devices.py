"""`auto` takes the accelerator of torch, also that of Apple, everywhere a device is chosen."""

import ast
from pathlib import Path

import pytest
import torch

import zatlas
from tests.conftest import recipe
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.models.device import resolve_device
from zatlas.training.classifier_training import train_classifier
from zatlas.training.environment import launch
from zatlas.training.loop import fit

SOURCE = Path(__file__).parent.parent / "src" / "zatlas"
CHOICES = ("torch.cuda.is_available", "torch.backends.mps", "torch.accelerator", "Fabric()")


def machine_with(monkeypatch, kind):
    """Let torch report this accelerator; None for a machine without one."""
    device = None if kind is None else torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: device)


@pytest.mark.parametrize(
    ("kind", "device"), [(None, "cpu"), ("cuda", "cuda"), ("mps", "mps"), ("xpu", "cpu"), ("hpu", "cpu")]
)
def test_auto_takes_an_accelerator_that_zatlas_supports(monkeypatch, kind, device):
    machine_with(monkeypatch, kind)
    assert resolve_device() == resolve_device("auto") == device
    assert resolve_device(device) == device and resolve_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_this_machine_lacks_is_refused(monkeypatch, device):
    machine_with(monkeypatch, None)
    with pytest.raises(NotSupported, match=f"no {device} device. Use device='auto'"):
        resolve_device(device)


def test_an_unknown_device_is_refused_with_the_names_of_all():
    with pytest.raises(UnknownName, match="auto, cpu, cuda, mps"):
        resolve_device("gpu")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="here the GPU of Apple works")
def test_training_and_loading_go_to_the_gpu_of_apple(monkeypatch, digits, blobs, tmp_path):
    """torch refuses this GPU here: that it is asked for it shows where the work would go."""
    machine_with(monkeypatch, "mps")
    for work in (
        lambda: zatlas.load(digits.run.folder),
        lambda: zatlas.train("digits", epochs=1, out=tmp_path / "run", verbose=False),
        lambda: fit(recipe(), blobs, tmp_path / "other"),
        lambda: launch(recipe(), digits.description),
        lambda: train_classifier(blobs, epochs=1),
    ):
        with pytest.raises(Exception, match=r"(?i)mps"):
            work()


@pytest.mark.slow
def test_one_function_chooses_the_device():
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        if path.name != "device.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute | ast.Call) and ast.unparse(node).startswith(CHOICES)
    ]
    assert not found
