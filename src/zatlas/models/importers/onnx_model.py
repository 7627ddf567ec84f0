"""Import ONNX files, which onnxruntime runs."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.deadline import call_with_deadline
from zatlas.core.errors import BadData, NotSupported, ZatlasError, first_line
from zatlas.models.importers.imported import SourceInfo, in_batches

SQUASHING = {"Sigmoid": "sigmoid", "Tanh": "tanh"}


class Session(nn.Module):
    """An ONNX file as a function of tensors, without gradients."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = call_with_deadline(
                lambda: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]),
                f"Reading {path}",
            )
        except ZatlasError:
            raise
        except Exception as error:  # onnxruntime has many kinds of errors
            raise BadData(f"{path} cannot be read as ONNX: {first_line(error)}.") from error
        inputs = self.session.get_inputs()
        floats = [value for value in inputs if "float" in value.type]
        integers = [value for value in inputs if "int" in value.type]
        if len(floats) != 1 or len(floats) + len(integers) != len(inputs) or len(integers) > 1:
            names = ", ".join(f"{value.name}: {value.type}" for value in inputs)
            raise NotSupported(
                f"{path} takes {names}. zatlas gives one float array and, if needed, one integer array of "
                "labels. Export the model with all other inputs fixed."
            )
        self.main_input = floats[0]
        self.label_input = integers[0] if integers else None
        self.dtype = np.float16 if "float16" in self.main_input.type else np.float32

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of an input row; None if any size is dynamic."""
        sizes = tuple(self.main_input.shape[1:])
        return sizes if sizes and all(isinstance(size, int) and size > 0 for size in sizes) else None

    @property
    def rows(self) -> int | None:
        """The batch size, if it is fixed; else None."""
        first = self.main_input.shape[0]
        return first if isinstance(first, int) and first > 0 else None

    def forward(self, *rows: Tensor) -> Any:
        """Return the output for these rows: a tensor, or a tuple of tensors."""
        return in_batches(self._run, rows, self.rows) if self.rows else self._run(*rows)

    def _run(self, rows: Tensor, y: Tensor | None = None) -> Any:
        inputs = {self.main_input.name: rows.detach().cpu().numpy().astype(self.dtype)}
        if self.label_input is not None:
            labels = np.zeros(len(rows), np.int64) if y is None else y.cpu().numpy()
            inputs[self.label_input.name] = labels.astype(
                np.int32 if "int32" in self.label_input.type else np.int64
            )
        parts = run_session(self.session, inputs, self.path)
        outputs = [torch.from_numpy(part).to(rows.device) for part in parts]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def run_session(session: Any, inputs: Mapping[str, np.ndarray], path: Path) -> list[np.ndarray]:
    """Return the outputs for these arrays; the call ends at the time limit or when zatlas is interrupted."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4

    def terminate() -> None:
        options.terminate = True

    outputs: list[np.ndarray] = call_with_deadline(
        lambda: session.run(None, dict(inputs), options), f"The model in {path}", terminate
    )
    return outputs


def write_model(source: Path, side: Path, role: str) -> str:
    """Copy an ONNX file and its external data into one file of the run; return its name."""
    import onnx

    target = side / f"{role}.onnx"
    model, external = load_model(source)
    if external:
        onnx.save(model, target)
    else:
        shutil.copyfile(source, target)
    return target.name


def load_model(source: Path) -> tuple[Any, bool]:
    """Return the model in an ONNX file with its weights, and whether they are in other files."""
    import onnx

    try:
        model = onnx.load(source, load_external_data=False)
    except ZatlasError:
        raise
    except Exception as error:  # protobuf's errors
        raise BadData(f"{source} cannot be read as ONNX: {first_line(error)}.") from error
    if not any(tensor.external_data for tensor in model.graph.initializer):
        return model, False
    # The checker refuses names of files outside the model's folder.
    try:
        model = onnx.load(source)
        onnx.checker.check_model(str(source))
    except ZatlasError:
        raise
    except Exception as error:
        raise BadData(
            f"{source} has its weights in other files, which cannot be read: {first_line(error)}."
        ) from error
    return model, True


def source_info(names: dict[str, str], decoder: Path) -> SourceInfo:
    """Return what the decoder's file says about its input."""
    session = Session(decoder)
    shape = session.shape
    sizes = "x".join(str(size) for size in session.main_input.shape)
    lines = [f"An ONNX decoder that takes {session.main_input.name}: {sizes}."]
    if session.rows:
        lines.append(f"Its batch size is {session.rows}, so zatlas decodes larger sets in batches.")
    if session.label_input is not None:
        lines.append(f"It takes a label as {session.label_input.name}.")
    why = f"the file leaves the size of {session.main_input.name} open ({sizes})"
    return SourceInfo("program", names, {}, (shape,) if shape else (), why, lines=tuple(lines))


def last_of(path: Path) -> str:
    """Return "sigmoid" or "tanh" if the graph ends with it; else ""."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    producers = {name: node for node in graph.node for name in node.output}
    node = producers.get(graph.output[0].name)
    while node is not None and node.op_type in ("Reshape", "Transpose", "Identity", "Cast", "Clip"):
        node = producers.get(node.input[0])
    return SQUASHING.get(node.op_type, "") if node is not None else ""
