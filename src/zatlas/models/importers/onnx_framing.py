"""Wrap an imported ONNX graph for the page: flat latents as input, images in [0, 1] as output.

A graph with a fixed batch size is called repeatedly inside the file (operator Scan), so the wrapped graph
takes any number of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zatlas.core.errors import NotSupported, first_line
from zatlas.core.space import Space
from zatlas.models.importers.imported import ImportedModel, shape_of

OPSET = 18  # older graphs are converted to it
MIN_OPSET = 13  # the operators written here need at least this
PREFIX = "imported/"  # of each name in the imported graph, so that names do not collide


def with_standard_io(model: Any, output_name: str, info: ImportedModel) -> Any:
    """Return the ONNX model of a decoder (output "x") or an encoder (output "z") around an imported graph."""
    from onnx import TensorProto, helper

    if info.layout in ("rgba", "rgba_last"):
        raise NotSupported(
            "A page cannot show the opacity of this ONNX or TorchScript model. Export the model from torch "
            "with three channels, or explore it with a server: zatlas explore."
        )
    model = _upgraded(model)
    _rename(model.graph)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    inputs.sort(key=lambda value: _kind(value) in (TensorProto.INT64, TensorProto.INT32))  # labels last
    builder, image, dim = Builder(), tuple(info.image), Space(tuple(info.shape)).dim
    input_name = "z" if output_name == "x" else "x"
    rows = (
        builder.add("Reshape", "z", builder.integers(-1, *info.shape))
        if output_name == "x"
        else _from_images(builder, info)
    )
    args = [builder.add("Cast", rows, to=_kind(inputs[0]))]
    args += [builder.add("Cast", "y", to=_kind(value)) for value in inputs[1:]]
    sizes = shape_of(image, info.layout) if output_name == "x" else (dim,)
    raw = builder.add("Cast", _apply(builder, model.graph, inputs, args, sizes), to=TensorProto.FLOAT)
    output = _to_images(builder, raw, info) if output_name == "x" else raw
    last = (*image,) if output_name == "x" else (dim,)
    builder.nodes.append(helper.make_node("Reshape", [output, builder.integers(-1, *last)], [output_name]))
    make = helper.make_tensor_value_info
    graph_inputs = [make(input_name, TensorProto.FLOAT, ["n", *((dim,) if output_name == "x" else image)])]
    graph_inputs += [make("y", TensorProto.INT64, ["n"]) for _ in inputs[1:]]
    graph = helper.make_graph(
        builder.nodes,
        "imported",
        graph_inputs,
        [make(output_name, TensorProto.FLOAT, ["n", *last])],
        builder.constants,
    )
    model.graph.CopyFrom(graph)
    return model


@dataclass
class Builder:
    """The operators and constants of a graph, in order."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, **settings: Any) -> str:
        """Append an operator and return the name of its output."""
        from onnx import helper

        name = f"{kind.lower()} {len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **settings))
        return name

    def integers(self, *values: int) -> str:
        """Add a constant of integers and return its name."""
        return self._constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Add a constant number and return its name."""
        return self._constant(np.array(value, np.float32))

    def _constant(self, values: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"constant {len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def _apply(
    builder: Builder, graph: Any, inputs: Sequence[Any], args: Sequence[str], sizes: tuple[int, ...]
) -> str:
    """Apply the graph to `args`, in batches if need be; `sizes` is the shape of an output row."""
    from onnx import helper

    first = graph.output[0]
    rows = inputs[0].type.tensor_type.shape.dim[0].dim_value  # 0 if dynamic
    if not rows:
        builder.constants.extend(graph.initializer)
        for value, name in zip(inputs, args, strict=True):
            builder.nodes.append(helper.make_node("Identity", [name], [value.name]))
        builder.nodes.extend(graph.node)
        return str(first.name)
    count = builder.add("Slice", builder.add("Shape", args[0]), builder.integers(0), builder.integers(1))
    calls = builder.add("Div", builder.add("Add", count, builder.integers(rows - 1)), builder.integers(rows))
    full = builder.add("Mul", calls, builder.integers(rows))
    parts = []
    for value, name in zip(inputs, args, strict=True):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if rows > 1:  # pad the last call with the first row
            start = builder.add("Slice", name, builder.integers(0), builder.integers(1))
            more = builder.add("Expand", start, builder.integers(rows - 1, *[1] * (len(dims) - 1)))
            padded = builder.add("Concat", name, more, axis=0)
            name = builder.add("Slice", padded, builder.integers(0), full)
        shape = builder.add("Shape", name, start=1)
        batches = builder.add("Concat", builder.integers(-1, rows), shape, axis=0)
        parts.append(builder.add("Reshape", name, batches))
    body = helper.make_graph(graph.node, "call", inputs, [first], graph.initializer)
    outputs = builder.add("Scan", *parts, body=body, num_scan_inputs=len(parts))
    flat = builder.add("Reshape", outputs, builder.integers(-1, *sizes))
    return builder.add("Slice", flat, builder.integers(0), count)


def _from_images(builder: Builder, info: ImportedModel) -> str:
    """Add the conversion of images in [0, 1] to the encoder's input; return its name."""
    rows = "x"
    if info.pixels == "signed":
        doubled = builder.add("Mul", rows, builder.number(2))
        rows = builder.add("Sub", doubled, builder.number(1))
    elif info.pixels == "bytes":
        rows = builder.add("Mul", rows, builder.number(255))
    if info.layout == "nhwc":
        rows = builder.add("Transpose", rows, perm=[0, 2, 3, 1])
    return builder.add("Reshape", rows, builder.integers(-1, *shape_of(info.image, info.layout)))


def _to_images(builder: Builder, raw: str, info: ImportedModel) -> str:
    """Add the conversion of the decoder's output to images in [0, 1]; return its name."""
    if info.layout == "nhwc":
        raw = builder.add("Transpose", raw, perm=[0, 3, 1, 2])
    if info.pixels == "logits":
        return builder.add("Sigmoid", raw)
    if info.pixels == "signed":
        raw = builder.add("Div", builder.add("Add", raw, builder.number(1)), builder.number(2))
    elif info.pixels == "bytes":
        raw = builder.add("Div", raw, builder.number(255))
    return builder.add("Min", builder.add("Max", raw, builder.number(0)), builder.number(1))


def _kind(value: Any) -> int:
    return int(value.type.tensor_type.elem_type)


def _upgraded(model: Any) -> Any:
    """Return the model with operators of `MIN_OPSET` or later."""
    from onnx import version_converter

    version = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if version >= MIN_OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter has many kinds of errors
        raise NotSupported(
            f"The ONNX file uses opset {version}, which a page cannot run, and cannot be converted to opset "
            f"{OPSET}: {first_line(error)}. Export it again with opset_version={OPSET}."
        ) from error


def _rename(graph: Any) -> None:
    """Add `PREFIX` to all names in a graph and its subgraphs."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = PREFIX + value.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = PREFIX + sparse.values.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [PREFIX + name if name else "" for name in names]
        for setting in node.attribute:
            for inner in (setting.g, *setting.graphs) if setting.type in (5, 10) else ():
                _rename(inner)
    del graph.value_info[:], graph.quantization_annotation[:]
