"""Programs of strangers: none runs without consent, and none can hold a command up for ever."""

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.strangers import DIM, endless_script, onnx_decoder, with_changed_description
from tests.test_importers import Decoder
from zatlas.cli import main
from zatlas.core.errors import NeedsTrust, ZatlasError
from zatlas.create import import_model as import_source
from zatlas.models import trust
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.workspace import Workspace

EVIL = """
import pathlib, torch
pathlib.Path({marker!r}).write_text("executed")
class Net(torch.nn.Module):
    def forward(self, z):
        return z.reshape(-1, 1, 2, 2)
"""


pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
SOURCE = os.pathsep.join(str(Path(__file__).parents[1] / name) for name in ("src", "."))


class Small(nn.Module):
    def forward(self, z):
        return torch.sigmoid(z).reshape(-1, 1, 2, 2)


def forget(monkeypatch, folder):
    """From now on this process is one of somebody who has imported nothing."""
    monkeypatch.setenv("ZATLAS_STATE", str(folder))
    monkeypatch.setattr(trust, "_trusted", set())


@pytest.fixture(params=["onnx", "script", "exported"])
def stranger(request, tmp_path, monkeypatch):
    """A run of somebody else, whose model is a program."""
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "theirs"))
    if request.param == "onnx":
        source = onnx_decoder(tmp_path / "model.onnx")
    elif request.param == "script":
        source = tmp_path / "model.pt"
        torch.jit.script(Small()).save(str(source))
    else:
        source = Small()
    folder = import_source(source, tmp_path / "run", shape=(DIM,), verbose=False).run.folder
    forget(monkeypatch, tmp_path / "mine")
    return folder


COMMANDS = (
    ["sample"],
    ["interpolate"],
    pytest.param(["gallery", "--no-open"], marks=pytest.mark.slow),
    pytest.param(["export"], marks=pytest.mark.slow),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_program_runs_only_with_consent(stranger, tmp_path, capsys, command):
    name, *options = command
    given = [name, str(stranger), *options]
    given += {"export": [str(tmp_path / "o.html")], "interpolate": ["random", "random"]}.get(name, [])
    assert main(given) == 2
    output = capsys.readouterr().err
    assert "is a program (decoder." in output and "add --trust" in output
    assert main([*given, "--trust"]) == 0


def test_consent_holds_for_one_command_and_is_not_remembered(stranger, monkeypatch, tmp_path):
    with pytest.raises(NeedsTrust, match="trust=True"):
        Workspace.open(stranger)
    assert len(sample_latents(Workspace.open(stranger, trust=True), 2)) == 2
    forget(monkeypatch, tmp_path / "mine")  # the next command
    with pytest.raises(NeedsTrust):
        Workspace.open(stranger)


def test_the_user_who_imported_a_program_opens_it_without_an_option(tmp_path, monkeypatch):
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "state"))
    folder = import_source(onnx_decoder(tmp_path / "m.onnx"), tmp_path / "run", verbose=False).run.folder
    forget(monkeypatch, tmp_path / "state")
    assert Workspace.open(folder).dim == DIM
    noted = tmp_path / "state" / "trusted.json"
    assert stat.S_IMODE(noted.stat().st_mode) == 0o600
    # A copy is the same program; one changed byte makes another.
    shutil.copytree(folder, tmp_path / "copy")
    assert Workspace.open(tmp_path / "copy").dim == DIM
    changed = onnx_decoder(tmp_path / "other.onnx").read_bytes() + b"\x00"
    atomic.write_file(folder / "decoder.onnx", changed)
    with pytest.raises(NeedsTrust):
        Workspace.open(with_changed_description(folder))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1, "trusted": [1]}', "\0" * 99])
def test_a_damaged_trust_file_trusts_nothing(stranger, tmp_path, text):
    (tmp_path / "mine").mkdir(exist_ok=True)
    (tmp_path / "mine" / "trusted.json").write_text(text)
    with pytest.raises(NeedsTrust):
        Workspace.open(stranger)


