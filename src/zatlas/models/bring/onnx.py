"""ONNX files as halves of a model, run by onnxruntime."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.errors import BadData, NotSupported, ZatlasError, first_line
from zatlas.core.watched import watched
from zatlas.models.bring.brought import Taken, in_turns

LARGEST = 2 << 30  # bytes: what an ONNX file can hold by itself
SQUASHES = {"Sigmoid": "sigmoid", "Tanh": "tanh"}


class Session(nn.Module):
    """An ONNX file as a function of tensors; torch cannot differentiate it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = watched(
                lambda: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]),
                f"Reading {path}",
            )
        except ZatlasError:
            raise
        except Exception as error:  # onnxruntime has a kind of error for each way to be broken
            raise BadData(f"{path} cannot be read as ONNX: {first_line(error)}.") from error
        inputs = self.session.get_inputs()
        floats = [one for one in inputs if "float" in one.type]
        whole = [one for one in inputs if "int" in one.type]
        if len(floats) != 1 or len(floats) + len(whole) != len(inputs) or len(whole) > 1:
            names = ", ".join(f"{one.name}: {one.type}" for one in inputs)
            raise NotSupported(
                f"{path} takes {names}. One array of numbers is taken, and perhaps one of labels: "
                "fix the others where the model was exported."
            )
        self.given = floats[0]
        self.told = whole[0] if whole else None
        self.number = np.float16 if "float16" in self.given.type else np.float32

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of a row that it takes; None where the file leaves it open."""
        rest = tuple(self.given.shape[1:])
        return rest if rest and all(isinstance(size, int) and size > 0 for size in rest) else None

    @property
    def rows(self) -> int | None:
        """How many rows it takes at once, if that is fixed."""
        first = self.given.shape[0]
        return first if isinstance(first, int) and first > 0 else None

    def forward(self, *rows: Tensor) -> Any:
        """What the file makes of these rows: a tensor, or several."""
        return in_turns(self._run, rows, self.rows) if self.rows else self._run(*rows)

    def _run(self, rows: Tensor, y: Tensor | None = None) -> Any:
        given = {self.given.name: rows.detach().cpu().numpy().astype(self.number)}
        if self.told is not None:
            labels = np.zeros(len(rows), np.int64) if y is None else y.cpu().numpy()
            given[self.told.name] = labels.astype(np.int32 if "int32" in self.told.type else np.int64)
        parts = run_session(self.session, given, self.path)
        found = [torch.from_numpy(part).to(rows.device) for part in parts]
        return found[0] if len(found) == 1 else tuple(found)


def run_session(session: Any, given: Mapping[str, np.ndarray], path: Path) -> list[np.ndarray]:
    """What onnxruntime gives for these arrays; it stops at the deadline and when zatlas is stopped."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4

    def stop() -> None:
        options.terminate = True

    found: list[np.ndarray] = watched(
        lambda: session.run(None, dict(given), options), f"The model in {path}", stop
    )
    return found


def take(source: Path, side: Path, role: str) -> str:
    """Copy one half into the run, in one file; its name there."""
    import onnx

    into = side / f"{role}.onnx"
    try:
        model = onnx.load(source, load_external_data=False)
    except ZatlasError:
        raise
    except Exception as error:  # protobuf's errors
        raise BadData(f"{source} cannot be read as ONNX: {first_line(error)}.") from error
    if any(one.external_data for one in model.graph.initializer):
        # The checker lets no name lead out of the file's own folder.
        try:
            model = onnx.load(source)
            onnx.checker.check_model(str(source))
        except ZatlasError:
            raise
        except Exception as error:
            raise BadData(
                f"{source} keeps its weights in other files, which cannot be read: {first_line(error)}."
            ) from error
        onnx.save(model, into)
    else:
        shutil.copyfile(source, into)
    return into.name


def taken(names: dict[str, str], decoder: Path) -> Taken:
    """What the file says of itself."""
    session = Session(decoder)
    shape = session.shape
    words = "x".join(str(size) for size in session.given.shape)
    told = [f"An ONNX decoder that takes {session.given.name}: {words}."]
    if session.rows:
        told.append(f"It takes {session.rows} at once, so more are decoded in turns.")
    if session.told is not None:
        told.append(f"It is told a label as {session.told.name}.")
    why = f"the file leaves the size of {session.given.name} open ({words})"
    return Taken("program", names, {}, (shape,) if shape else (), why, told=tuple(told))


def last_of(path: Path) -> str:
    """The last operation that squashes, if the file ends with one."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    made = {name: node for node in graph.node for name in node.output}
    node = made.get(graph.output[0].name)
    while node is not None and node.op_type in ("Reshape", "Transpose", "Identity", "Cast", "Clip"):
        node = made.get(node.input[0])
    return SQUASHES.get(node.op_type, "") if node is not None else ""
