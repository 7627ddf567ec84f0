"""Checkpoints of other programs that were damaged or made to do harm, each imported by the command.

A case is a good source with one change. It is imported in a forked process, which must end with exit code 0
or 2 and one message, and must not run what the file asks for. There the child process that reads a pickle is
called as a function, so that a case costs no import of torch.
"""

import importlib
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests import stylegan_files
from tests.hostile.child import in_child
from tests.test_imported_gans import SMALL, small_shapes
from tests.test_programs import VALUES, changed_at, paths
from tests.test_references import fixture, torch_weights
from tests.test_stylegan_hostile import mutated
from zatlas.cli import main
from zatlas.models.importers import network_pickle, pickle_file

SECONDS = 40.0
MEMORY = 1 << 30
OUTLINE = "holds weights without their net"  # the message with lines of Python to complete
Make = Callable[[Path], Path]


class Calls:
    """An object that runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.command = f"touch {path}"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


# Good sources


def _saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def _light(folder: Path) -> Path:
    state = torch_weights(fixture("light-16-opacity")[0])
    return _saved({"GAN": state, "version": "1.8.9"}, folder / "model_3.pt")


def _rosinality(folder: Path) -> Path:
    return stylegan_files.write(stylegan_files.CASES["rosinality"], folder)


def _progan(folder: Path) -> Path:
    state = {**torch_weights(fixture("progan-32")[0]), "lod": torch.tensor(0.0)}
    return _saved({"models": {"generator_smooth": state}}, folder / "progan.pth")


def _biggan(folder: Path) -> Path:
    return _saved(torch_weights(fixture("plain-32")[0]), folder / "G_ema.pth")


def _biggan_folder(folder: Path) -> Path:
    (folder / "config.json").write_text(json.dumps(SMALL), encoding="utf-8")
    _saved(torch_weights(small_shapes()), folder / "pytorch_model.bin")
    return folder


def _lightning(folder: Path) -> Path:
    names = {"decoder.0": nn.Linear(5, 16), "decoder.2": nn.Linear(16, 64)}
    state = {
        f"model.{name}.{part}": value
        for name, net in names.items()
        for part, value in net.state_dict().items()
    }
    content = {
        "state_dict": state,
        "optimizer_states": [{}],
        "hyper_parameters": {"latent_dim": 5},
        "epoch": 3,
    }
    return _saved(content, folder / "last.ckpt")


def _diffusers(folder: Path) -> Path:
    from diffusers import AutoencoderTiny

    sizes = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8), "latent_channels": 2}
    blocks = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    AutoencoderTiny(**sizes, **blocks).save_pretrained(folder)
    return folder


SOURCES: Mapping[str, Make] = {
    "stylegan2-pytorch": _light,
    "rosinality": _rosinality,
    "progan": _progan,
    "biggan": _biggan,
    "biggan folder": _biggan_folder,
    "lightning": _lightning,
}
DIFFUSERS: Mapping[str, Make] = {"diffusers": _diffusers}  # where its package is installed


# Changes that do harm


def _tables(content: Any) -> list[dict[str, torch.Tensor]]:
    """Every mapping of tensors in the content."""
    if not isinstance(content, dict):
        return []
    inner = [table for value in content.values() for table in _tables(value)]
    return [content, *inner] if any(isinstance(value, torch.Tensor) for value in content.values()) else inner


def _weights_of(source: Path) -> Path:
    files = [source] if source.is_file() else sorted(source.iterdir())
    return next(file for file in files if file.suffix != ".json")


def _change_tensors(source: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the largest table of tensors of a source."""
    path = _weights_of(source)
    if path.suffix == ".safetensors":
        state = load_file(path)
        change(state)
        save_file({name: value.contiguous().clone() for name, value in state.items()}, path)
        return
    content = torch.load(path, weights_only=True)
    change(max(_tables(content), key=len))
    torch.save(content, path)


def _fill(value: float, table: dict[str, Any]) -> None:
    table.update(
        {name: torch.full_like(tensor, value) for name, tensor in table.items() if tensor.is_floating_point()}
    )


def _rename(table: dict[str, Any]) -> None:
    for name in list(table)[:3]:
        table[f"../../{name}\n\x1b[31m"] = table.pop(name)


def _beside(touched: Path, path: Path) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, "hyper_parameters": Calls(touched)}, path)


def _inside(touched: Path, path: Path) -> None:
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(name, pickle.dumps(Calls(touched), 2) if name.endswith("data.pkl") else data)


def _huge(table: dict[str, Any]) -> None:
    name = next(iter(table))
    table[name] = torch.zeros(1).expand(10**10)


