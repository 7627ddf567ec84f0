"""Models that are programs: who may open them, from where classes come, and what is refused unread."""

import json
import os
import random
import re
import struct
import subprocess
import sys
import tomllib
import zipfile
from copy import deepcopy
from inspect import signature
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save, save_file

from tests.strangers import EndlessToRead, endless_script, onnx_decoder, with_changed_description
from tests.test_importers import Decoder
from zatlas.cli import main
from zatlas.commands.consent import has_mark
from zatlas.commands.options import OPENS_RUN
from zatlas.commands.registration import COMMANDS
from zatlas.core.deadline import call_with_deadline, within
from zatlas.core.errors import BadData, BadRun, Damaged, NeedsTrust, ZatlasError
from zatlas.create import import_model as import_source
from zatlas.models import trust
from zatlas.models.description import load_weights
from zatlas.models.external_classifiers import open_classifier
from zatlas.models.importers import programs
from zatlas.models.nets_dcgan import DCGAN
from zatlas.store import atomic
from zatlas.workspace import Workspace

ROOT = Path(__file__).parents[1]
OWN = """
import pathlib, torch
pathlib.Path({marker!r}).write_text("executed")
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(6, 64)
    def forward(self, z):
        return self.net(z).reshape(-1, 1, 8, 8).sigmoid()
"""
# The lowest versions without the holes that are known.
FLOORS = {"starlette": "1.3.1", "onnx": "1.21", "torch": "2.10", "pillow": "12.2", "safetensors": "0.8"}

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def command(words, folder, state, *path):
    """The command line in this folder, for the user with this state, with these folders to import from."""
    env = {**os.environ, "ZATLAS_STATE": str(state)}
    env["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT / "src", *path)))
    return subprocess.run(
        [sys.executable, "-m", "zatlas", *words], cwd=folder, env=env, capture_output=True, text=True
    )


def test_each_command_that_opens_runs_has_the_option():
    options = {name: signature(each.function).parameters for name, each in COMMANDS.items()}
    opening = {
        name
        for name, each in options.items()
        if any(has_mark(option.annotation, OPENS_RUN) for option in each.values())
    }
    others = set(COMMANDS) - opening
    assert others == {"demo", "datasets", "models", "presets", "train", "sweep", "import", "classifier train"}
    assert all({"trust", "data_changed"} <= options[name].keys() for name in opening)


@pytest.mark.slow
def test_a_user_class_is_imported_again_only_from_its_folder(tmp_path):
    project, marker = tmp_path / "project", tmp_path / "marker"
    project.mkdir()
    (project / "ownnet.py").write_text(OWN.format(marker=str(marker)))
    torch.manual_seed(0)
    save_file(
        {f"net.{k}": v for k, v in torch.nn.Linear(6, 64).state_dict().items()}, project / "w.safetensors"
    )
    words = ["import", "w.safetensors", "--module", "ownnet:Net", "--out", "run"]
    refused = command(words, project, tmp_path / "own")
    assert refused.returncode == 2 and "not searched" in refused.stderr and not marker.exists()
    assert command(words, project, tmp_path / "own", project).returncode == 0
    # Its maker needs neither the option nor PYTHONPATH.
    assert command(["sample", "run"], project, tmp_path / "own").returncode == 0
    marker.unlink()
    # Somebody else gets a sentence, with consent too: the class lies beside the run.
    for words in (["sample", "run"], ["sample", "run", "--trust"]):
        done = command(words, project, tmp_path / "other", project)
        assert done.returncode == 2 and done.stderr.startswith("zatlas: ") and not marker.exists()
    # From another folder, the class of the same name that they chose themselves is used.
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    (project / "ownnet.py").rename(chosen / "ownnet.py")
    done = command(["sample", "run", "--trust"], project, tmp_path / "other", chosen)
    assert done.returncode == 0 and marker.exists(), done.stderr


@pytest.mark.posix
def test_a_trust_file_that_others_can_write_trusts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "state"))
    folder = import_source(onnx_decoder(tmp_path / "m.onnx"), tmp_path / "run", verbose=False).run.folder
    monkeypatch.setattr(trust, "_trusted", set())
    (tmp_path / "state" / "trusted.json").chmod(0o666)
    with pytest.raises(NeedsTrust):
        Workspace.open(folder)


def test_a_read_only_state_folder_gives_only_a_warning(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "file" / "state"))
    import_source(onnx_decoder(tmp_path / "m.onnx"), tmp_path / "run")
    assert "--trust" in capsys.readouterr().err.replace("\n", " ")


