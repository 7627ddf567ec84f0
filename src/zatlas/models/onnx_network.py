"""Convolutional networks in ONNX files as torch functions, because onnxruntime computes no gradients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zatlas.core.errors import BadData, NotSupported, first_line
from zatlas.models.importers.onnx_model import load_model
from zatlas.models.onnx_operators import OPERATORS


@dataclass(frozen=True)
class Operation:
    """One node of a graph: its operator, the names of its values, and its settings."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class OnnxNetwork:
    """The feature maps that a network computes from its input array, with gradients."""

    path: Path
    input: str
    operations: Sequence[Operation]
    weights: Mapping[str, Tensor]
    levels: Sequence[str]  # names of the feature maps

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps (n, channels, height, width) of an input array."""
        values = self.values(x)
        return [values[name] for name in self.levels]

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """Return every value of the graph by name."""
        values = {name: weight.to(x.device) for name, weight in self.weights.items()} | {self.input: x}
        for operation in self.operations:
            result = self._result(operation, [values[name] if name else None for name in operation.inputs])
            values[operation.outputs[0]] = result
        return values

    def _result(self, operation: Operation, inputs: Sequence[Tensor | None]) -> Tensor:
        function = OPERATORS.get(operation.kind)
        if function is None:
            raise NotSupported(
                f"{self.path} uses the operator {operation.kind}, of which zatlas knows no gradient. Use a "
                "convolutional network such as VGG or ResNet."
            )
        try:
            return function(*inputs, **operation.settings)
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise NotSupported(
                f"zatlas cannot compute the operator {operation.kind} of {self.path}: {first_line(error)}."
            ) from error


def open_network(path: Path, example: Tensor) -> OnnxNetwork:
    """Return the network in an ONNX file, which takes arrays such as this example.

    Its feature maps are the outputs of the file that are images. A file without, such as a classifier, gives
    the last values of each size that are images.
    """
    graph = load_model(path)[0].graph
    weights = {tensor.name: _tensor(tensor, path) for tensor in graph.initializer}
    (name,) = [value.name for value in graph.input if value.name not in weights][:1]
    operations = [_operation(node, path) for node in graph.node]
    outputs = [each.name for each in graph.output if len(each.type.tensor_type.shape.dim) == example.ndim]
    network = OnnxNetwork(path, name, _needed(operations, outputs) if outputs else operations, weights, ())
    with torch.no_grad():
        values = network.values(example)
    computed = [output for operation in network.operations for output in operation.outputs]
    maps = {values[each].shape[2:]: each for each in computed if each in values and values[each].ndim == 4}
    levels = [each for each in outputs if values[each].ndim == 4] or list(maps.values())
    if not levels:
        raise NotSupported(f"{path} computes no feature maps. Give a convolutional network.")
    return OnnxNetwork(path, name, _needed(operations, levels), weights, levels)


def _needed(operations: Sequence[Operation], names: Sequence[str]) -> list[Operation]:
    """Return the operations that these values are computed with, in their order."""
    needed, result = set(names), []
    for operation in reversed(operations):
        if needed & set(operation.outputs):
            needed |= set(operation.inputs)
            result.append(operation)
    return result[::-1]


def _operation(node: Any, path: Path) -> Operation:
    from onnx import AttributeProto, helper

    settings = {}
    for each in node.attribute:
        value = helper.get_attribute_value(each)
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        settings[each.name] = _tensor(value, path) if each.type == AttributeProto.TENSOR else value
    domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
    return Operation(domain + node.op_type, tuple(node.input), tuple(node.output), settings)


def _tensor(tensor: Any, path: Path) -> Tensor:
    """Return the values of a tensor, as float32 if they are numbers with fractions."""
    from onnx import numpy_helper

    try:
        values = np.array(numpy_helper.to_array(tensor))
        return torch.from_numpy(values.astype(np.float32) if values.dtype.kind == "f" else values)
    except (TypeError, ValueError) as error:
        raise BadData(f"{path} has a tensor that cannot be read: {first_line(error)}.") from error
