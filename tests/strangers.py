"""Untrusted runs and files: programs with side effects, programs that never end, wrong descriptions."""

import json
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from zatlas.models.importers.description_table import digest_of_all, read_table
from zatlas.store import atomic

DIM = 4


def with_changed_description(folder: Path, **changed) -> Path:
    """An imported run with parts of its table changed, and the digest that goes with them."""
    created = json.loads((folder / "made.json").read_text())
    created["imported"] |= changed
    imported = read_table(created["imported"])
    created["imported"]["digest"] = digest_of_all(imported, folder)
    atomic.write_file(folder / "made.json", json.dumps(created).encode())
    return folder


class Endless(nn.Module):
    """A decoder that never returns."""

    def forward(self, z: Tensor) -> Tensor:
        x = z.sum()
        while bool(x == x):
            x = x * 1.0
        return z


class EndlessToRead(nn.Module):
    """A decoder that loops while torch reads its file."""

    def __init__(self):
        super().__init__()
        self.count = 1

    def forward(self, z: Tensor) -> Tensor:
        return z

    @torch.jit.export
    def __getstate__(self):
        return self.count, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]):
        self.count, self.training = state
        while self.count > 0:
            self.count = 1


def endless_script(path: Path) -> Path:
    """Write a TorchScript decoder of latents (n, 4) that never returns."""
    torch.jit.script(Endless()).save(str(path))
    return path


def onnx_decoder(path: Path, *, endless: bool = False) -> Path:
    """Write an ONNX decoder of latents (n, 4) to images of 2x2, optionally with an endless loop."""
    value = helper.make_tensor_value_info
    target_shape = helper.make_tensor("target_shape", TensorProto.INT64, [4], [-1, 1, 2, 2])
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=target_shape),
        helper.make_node("Sigmoid", ["r" if endless else "z"], ["s"]),
        helper.make_node("Reshape", ["s", "shape"], ["x"]),
    ]
    if endless:
        inside = [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, [])]
        inside.append(value("a", TensorProto.FLOAT, ["n", DIM]))
        outside = [value("d", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, ["n", DIM])]
        same = [helper.make_node("Identity", [a], [b]) for a, b in (("c", "d"), ("a", "b"))]
        body = helper.make_graph(same, "body", inside, outside)
        yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
        nodes.insert(0, helper.make_node("Constant", [], ["t"], value=yes))
        nodes.insert(1, helper.make_node("Loop", ["", "t", "z"], ["r"], body=body))
    takes, gives = ([value("z", TensorProto.FLOAT, ["n", DIM])], [value("x", TensorProto.FLOAT, None)])
    graph = helper.make_graph(nodes, "decoder", takes, gives)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path
