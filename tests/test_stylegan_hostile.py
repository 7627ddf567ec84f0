"""Damaged and hostile pickles of StyleGAN: nothing of them runs, and each gives one sentence or a model."""

import json
import os
import pickle
import random
import struct
import time
from pathlib import Path

import pytest
import torch

from tests import stylegan_files
from tests.hostile.child import in_child
from zatlas.cli import main
from zatlas.core.errors import ZatlasError
from zatlas.models.importers import discriminator, network_pickle, stylegan
from zatlas.models.importers.imported import ImportOptions

COUNT = 300
SECONDS = 20.0
MEMORY = 1 << 30
CASE = stylegan_files.Case("ada", widths=(4, 4, 4), z_dim=4, w_dim=4, depth=1)
JUDGE = stylegan_files.Judge("skip", widths=(4, 4, 4))


class Calls:
    """An object that runs a command when it is unpickled."""

    def __init__(self, path, *parts):
        self.command = f"touch {path}"

    def __reduce__(self):
        return os.system, (self.command,)


def short(text: bytes) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text


def call(module: bytes, name: bytes, argument: bytes) -> bytes:
    """A call of this function with a text, in the operations of a pickle."""
    return short(module) + short(name) + b"\x93" + short(argument) + b"\x85R"


def with_tensor(size=(4,), stride=(1,), offset=0, storage=None) -> bytes:
    """A network with one tensor of this shape, over four numbers."""
    network = stylegan_files.module({"w": torch.zeros(4)}, {}, {"a": 1})
    if storage is not None:
        network.state["_parameters"]["w"] = storage
        return stylegan_files.pickled({"G_ema": network})

    class Tensor:
        def __reduce__(self):
            arguments = (torch.zeros(4).untyped_storage(), offset, size, stride, False, {})
            return torch._utils._rebuild_tensor_v2, (torch.zeros(4)._typed_storage(), *arguments[1:])

    network.state["_parameters"]["w"] = Tensor()
    return stylegan_files.pickled({"G_ema": network})


def nested(path: Path) -> bytes:
    """A tensor whose data are a pickle that runs a command."""

    class Storage:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (pickle.dumps(Calls(path)),)

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Storage(), 0, (4,), (1,), False, {})

    return with_tensor(storage=Tensor())


def whole() -> bytes:
    """A pickle with a generator and its discriminator."""
    networks = {"G_ema": stylegan_files.generator(CASE), "D": stylegan_files.judge_module(JUDGE)}
    return stylegan_files.pickled(networks)


def odd_group(size: int) -> bytes:
    """A pickle whose discriminator compares groups of this size."""
    judge = stylegan_files.judge_module(JUDGE)
    judge.state["_modules"]["b4"].state["_modules"]["mbstd"].state["group_size"] = size
    return stylegan_files.pickled({"G_ema": stylegan_files.generator(CASE), "D": judge})


