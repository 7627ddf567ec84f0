"""A brought ONNX graph between ends that every page knows: flat points in, images from 0 to 1 out.

A graph that takes a fixed number of rows is run in turns by the file itself (the operator Scan), so that
whoever runs it may give any number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zatlas.core.errors import NotSupported, first_line
from zatlas.core.space import Space
from zatlas.models.bring.brought import Brought, shape_of

OPSET = 18  # that older graphs are lifted to
OLDEST = 13  # whose operators are those that are written here
OWN = "brought/"  # before each name of the graph, so that ours are free


def framed(model: Any, gives: str, brought: Brought) -> Any:
    """The whole file of a decoder (which gives "x") or an encoder ("z") around the graph of one half."""
    from onnx import TensorProto, helper

    model = _modern(model)
    _rename(model.graph)
    known = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in known]
    inputs.sort(key=lambda one: _kind(one) in (TensorProto.INT64, TensorProto.INT32))  # labels last
    ends, image, dim = Ends(), tuple(brought.image), Space(tuple(brought.shape)).dim
    given = "z" if gives == "x" else "x"
    rows = (
        ends.add("Reshape", "z", ends.whole(-1, *brought.shape))
        if gives == "x"
        else _from_images(ends, brought)
    )
    fed = [ends.add("Cast", rows, to=_kind(inputs[0]))]
    fed += [ends.add("Cast", "y", to=_kind(one)) for one in inputs[1:]]
    wide = shape_of(image, brought.layout) if gives == "x" else (dim,)
    raw = ends.add("Cast", _answer(ends, model.graph, inputs, fed, wide), to=TensorProto.FLOAT)
    made = _to_images(ends, raw, brought) if gives == "x" else raw
    last = (*image,) if gives == "x" else (dim,)
    ends.nodes.append(helper.make_node("Reshape", [made, ends.whole(-1, *last)], [gives]))
    make = helper.make_tensor_value_info
    takes = [make(given, TensorProto.FLOAT, ["n", *((dim,) if gives == "x" else image)])]
    takes += [make("y", TensorProto.INT64, ["n"]) for _ in inputs[1:]]
    graph = helper.make_graph(
        ends.nodes, "brought", takes, [make(gives, TensorProto.FLOAT, ["n", *last])], ends.constants
    )
    model.graph.CopyFrom(graph)
    return model


@dataclass
class Ends:
    """Operators and constants, in order."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, kind: str, *given: str, **settings: Any) -> str:
        """One more operator; the name of its answer."""
        from onnx import helper

        name = f"{kind.lower()} {len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, given, [name], **settings))
        return name

    def whole(self, *values: int) -> str:
        """A constant of whole numbers."""
        return self._constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """A constant number."""
        return self._constant(np.array(value, np.float32))

    def _constant(self, values: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"constant {len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def _answer(ends: Ends, graph: Any, inputs: Sequence[Any], fed: Sequence[str], wide: tuple[int, ...]) -> str:
    """What the graph makes of these rows, each of which it answers with so many numbers."""
    from onnx import helper

    first = graph.output[0]
    rows = inputs[0].type.tensor_type.shape.dim[0].dim_value  # 0 where it is open
    if not rows:
        ends.constants.extend(graph.initializer)
        for one, name in zip(inputs, fed, strict=True):
            ends.nodes.append(helper.make_node("Identity", [name], [one.name]))
        ends.nodes.extend(graph.node)
        return str(first.name)
    count = ends.add("Slice", ends.add("Shape", fed[0]), ends.whole(0), ends.whole(1))
    turns = ends.add("Div", ends.add("Add", count, ends.whole(rows - 1)), ends.whole(rows))
    full = ends.add("Mul", turns, ends.whole(rows))
    parts = []
    for one, name in zip(inputs, fed, strict=True):
        sizes = [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        if rows > 1:  # the last turn is filled with the first row
            start = ends.add("Slice", name, ends.whole(0), ends.whole(1))
            more = ends.add("Expand", start, ends.whole(rows - 1, *[1] * (len(sizes) - 1)))
            padded = ends.add("Concat", name, more, axis=0)
            name = ends.add("Slice", padded, ends.whole(0), full)
        rest = ends.add("Shape", name, start=1)
        each = ends.add("Concat", ends.whole(-1, rows), rest, axis=0)
        parts.append(ends.add("Reshape", name, each))
    body = helper.make_graph(graph.node, "turn", inputs, [first], graph.initializer)
    found = ends.add("Scan", *parts, body=body, num_scan_inputs=len(parts))
    flat = ends.add("Reshape", found, ends.whole(-1, *wide))
    return ends.add("Slice", flat, ends.whole(0), count)


def _from_images(ends: Ends, brought: Brought) -> str:
    """Images from 0 to 1 as the encoder takes them."""
    rows = "x"
    if brought.pixels == "signed":
        doubled = ends.add("Mul", rows, ends.number(2))
        rows = ends.add("Sub", doubled, ends.number(1))
    elif brought.pixels == "bytes":
        rows = ends.add("Mul", rows, ends.number(255))
    if brought.layout == "nhwc":
        rows = ends.add("Transpose", rows, perm=[0, 2, 3, 1])
    return ends.add("Reshape", rows, ends.whole(-1, *shape_of(brought.image, brought.layout)))


def _to_images(ends: Ends, raw: str, brought: Brought) -> str:
    """What the decoder gives as images from 0 to 1."""
    if brought.layout == "nhwc":
        raw = ends.add("Transpose", raw, perm=[0, 3, 1, 2])
    if brought.pixels == "logits":
        return ends.add("Sigmoid", raw)
    if brought.pixels == "signed":
        raw = ends.add("Div", ends.add("Add", raw, ends.number(1)), ends.number(2))
    elif brought.pixels == "bytes":
        raw = ends.add("Div", raw, ends.number(255))
    return ends.add("Min", ends.add("Max", raw, ends.number(0)), ends.number(1))


def _kind(value: Any) -> int:
    return int(value.type.tensor_type.elem_type)


def _modern(model: Any) -> Any:
    """The model in operators of today."""
    from onnx import version_converter

    version = max(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if version >= OLDEST:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # it has a kind of error for each operator
        raise NotSupported(
            f"The ONNX file has operators of {version}, which a page does not run, and cannot be lifted "
            f"to those of {OPSET}: {first_line(error)}. Export it again with opset_version={OPSET}."
        ) from error


def _rename(graph: Any) -> None:
    """Put our sign before all names of a graph and of those within it."""
    for one in (*graph.input, *graph.output, *graph.initializer):
        one.name = OWN + one.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = OWN + sparse.values.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [OWN + name if name else "" for name in names]
        for setting in node.attribute:
            for inner in (setting.g, *setting.graphs) if setting.type in (5, 10) else ():
                _rename(inner)
    del graph.value_info[:], graph.quantization_annotation[:]
