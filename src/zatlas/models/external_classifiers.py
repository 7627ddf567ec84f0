"""Load classifiers: files that zatlas wrote, ONNX files, and Python functions."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Images
from zatlas.core.errors import (
    BadData,
    BadRecipe,
    BadRun,
    NotSupported,
    ShapeError,
    UnknownName,
    ZatlasError,
    first_line,
)
from zatlas.models import trust
from zatlas.models.classifier import Classifier, Kind, load_classifier
from zatlas.models.importers.imported import Layout, PixelRange, from_planes, from_unit
from zatlas.models.importers.onnx_model import Session
from zatlas.models.nets import Shape
from zatlas.store import digests

CHANNELS = (1, 3)  # possible numbers of channels of an image
KIND_OF_LAST: dict[str, Kind] = {"Sigmoid": "flag", "Softmax": "class", "LogSoftmax": "class"}
USAGE = (
    "Give a file that `zatlas classifier train` wrote (FILE.safetensors), an ONNX file (FILE.onnx or "
    "FILE.onnx:pixels=signed), or a function from images to numbers (package.module:function)."
)


def open_classifier(spec: str | Path, device: str = "cpu") -> Classifier:
    """Return the classifier in a file of zatlas, in an ONNX file, or of package.module:function."""
    text = str(spec)
    file, _, options = text.partition(".onnx:")
    if options or text.endswith(".onnx"):
        path = Path(f"{file}.onnx" if options else text)
        _check_trust(path)
        return onnx_classifier(path, **_options(options))
    module, colon, name = text.rpartition(":")
    if colon and name.isidentifier() and not Path(text).exists():
        return python_classifier(_function(module, name))
    if not Path(text).is_file():
        raise BadRun(f"There is no classifier at {text}. {USAGE}")
    return load_classifier(Path(text), device)


def _check_trust(path: Path) -> None:
    """Raise `NeedsTrust` for an ONNX file inside a run, which may come from an untrusted source."""
    root = digests.root_of(path)
    if root is not None and path.is_file():
        trust.check(root, [trust.Program(path.name, trust.digest_of(path))])


def python_classifier(
    function: Callable[[Images], Any], names: Sequence[str] = (), kind: Kind = "number"
) -> Classifier:
    """Return a classifier that calls a numpy function: images (n, c, h, w) in [0, 1] -> (n,) or (n, k).

    Give `names` if the function returns several columns. A function can also carry its own `names` and
    `kind` as attributes. For a function of torch tensors, use `Classifier` directly.
    """
    names = tuple(names or getattr(function, "names", ()) or (_name_of(function),))
    kind = getattr(function, "kind", kind)
    if kind not in get_args(Kind):
        raise UnknownName("kind of number", str(kind), get_args(Kind))

    def predict(x: Tensor) -> Tensor:
        values = np.asarray(function(x.cpu().numpy()), np.float32)
        return torch.from_numpy(values.reshape(len(x), -1)).to(x.device)

    about = "a function of images (n, channels, height, width) with pixels from 0 to 1"
    return Classifier(names, predict, (kind,) * len(names), about=about)


def onnx_classifier(path: Path, pixels: str | None = None, layout: str | None = None) -> Classifier:
    """Return the classifier in an ONNX file; its input and output formats are inferred, unless given.

    A graph that first divides by 255 takes pixels from 0 to 255. Other graphs are assumed to take 0 to 1;
    give pixels="signed" for -1 to 1. A final sigmoid means flags, a final softmax means classes, and
    anything else means numbers.
    """
    for value, choices in ((pixels, get_args(PixelRange)), (layout, get_args(Layout))):
        if value is not None and value not in choices:
            raise UnknownName("setting of an ONNX classifier", value, choices)
    if not path.is_file():
        raise BadRun(f"There is no classifier at {path}. {USAGE}")
    graph, session = _graph(path), Session(path)
    wants = session.main_input.shape
    if len(wants) != 4:
        raise NotSupported(
            f"{path} takes an array of shape {wants}. A classifier takes images as "
            "(n, channels, height, width) or (n, height, width, channels)."
        )
    order: Any = layout or ("nhwc" if wants[3] in CHANNELS and wants[1] not in CHANNELS else "nchw")
    taken: Any = pixels or ("bytes" if _wants_bytes(graph, session) else "unit")
    shape = _shape(wants if order == "nchw" else [wants[0], wants[3], wants[1], wants[2]])
    example = torch.zeros(1, *(shape or (3, 64, 64)))

    def predict(x: Tensor) -> Tensor:
        output = session(from_planes(from_unit(x, taken), order))
        parts = output if isinstance(output, tuple) else (output,)
        return torch.cat([part.float().reshape(len(x), -1) for part in parts], dim=1)

    try:
        count = predict(example).shape[1]
    except ZatlasError:
        raise
    except Exception as error:  # onnxruntime has many kinds of errors
        raise ShapeError(
            f"{path} cannot process images of {tuple(example.shape[1:])}: {first_line(error)}."
        ) from error
    last: Kind = KIND_OF_LAST.get(graph.node[-1].op_type, "number") if len(graph.node) else "number"
    kind: Kind = "flag" if count == 1 and last == "class" else last
    size = "any size" if shape is None else "x".join(map(str, shape))
    source = "given" if pixels else "from the file" if taken == "bytes" else "assumed"
    about = f"takes images of {size}, {order}, pixels {taken} ({source}); returns {count} of kind {kind}"
    return Classifier(_names(graph, path, count, kind), predict, (kind,) * count, shape, about=about)


def _options(text: str) -> dict[str, str]:
    options = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in ("pixels", "layout"):
            raise BadRecipe(
                f"{part!r} is not a setting of an ONNX classifier. Give pixels=signed or layout=nhwc."
            )
        options[key] = value
    return options


def _graph(path: Path) -> Any:
    import onnx

    try:
        return onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf and onnx have many kinds of errors
        raise BadData(f"{path} cannot be read as ONNX: {first_line(error)}.") from error


def _shape(wants: Sequence[Any]) -> Shape | None:
    """Return channels, height and width; None if the file leaves any of them dynamic."""
    sizes = [size for size in wants[1:] if isinstance(size, int) and size > 0]
    return (sizes[0], sizes[1], sizes[2]) if len(sizes) == 3 else None


def _wants_bytes(graph: Any, session: Session) -> bool:
    """Return whether the graph first divides the pixels by 255."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for out in node.output if node.op_type == "Constant" else ():
            constants[out] = next(iter(node.attribute)).t
    first = [node for node in graph.node if session.main_input.name in node.input]
    for node in first:
        for name in node.input:
            if node.op_type in ("Div", "Mul") and name in constants:
                values = numpy_helper.to_array(constants[name])
                scale = 255.0 if node.op_type == "Div" else 1 / 255
                return bool(np.allclose(values, scale, rtol=1e-2))
    return False


def _names(graph: Any, path: Path, count: int, kind: Kind) -> tuple[str, ...]:
    """Return the output's name, or the file's name if that is generic; numbered if there are several."""
    name = graph.output[0].name
    name = name if name.isidentifier() and not name.startswith("output") else path.stem
    if count == 1:
        return (name,)
    return tuple(f"{name}{'=' if kind == 'class' else '_'}{i}" for i in range(count))


def _function(module: str, name: str) -> Callable[[Images], Any]:
    """Return the function of a module that is installed, or lies in the current folder."""
    here = os.fspath(Path.cwd())
    before = list(sys.path)
    sys.path.insert(0, here)
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BadRun(f"{module}:{name} cannot be imported: {first_line(error)}. {USAGE}") from error
    finally:
        sys.path[:] = before
    if not callable(function):
        raise BadRun(f"{module}:{name} is not a function. {USAGE}")
    return function


def _name_of(function: Callable[[Images], Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