NAMES = ("evilnet:Net", ".evilnet:Net", "evilpkg.inner:Net", "os:system", "antigravity:Net")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("consent", [False, True])
def test_a_module_beside_a_run_is_never_executed(tmp_path, monkeypatch, name, consent):
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "theirs"))
    from safetensors.torch import save_file

    save_file(Decoder().state_dict(), tmp_path / "w.safetensors")
    path, marker = tmp_path / "download", tmp_path / "marker"
    path.mkdir()
    imported = import_source(
        tmp_path / "w.safetensors", path / "run", module="tests.test_importers:Decoder", verbose=False
    )
    settings = json.loads((imported.run.folder / "made.json").read_text())["imported"]["settings"]
    with_changed_description(imported.run.folder, settings={**settings, "module": name})
    (path / "evilpkg").mkdir()
    for file in ("evilnet.py", "evilpkg/__init__.py", "evilpkg/inner.py", "sitecustomize.py"):
        (path / file).write_text(EVIL.format(marker=str(marker)))
    opening = f"import zatlas; zatlas.load('run', trust={bool(consent)})"
    words = ["sample", "run", *(["--trust"] if consent else [])]
    env = {**os.environ, "ZATLAS_STATE": str(tmp_path / "mine"), "PYTHONPATH": SOURCE}
    for command in (["-m", "zatlas", *words], ["-c", opening]):
        done = subprocess.run([sys.executable, *command], cwd=path, env=env, capture_output=True, text=True)
        assert done.returncode != 0 and not marker.exists(), done.stderr
        assert "zatlas: " in done.stderr or "zatlas.core.errors." in done.stderr


@pytest.mark.posix
@pytest.mark.parametrize(
    ("make", "number"),
    [
        pytest.param(onnx_decoder, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(onnx_decoder, signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(endless_script, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(endless_script, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_model_that_never_returns_ends_with_the_first_signal(tmp_path, make, number):
    path = tmp_path / ("m.onnx" if make is onnx_decoder else "m.pt")
    make(path, endless=True) if make is onnx_decoder else make(path)
    words = ["import", str(path), "--out", str(tmp_path / "run"), "--shape", str(DIM)]
    process = subprocess.Popen(
        [sys.executable, "-m", "zatlas", *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCE},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also in the background
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".side-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5)  # it is inside the model by now
    assert process.poll() is None
    process.send_signal(number)
    try:
        _, output = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 128 + number and output.strip().startswith("zatlas: ")
    assert not list(tmp_path.glob(".side-*")) and not (tmp_path / "run").exists()


def test_a_model_that_never_returns_is_stopped_after_the_time_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("zatlas.core.deadline.IMPORT_SECONDS", 0.5)
    with pytest.raises(ZatlasError, match=r"m\.onnx"):
        import_source(onnx_decoder(tmp_path / "m.onnx", endless=True), tmp_path / "run", verbose=False)
    assert not list(tmp_path.glob(".side-*"))


@pytest.mark.slow
def test_a_zip_that_would_unpack_to_hundreds_of_times_its_size_is_refused(tmp_path):
    torch.jit.script(Small()).save(str(tmp_path / "m.pt"))
    with (
        zipfile.ZipFile(tmp_path / "m.pt") as good,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in good.namelist():
            bomb.writestr(name, good.read(name))
        with bomb.open(f"{good.namelist()[0].split('/')[0]}/data/0", "w") as file:
            for _ in range(600):
                file.write(bytes(1 << 20))
    assert (tmp_path / "bomb.pt").stat().st_size < 2 << 20
    with pytest.raises(ZatlasError, match=r"bomb\.pt") as refused:
        import_source(tmp_path / "bomb.pt", tmp_path / "run", verbose=False)
    assert ".side-" not in str(refused.value)
    assert sum(file.stat().st_size for file in tmp_path.rglob("*")) < 4 << 20


ODD = (None, True, -1, 0, 10**18, 1e308, "", "x", "\0", [], {}, [1], [[]], [-1, 2], {"a": {}}, [None])
FIELDS = ("kind", "files", "settings", "shape", "image", "prior", "pixels", "layout", "std", "classes")


def test_any_description_of_a_model_gives_a_result_or_an_error_message(tmp_path, monkeypatch):
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "state"))
    folder = import_source(onnx_decoder(tmp_path / "m.onnx"), tmp_path / "run", verbose=False).run.folder
    good = (folder / "made.json").read_bytes()
    refused = 0
    draw = random.Random(0)
    for _ in range(150):
        provenance = json.loads(good)
        for field in draw.sample(FIELDS, draw.randint(1, 2)):
            provenance["imported"][field] = draw.choice(ODD)
        atomic.write_file(folder / "made.json", json.dumps(provenance).encode())
        try:
            sample_latents(Workspace.open(folder, trust=True), 2)
        except ZatlasError:
            refused += 1
    assert refused > 100