def test_a_classifier_that_lies_in_a_run_needs_consent(tmp_path, monkeypatch, digits):
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "state"))
    folder = import_source(onnx_decoder(tmp_path / "m.onnx"), tmp_path / "run", verbose=False).run.folder
    monkeypatch.setattr(trust, "_trusted", set())
    monkeypatch.setenv("ZATLAS_STATE", str(tmp_path / "other"))
    for spec in (folder / "decoder.onnx", f"{folder}/decoder.onnx:pixels=signed"):
        with pytest.raises(NeedsTrust, match=r"decoder\.onnx"):
            open_classifier(spec)


# Endless programs ---------------------------------------------------------------------------------


def test_a_script_that_loops_while_it_is_read_is_refused_unread(tmp_path):
    torch.jit.script(EndlessToRead()).save(str(tmp_path / "m.pt"))
    with pytest.raises(BadData, match="runs while it is loaded"):
        import_source(tmp_path / "m.pt", tmp_path / "run", shape=(4,), verbose=False)
    assert not list(tmp_path.glob(".side-*"))


def test_an_endless_decoder_is_stopped_and_named(tmp_path, monkeypatch):
    folder = import_source(onnx_decoder(tmp_path / "m.onnx"), tmp_path / "run", verbose=False).run.folder
    data = onnx_decoder(tmp_path / "e.onnx", endless=True).read_bytes()
    atomic.write_file(folder / "decoder.onnx", data)
    workspace = Workspace.open(with_changed_description(folder), trust=True)
    monkeypatch.setattr("zatlas.core.deadline.CALL_SECONDS", 0.3)
    with pytest.raises(ZatlasError, match=r"decoder\.onnx has run for 0\.3 seconds"):
        workspace.decode(np.zeros((1, 4), np.float32))


@pytest.mark.slow
def test_an_endless_program_does_not_keep_the_process_alive(tmp_path):
    endless_script(tmp_path / "m.pt")
    latent = (
        "import sys, zatlas.core.deadline as w; from zatlas.cli import main; w.IMPORT_SECONDS = 1.0\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["import", str(tmp_path / "m.pt"), "--shape", "4", "--out", str(tmp_path / "run")]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", latent, *words], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and "m.pt has run for 1 seconds" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and ".side-" not in done.stderr
    assert os.listdir(tmp_path) == ["m.pt"]


def test_gradients_pass_through_a_program_of_torch(tmp_path):
    torch.jit.script(Decoder().eval()).save(str(tmp_path / "m.pt"))
    module = programs.load(tmp_path / "m.pt")
    z = torch.ones(3, 6, requires_grad=True)
    module(z).sum().backward()
    assert z.grad is not None and float(z.grad.abs().sum()) > 0
    with torch.inference_mode():
        assert module(z).is_inference()


def test_results_errors_and_deadlines_reach_the_caller():
    assert call_with_deadline(lambda: 5, "five") == 5
    with pytest.raises(KeyError, match="inner"):
        call_with_deadline(lambda: {}["inner"], "an error")
    with within(0.2), pytest.raises(ZatlasError, match="a pause has run for"):
        call_with_deadline(lambda: __import__("time").sleep(1), "a pause")


# Bombs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["pt2", "pt"])
def test_a_program_that_would_unpack_to_far_more_is_refused_before(tmp_path, suffix):
    model, good = Decoder().eval(), tmp_path / f"good.{suffix}"
    if suffix == "pt2":
        torch.export.save(torch.export.export(model, (torch.zeros(2, 6),)), good)
    else:
        torch.jit.script(model).save(str(good))
    bomb = tmp_path / f"bomb.{suffix}"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        with new.open(f"{old.namelist()[0].partition('/')[0]}/data/weights/weight_9", "w") as part:
            for _ in range(300):
                part.write(bytes(1 << 20))
    with pytest.raises(BadData, match=rf"bomb\.{suffix} would unpack to 0\.31 GB") as refused:
        import_source(bomb, tmp_path / "run", verbose=False)
    assert ".side-" not in str(refused.value) and not list(tmp_path.glob(".side-*"))


@pytest.mark.slow
def test_a_table_that_needs_too_much_memory_is_refused(tmp_path):
    latents = pa.array(np.zeros((200_000, 2)).tolist())
    texts = pa.array(["x"] * 199_999 + ["y" * 9_000]).dictionary_encode()
    pq.write_table(pa.table({"z": latents, "text": texts}), path := tmp_path / "t.parquet")
    with pytest.raises(BadData, match="Leave that column out"):
        import_source(path, tmp_path / "run", verbose=False)
    many = pa.table({"a": pa.array(np.zeros(1000)), "b": pa.array(np.zeros(1000))})
    pq.write_table(many, path := tmp_path / "m.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zatlas.core.system.SYSTEM.free_memory", lambda: 1000)
        with pytest.raises(ZatlasError, match="memory"):
            import_source(path, tmp_path / "run", verbose=False)