def harms(touched: Path) -> Mapping[str, Callable[[Path], object]]:
    """Changes of a source that try to run a command, to fill the memory or to confuse, by name."""

    def on_weights(change: Callable[[Path], object]) -> Callable[[Path], object]:
        return lambda source: change(_weights_of(source))

    return {
        "os.system beside the weights": on_weights(partial(_beside, touched)),
        "os.system instead of the weights": on_weights(partial(_inside, touched)),
        "an old pickle": on_weights(lambda path: path.write_bytes(pickle.dumps({"a": Calls(touched)}, 2))),
        "10 billion numbers": lambda source: _change_tensors(source, _huge),
        "NaN": lambda source: _change_tensors(source, partial(_fill, float("nan"))),
        "infinity": lambda source: _change_tensors(source, partial(_fill, float("inf"))),
        "odd names": lambda source: _change_tensors(source, _rename),
        "empty": on_weights(lambda path: path.write_bytes(b"")),
        "half": on_weights(lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])),
    }


# Changes at random

TENSORS: tuple[Callable[[torch.Tensor], Any], ...] = (
    lambda tensor: tensor.flatten()[:1].reshape(()),
    lambda tensor: tensor[:0],
    lambda tensor: tensor.unsqueeze(-1),
    lambda tensor: tensor.repeat(2, *[1] * (tensor.ndim - 1)) if tensor.ndim else tensor,
    lambda tensor: tensor.to(torch.int64),
    lambda tensor: tensor.to(torch.complex64),
    lambda tensor: tensor.to(torch.float16),
    lambda tensor: -1e30 * tensor,
    lambda tensor: torch.zeros(3, 5),
)


def mutate(source: Path, number: int) -> None:
    """Change a file of a source: some bytes, a value of its configuration, or a tensor."""
    rng = random.Random(number)
    file = rng.choice([source] if source.is_file() else sorted(source.iterdir()))
    if rng.random() < 0.4:
        file.write_bytes(mutated(file.read_bytes(), number))
    elif file.suffix == ".json":
        table = json.loads(file.read_text(encoding="utf-8"))
        changed_at(table, rng.choice([at for at in paths(table) if at]), rng.choice(VALUES))
        file.write_text(json.dumps(table), encoding="utf-8")
    else:
        _change_tensors(source, partial(_mutate_tensor, rng))


def _mutate_tensor(rng: random.Random, table: dict[str, Any]) -> None:
    name = rng.choice([name for name, value in table.items() if isinstance(value, torch.Tensor)])
    kind = rng.random()
    if kind < 0.2:
        del table[name]
    elif kind < 0.3:
        table[f"{name}.{rng.randrange(9)}"] = table.pop(name)
    else:
        table[name] = rng.choice(TENSORS)(table[name])


# What comes of it


def outcome(source: Path, folder: Path, touched: Path) -> str:
    """Import a source by the command; return "a model", "refused", or what is wrong."""
    run, printed = folder / "run", folder / "printed"
    report = in_child(partial(_import, source, run), printed, seconds=SECONDS, steps=True)
    text = printed.read_text(errors="replace")
    if touched.exists():
        return f"it ran a command: {text}"
    if (status := report.steps.get("status")) not in ("0", "2"):
        return f"it ended with {status or report.ended}: {text}"
    if status == "0":
        return "a model"
    lines = text.strip().splitlines()
    if run.exists() or not lines or not lines[-1 if OUTLINE not in text else 0].startswith("zatlas: "):
        return f"no message, or files are left: {text}"
    extra = [line for line in lines if line.startswith("zatlas: ")]
    return "refused" if len(extra) == 1 and "Traceback" not in text else f"more than one message: {text}"


def _import(source: Path, run: Path, note: Callable[[str], None]) -> None:
    for module in (pickle_file, network_pickle):
        module.in_child = _read_here
    note(f"status={main(['import', str(source), '--out', str(run), '--quiet'])}")


def _read_here(module: str, source: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Read a pickle as the child process does, with its limits, in this process."""
    reader = importlib.import_module(module)
    answer = reader.main({"source": str(source), "memory": MEMORY, **request})
    return pickle_file.checked(json.loads(json.dumps(answer)), source)


def all_outcomes(count: int, folder: Path, sources: Mapping[str, Make] = SOURCES) -> dict[str, str]:
    """The outcome of every harm on every source, and of `count` changes at random."""
    touched, results = folder / "touched", {}
    good = {}
    for name, make in sources.items():
        (folder / name).mkdir()
        good[name] = make(folder / name)

    def case(title: str, name: str, change: Callable[[Path], object]) -> None:
        place = folder / "case"
        shutil.copytree(folder / name, place / "files")
        source = place / "files" / good[name].relative_to(folder / name)
        change(source)
        results[f"{name}: {title}"] = outcome(source, place, touched)
        shutil.rmtree(place)

    for name in sources:
        case("unchanged", name, lambda source: None)
        for title, change in harms(touched).items():
            if name != "diffusers" or not title.startswith(("os.system", "10 billion")):
                case(title, name, change)
    names = list(sources)
    for number in range(count):
        case(
            f"mutation {number}",
            names[number % len(names)],
            lambda source, number=number: mutate(source, number),
        )
    return results
