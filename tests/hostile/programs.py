"""Cases with code: modules that a run names, programs that it holds, and models to import."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from tests.hostile.case import Case, cleared, edit_json
from tests.hostile.reader import LOOKED
from tests.hostile.world import Change, World

MODULES = (
    "evilnet:Net",
    "evilnet:Net()",
    "evilnet:Net(2, width=8)",
    "evilpkg.inner:Net",
    "run.evilnet:Net",
    "evilnet:make",
    ".evilnet:Net",
    "evilnet",
    "os:system",
    "builtins:eval",
    "builtins:exec",
    "subprocess:run",
    "importlib:import_module",
    "sitecustomize:Net",
    "antigravity:Net",
    "runpy:run_path",
    "pdb:Pdb",
)
NET = """
import torch
class Net(torch.nn.Linear):
    def __init__(self, *a, **k):
        super().__init__(2, 64)
"""


def _code(world: World) -> str:
    return f"{world.payload()}{NET}def make(*a, **k):\n    {world.payload()}    return Net()\n"


def _module(spec: str, role: str) -> Change:
    """The run's made.json names a module, whose file lies beside the run, in it and in a package."""

    def change(world: World) -> None:
        latent = _code(world)
        (world.downloads / "evilpkg").mkdir()
        for name in ("evilnet.py", "sitecustomize.py", "evilpkg/__init__.py", "evilpkg/inner.py"):
            (world.downloads / name).write_text(latent)
        for name in ("evilnet.py", "__init__.py", "conftest.py"):
            (world.run / name).write_text(latent)
        shutil.copy(world.base.run("run") / "weights.safetensors", world.run)
        edit_json("made.json", lambda made: _with_module(made, spec, role))(world)

    return change


def _with_module(created: dict[str, Any], spec: str, role: str) -> dict[str, Any]:
    imported = created["imported"]
    kinds = {
        "weights": ("weights", {"weights": "weights.safetensors"}, {"module": spec}),
        "encoder": (imported["kind"], imported["files"], {**imported["settings"], "encoder": spec}),
        "kind": (spec, imported["files"], {"module": spec, "class": spec}),
        "pythae": ("pythae", {"weights": "weights.safetensors"}, {"module": spec, "encoder": spec}),
    }
    imported["kind"], imported["files"], imported["settings"] = kinds[role]
    return created


def _program(make: Callable[[], bytes], kind: str = "onnx", name: str = "decoder.onnx") -> Change:
    """The file of an imported model is this program."""

    def change(world: World) -> None:
        cleared(world.run / name).write_bytes(make())

        def edit(created: dict[str, Any]) -> dict[str, Any]:
            created["imported"] |= {"kind": kind, "files": {"decoder": name}}
            return created

        edit_json("made.json", edit)(world)

    return change


def _graph(nodes: list[Any], *, constants: tuple[Any, ...] = (), domains: tuple[str, ...] = ()) -> bytes:
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 2])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])
    graph = helper.make_graph(nodes, "g", [z], [x], list(constants))
    sets = [helper.make_opsetid("", 18), *(helper.make_opsetid(one, 1) for one in domains)]
    return helper.make_model(graph, opset_imports=sets, ir_version=9).SerializeToString()


def _whole(name: str, value: list[int]) -> Any:
    return helper.make_tensor(name, TensorProto.INT64, [len(value)], value)


def endless() -> bytes:
    """An ONNX program whose loop never ends."""
    keep = helper.make_tensor_value_info("keep", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["keep"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, None),
        ],
        [keep, helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
    )
    forever = helper.make_tensor("forever", TensorProto.BOOL, [], [True])
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["image"]),
        helper.make_node("Loop", ["", "forever", "image"], ["x"], body=body),
    ]
    w = helper.make_tensor("w", TensorProto.FLOAT, [2, 64], np.zeros(128, np.float32))
    return _graph(nodes, constants=(w, _whole("shape", [-1, 1, 8, 8]), forever))


def bomb() -> bytes:
    """An ONNX program of a few bytes that asks for a terabyte."""
    nodes = [
        helper.make_node("Expand", ["one", "large"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["z", "w"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["image"]),
        helper.make_node("Add", ["image", "sum"], ["x"]),
    ]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    w = helper.make_tensor("w", TensorProto.FLOAT, [2, 64], np.zeros(128, np.float32))
    shape, large = _whole("shape", [-1, 1, 8, 8]), _whole("large", [1 << 20, 1 << 18])
    return _graph(nodes, constants=(one, w, shape, large))


def custom() -> bytes:
    """An ONNX program with an operation of its own."""
    node = helper.make_node("Run", ["z"], ["x"], domain="evil", command="touch executed")
    return _graph([node], domains=("evil",))


def external(location: str, length: int | None = None) -> bytes:
    """An ONNX program whose weights lie in another file."""
    w = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 64])
    w.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", length)):
        if value is not None:
            w.external_data.add(key=key, value=str(value))
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["x"]),
    ]
    return _graph(nodes, constants=(w, _whole("shape", [-1, 1, 8, 8])))