@pytest.mark.slow
def test_a_safetensors_header_is_bounded(tmp_path):
    huge = tmp_path / "huge.safetensors"
    huge.write_bytes(struct.pack("<Q", 9 << 20) + b"{" + b" " * (9 << 20))
    many = tmp_path / "many.safetensors"
    save_file({f"w{i}": torch.zeros(1) for i in range(20_001)}, many)
    for path, output in ((huge, "header of 9,437,184 bytes"), (many, "20,001 tensors")):
        with pytest.raises(BadData, match=output):
            import_source(path, tmp_path / "run", verbose=False)
        with pytest.raises(Damaged, match=output):
            load_weights(path)


# What a file says of itself -----------------------------------------------------------------------


ODD = [
    "{}",
    "hi",
    "[1]",
    "null",
    "[" * 5000,
    '{"format": -1}',
    '{"format": "1"}',
    '{"format": true}',
    '{"format": 99}',
    '{"format": 1}',
    "9" * 5000,
    '{"format": 1, "family": []}',
]
SETTINGS = [
    {"shape": [1, 8]},
    {"shape": [-1, 8, 8]},
    {"shape": [1, 10**12, 8]},
    {"shape": [1, 2**20, 2**20]},
    {"shape": "8"},
    {"classes": [1]},
    {"family": "gam"},
    {"net": "none"},
    {"net": 3},
    {"model": {"dim": 10**12}},
    {"model": {"dim": -1}},
    {"model": {"dim": 2, "beta": "x"}},
    {"layers": {"widths": [10**9]}},
    {"layers": {"widths": [8] * 100_000}},
    {"layers": {"widths": [-1]}},
    {"layers": {"odd": 1}},
    {"net": "conv-deep", "layers": {"blocks": 10**9}, "shape": [1, 64, 64]},
    {"net": "conv", "layers": {"width": 10**9}, "shape": [1, 64, 64]},
    {"model": {"dim": 10**400}},
]


@pytest.mark.parametrize("changed", [*ODD, *SETTINGS], ids=lambda one: str(one)[:30])
def test_weights_with_a_wrong_description_are_refused(changed, digits, tmp_path):
    path = digits.run.weights
    with safe_open(path, framework="pt") as file:
        text = file.metadata()["zatlas"]
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if isinstance(changed, dict):
        changed = json.dumps({**json.loads(text), **changed})
    (tmp_path / "w.safetensors").write_bytes(save(state, metadata={"zatlas": changed}))
    with pytest.raises((Damaged, BadRun)) as refused:
        load_weights(tmp_path / "w.safetensors")
    assert len(str(refused.value)) < 700


KINDS = ["zatlas-inverter", "zatlas-classifier", "zatlas-direction", "zatlas-prior"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ODD[:9])
def test_so_are_encoders_classifiers_directions_and_priors(kind, text, tmp_path):
    from zatlas.latent.priors import load_prior
    from zatlas.models.classifier import load_classifier
    from zatlas.models.inverter import load_inverter
    from zatlas.store import direction_files

    path = tmp_path / "one.safetensors"
    path.write_bytes(save({"a": torch.zeros(2)}, metadata={kind: text}))
    read = {
        "zatlas-inverter": lambda: load_inverter(path, "model"),
        "zatlas-classifier": lambda: load_classifier(path),
        "zatlas-direction": lambda: direction_files.read(path),
        "zatlas-prior": lambda: load_prior(path, "m", "d"),
    }[kind]
    with pytest.raises((Damaged, BadRun)):
        read()


PRIORS = [{"width": 10**9}, {"couplings": 10**9}, {"couplings": True}, {"kind": "mixture"}, {"kind": "x"}]


@pytest.mark.parametrize("changed", PRIORS)
def test_a_prior_that_is_not_as_large_as_it_says_takes_no_memory(changed, tmp_path):
    from zatlas.latent.priors import load_prior
    from zatlas.models.flow import Flow

    about = {
        "format": 1,
        "kind": "flow",
        "model": "m",
        "data": "d",
        "latents": 9,
        "seed": 0,
        "held_out": 1,
        "nats": 0.0,
        "own_prior": 0.0,
        "width": 8,
        "couplings": 2,
    }
    path, state = tmp_path / "p.safetensors", Flow(4, width=8, couplings=2).state_dict()
    path.write_bytes(save(state, metadata={"zatlas-prior": json.dumps(about)}))
    assert load_prior(path, "m", "d") is not None
    path.write_bytes(save(state, metadata={"zatlas-prior": json.dumps({**about, **changed})}))
    with pytest.raises(Damaged):
        load_prior(path, "m", "d")