def hostile(path: Path) -> dict[str, bytes]:
    """Files that were made to run a command, to fill the memory or to hang, by what they do."""
    good = whole()
    line = f"touch {path}".encode()
    code = f"import os; os.system('touch {path}')".encode()
    deep = b"\x80\x04" + b"(" * 200_000 + b"N" + b"t" * 200_000 + b"."
    loop = b"\x80\x04]\x94h\x00a."
    return {
        "os.system": pickle.dumps(Calls(path)),
        "os.system in a network": stylegan_files.pickled(
            {"G_ema": stylegan_files.generator(CASE), "x": Calls(path)}
        ),
        "posix.system": b"\x80\x04" + call(b"posix", b"system", line) + b".",
        "builtins.exec": b"\x80\x04" + call(b"builtins", b"exec", code) + b".",
        "builtins.eval": b"\x80\x04" + call(b"builtins", b"eval", code) + b".",
        "INST": b"(S'" + line + b"'\nios\nsystem\n.",
        "OBJ": b"\x80\x02(cos\nsystem\nS'" + line + b"'\no.",
        "extension registry": b"\x80\x02\x82\x01.",
        "persistent id": b"\x80\x04P" + line + b"\n.",
        "in the data of a tensor": nested(path),
        "source code of a network": good,
        "os.system in a discriminator": stylegan_files.pickled(
            {"G_ema": stylegan_files.generator(CASE), "D": {"a": Calls(path)}}
        ),
        "discriminator in groups of 3": odd_group(3),
        "discriminator in groups of a million": odd_group(10**6),
        "deep": deep,
        "in itself": loop,
        "modules in themselves": b"\x80\x04}\x94\x8c\x05G_ema\x94h\x00s.",
        "a text of 4 GB": b"\x80\x04X" + struct.pack("<I", 2**32 - 1) + b"x.",
        "bytes of 8 EB": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
        "memo of 4 billion": b"\x80\x04Nr" + struct.pack("<I", 2**32 - 1) + b".",
        "a number of many digits": b"\x80\x02I" + b"9" * 2_000_000 + b"\n.",
        "3 million operations": b"\x80\x04" + b"N0" * 1_500_000 + b"N.",
        "a tensor beyond its data": with_tensor(size=(8,)),
        "a tensor of 10 billion": with_tensor(size=(10**10,), stride=(0,)),
        "a negative size": with_tensor(size=(-4,)),
        "a negative offset": with_tensor(offset=-1),
        "an offset beyond its data": with_tensor(offset=1 << 40),
        "empty": b"",
        "no pickle": b"not a pickle",
        "cut": good[: len(good) // 2],
        "TensorFlow": b"\x80\x04" + b"cdnnlib.tflib.network\nNetwork\n)\x81" + b"\x85.",
    }


def mutated(good: bytes, number: int) -> bytes:
    """Return the bytes with some of them changed, cut or repeated, by the number of the mutation."""
    rng, data = random.Random(number), bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        at = rng.randrange(len(data))
        if rng.random() < 0.7:
            data[at] = rng.randrange(256)
        elif rng.random() < 0.5:
            del data[at : at + rng.randrange(1, 40)]
        else:
            data[at:at] = data[at : at + rng.randrange(1, 40)]
    return bytes(data)


def read(path: Path, side: Path) -> str:
    """Import the file as the child process and its parent do, and return one line about the result."""
    request = {"source": str(path), "into": str(side / stylegan.FILE), "key": None, "memory": MEMORY}
    request["discriminator"] = str(side / discriminator.FILE)
    answer = json.loads(json.dumps(network_pickle.main(request)))
    if "error" in answer or "unknown" in answer:
        return str(answer.get("error") or answer["names"])
    try:
        info = stylegan.from_network(network_pickle.network_of(answer), path, side, ImportOptions())
        files = {role: side / name for role, name in info.files.items()}
        halves = stylegan.load(files, info.settings)
        if halves.realism is not None:
            halves.realism(torch.zeros(1, 3, CASE.side, CASE.side), torch.zeros(1).long())
        halves.decode(torch.zeros(1, *info.shapes[0]), *([torch.zeros(1).long()] if info.classes else []))
    except ZatlasError as error:
        return str(error)
    return "a model"


def outcome(data: bytes, folder: Path) -> str:
    """Read a file in a process of its own; return its line, or how the process ended."""
    folder.mkdir()
    (folder / "x.pkl").write_bytes(data)
    report = in_child(
        lambda note: note("read=" + read(folder / "x.pkl", folder).replace("\n", "¶")),
        folder / "output",
        seconds=SECONDS,
        steps=True,
    )
    return report.steps.get("read", f"ended: {report.ended}")


@pytest.mark.slow
def test_300_mutated_and_hostile_pickles_run_nothing_and_never_hang(tmp_path):
    path = tmp_path / "touched"
    files = hostile(path)
    good = whole()
    files |= {f"mutation {number}": mutated(good, number) for number in range(COUNT - len(files))}
    assert len(files) == COUNT
    results = {}
    for number, (name, data) in enumerate(files.items()):
        results[name] = outcome(data, tmp_path / str(number))
        assert not path.exists(), name
    wrong = {name: line for name, line in results.items() if line.startswith("ended") or "¶" in line}
    assert not wrong
    assert results["source code of a network"] == "a model"
    models = [name for name, line in results.items() if line == "a model"]
    print(f"{COUNT} files: {len(models)} models, {COUNT - len(models)} refused")
    assert not [name for name in models if name in files and name.startswith(("a ", "an ", "cut", "empty"))]


@pytest.mark.slow
def test_hostile_pickles_are_refused_by_the_command_in_one_line(tmp_path, capfd):
    path = tmp_path / "touched"
    for name in (
        "os.system",
        "in the data of a tensor",
        "a tensor of 10 billion",
        "in itself",
        "cut",
        "TensorFlow",
    ):
        (tmp_path / "x.pkl").write_bytes(hostile(path)[name])
        started = time.monotonic()
        assert main(["import", str(tmp_path / "x.pkl"), "--out", str(tmp_path / "run")]) == 2, name
        output = capfd.readouterr()
        assert output.err.startswith("zatlas: ") and output.err.count("\n") == 1 and not output.out
        assert [item.name for item in tmp_path.iterdir()] == ["x.pkl"] and time.monotonic() - started < 60