def script_loop() -> bytes:
    """A TorchScript program that never ends."""

    class Endless(torch.nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            while bool((z == z).all()):
                z = z + 1
            return z

    into = io.BytesIO()
    torch.jit.save(torch.jit.script(Endless()), into)
    return into.getvalue()


class Payload:
    """Unpickled, it executes the text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> Any:
        return (exec, (self.text,))


def pickled(world: World, how: str) -> bytes:
    """A pickle that leaves the marker, in a format that usually holds tensors or arrays."""
    payload, into = Payload(world.payload()), io.BytesIO()
    if how == "npy":
        np.save(into, np.array([payload], object), allow_pickle=True)
    elif how == "npz":
        np.savez(into, codes=np.array([payload], object))
    elif how == "raw":
        pickle.dump(payload, into)
    elif how == "zip":
        with zipfile.ZipFile(into, "w") as file:
            file.writestr("archive/data.pkl", pickle.dumps(payload))
            file.writestr("archive/version", "3\n")
    else:
        torch.save({"state_dict": payload, "w": torch.zeros(2)}, into)
    return into.getvalue()


def zip_bomb() -> bytes:
    """A small archive that unpacks to a gigabyte."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/version", "3\n")
        with file.open("archive/data.pkl", "w", force_zip64=True) as inner:
            for _ in range(256):
                inner.write(bytes(1 << 22))
    return into.getvalue()


def npy_header(shape: str) -> bytes:
    """The header of an array of this shape, with no data."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _imported_file(name: str, make: Callable[[World], bytes]) -> Change:
    return lambda world: (world.downloads / name).write_bytes(make(world)) and None


def _page_net(make: Callable[[], bytes]) -> Change:
    """The nets that are stored for the page are this program."""

    def change(world: World) -> None:
        for path in world.run.glob("site/*/*.onnx"):
            path.write_bytes(make())

    return change


PROGRAMS: dict[str, Change] = {
    "endless onnx": _program(endless),
    "onnx bomb": _program(bomb),
    "onnx custom operation": _program(custom),
    "torchscript": _program(script_loop, "torchscript", "decoder.pt"),
    "program": _program(script_loop, "program", "decoder.pt"),
    "zip bomb": _program(zip_bomb, "program", "decoder.pt2"),
    **{
        f"external data {where[:30]}": _program(lambda where=where: external(where))
        for where in ("../../home/Documents/secret.txt", "/etc/passwd", "made.json", "../../x", "")
    },
}
MODELS: dict[str, tuple[str, Callable[[World], bytes]]] = {
    **{
        f"pickle as {name} ({how})": (name, lambda world, how=how: pickled(world, how))
        for how in ("torch", "raw", "zip", "npy", "npz")
        for name in ("model.pt", "model.pth", "model.safetensors", "model.onnx", "model.npy", "model.pt2")
        if (how in ("torch", "raw")) or name.endswith((how, ".pt", "2"))
    },
    "endless onnx": ("model.onnx", lambda _: endless()),
    "onnx bomb": ("model.onnx", lambda _: bomb()),
    "onnx custom operation": ("model.onnx", lambda _: custom()),
    "onnx external data": ("model.onnx", lambda _: external("../home/Documents/secret.txt")),
    "endless torchscript": ("model.pt", lambda _: script_loop()),
    "zip bomb pt": ("model.pt", lambda _: zip_bomb()),
    "zip bomb pt2": ("model.pt2", lambda _: zip_bomb()),
    "huge npy": ("model.npy", lambda _: npy_header("(4611686018427387904, 64)")),
    "large npy": ("model.npy", lambda _: npy_header("(400000000, 64)")),
    "deep npy": ("model.npy", lambda _: npy_header("(" * 90)),
    "negative npy": ("model.npy", lambda _: npy_header("(-1, 64)")),
    "json": ("model.json", lambda _: json.dumps({"a": 1}).encode()),
    "onnx noise": ("model.onnx", lambda _: onnx.__version__.encode() * 99),
}


def cases() -> Iterator[Case]:
    """Modules by name in each role, programs in a run, and models to import."""
    roles = ("weights", "encoder", "kind", "pythae")
    for number, spec in enumerate(MODULES):
        for role in roles if number < 3 else ("weights", roles[1 + number % 3]):
            yield Case(f"module {spec} as {role}", _module(spec, role), LOOKED, "imported")
    for name, change in PROGRAMS.items():
        yield Case(f"program {name}", change, LOOKED, "imported")
    for name, make in (("endless", endless), ("bomb", bomb), ("custom", custom)):
        yield Case(f"the page's net is {name}", _page_net(make), LOOKED)
    for name, (file, model) in MODELS.items():
        yield Case(f"import {name}", _imported_file(file, model), ("import",))