VALUES = [
    None,
    True,
    -1,
    0,
    3,
    10**18,
    10**400,
    1e308,
    float("nan"),
    "",
    "x",
    "\0",
    "../x",
    [],
    {},
    [1],
    [[]],
    [-1, 2],
    [1, 8, 8],
    [10**9] * 3,
    {"a": {}},
    [None],
    {"net": "dcgan"},
    {"module": "os:system"},
    {"ours": True},
    {"decoder": "made.json"},
    {"weights": "recipe.toml"},
    "weights",
    "codes",
    "function",
    "pythae",
    "diffusers",
    "program",
    "logits",
    "flat",
    "nhwc",
    "log_variance",
    "sphere",
]


def paths(table, at=()):
    """The keys that lead to each value of a table of JSON."""
    yield at
    pairs = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    for key, inner in pairs:
        yield from paths(inner, (*at, key))


def changed_at(table, at, value):
    """Put a copy of a value there; nothing, where an earlier change has removed the place."""
    try:
        for key in at[:-1]:
            table = table[key]
        table[at[-1]] = deepcopy(value)
    except (KeyError, IndexError, TypeError):
        pass


@pytest.mark.slow
def test_five_hundred_changed_tables_give_a_result_or_an_error_message(tmp_path):
    save_file(Decoder().state_dict(), tmp_path / "w.safetensors")
    save_file(DCGAN(4).decoder((1, 16, 16), 8).state_dict(), tmp_path / "d.safetensors")
    table = {"z": np.ones((50, 3)).tolist(), "label": ["a", "b"] * 25}
    pq.write_table(pa.table(table), tmp_path / "c.parquet")
    sources = {
        "m.onnx": {},
        "w.safetensors": {"module": "tests.test_importers:Decoder"},
        "d.safetensors": {},
        "c.parquet": {},
    }
    onnx_decoder(tmp_path / "m.onnx")
    runs = [
        import_source(tmp_path / name, tmp_path / f"run-{name}", verbose=False, **settings).run.folder
        for name, settings in sources.items()
    ]
    draw, refused = random.Random(0), 0
    for _ in range(500):
        folder = draw.choice(runs)
        good = (folder / "made.json").read_bytes()
        provenance = json.loads(good)
        for _ in range(draw.randint(1, 3)):
            names = [at for at in paths(provenance) if at and at[0] in ("imported", "format", "zatlas")]
            changed_at(provenance, draw.choice(names), draw.choice(VALUES))
        atomic.write_file(folder / "made.json", json.dumps(provenance).encode())
        try:
            workspace = Workspace.open(folder, trust=True)
            if workspace.source.decodes:
                workspace.decode(np.zeros((2, workspace.dim), np.float32))
            elif workspace.has_dataset:
                assert len(workspace.dataset) == 50
        except ZatlasError as error:
            refused += 1
            assert len(str(error)) < 900
        atomic.write_file(folder / "made.json", good)
    assert refused > 400


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_a_changed_byte_of_an_imported_model_is_detected(kind, tmp_path):
    save_file(Decoder().state_dict(), tmp_path / "w.safetensors")
    source, settings = {
        "onnx": (onnx_decoder(tmp_path / "m.onnx"), {}),
        "safetensors": (tmp_path / "w.safetensors", {"module": "tests.test_importers:Decoder"}),
    }[kind]
    folder = import_source(source, tmp_path / "run", verbose=False, **settings).run.folder
    (file,) = [one for one in folder.iterdir() if one.name.startswith(("decoder", "weights"))]
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(Damaged, match=re.escape(file.name)):
        Workspace.open(folder, trust=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m.onnx", "m.pt2", "m.pt", "m.safetensors"])
def test_an_error_names_the_file_that_the_user_gave(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no model at all" * 9)
    assert main(["import", str(tmp_path / name), "--out", str(tmp_path / "run")]) == 2
    output = capsys.readouterr().err
    assert name in output and ".side-" not in output
    encoder = tmp_path / "encoder.onnx"
    encoder.write_bytes(b"no encoder")
    words = ["import", str(onnx_decoder(tmp_path / "good.onnx")), "--encoder", str(encoder)]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    output = capsys.readouterr().err
    assert str(encoder) in output and ".side-" not in output


def test_dependencies_start_at_versions_without_known_vulnerabilities():
    def parts(version):
        return tuple(map(int, version.split(".")))

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = dict(each.split(",")[0].split(">=") for each in project["dependencies"])
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    for name, least in FLOORS.items():
        assert parts(floors[name]) >= parts(least), name
        assert parts(pinned[name]) >= parts(least), name
