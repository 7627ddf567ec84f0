"""Scorers from anywhere: files of ours, ONNX files, and functions of Python."""

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
from zatlas.models.bring.brought import Layout, PixelRange, from_planes, from_unit
from zatlas.models.bring.onnx import Session
from zatlas.models.nets import Shape
from zatlas.models.scorer import Kind, Scorer, read_scorer
from zatlas.store import digests

COLOURS = (1, 3)  # channels that an image can have
LAST: dict[str, Kind] = {"Sigmoid": "flag", "Softmax": "class", "LogSoftmax": "class"}
HOW = (
    "A scorer is named by a file of `zatlas scorer train` (FILE.safetensors), an ONNX file (FILE.onnx, or "
    "FILE.onnx:pixels=signed), or a function from images to numbers (package.module:function)."
)


def load_scorer(spec: str | Path, device: str = "cpu") -> Scorer:
    """The scorer of a file of ours, an ONNX file, or package.module:function."""
    text = str(spec)
    file, _, options = text.partition(".onnx:")
    if options or text.endswith(".onnx"):
        path = Path(f"{file}.onnx" if options else text)
        _check_trust(path)
        return onnx_scorer(path, **_options(options))
    module, colon, name = text.rpartition(":")
    if colon and name.isidentifier() and not Path(text).exists():
        return python_scorer(_function(module, name))
    if not Path(text).is_file():
        raise BadRun(f"There is no scorer at {text}. {HOW}")
    return read_scorer(Path(text), device)


def _check_trust(path: Path) -> None:
    """Raise `NeedsTrust` for an ONNX file that lies in a run, which may be a stranger's."""
    root = digests.root_of(path)
    if root is not None and path.is_file():
        trust.check(root, [trust.Program(path.name, trust.digest_of(path))])


def python_scorer(
    function: Callable[[Images], Any], names: Sequence[str] = (), kind: Kind = "number"
) -> Scorer:
    """A function of arrays as a scorer: it takes images in [0, 1], (n, c, h, w), and gives a number each.

    For several numbers each, name them; a function may also carry its names and kind as `names` and
    `kind`. One of torch tensors is a `Scorer` as it is.
    """
    names = tuple(names or getattr(function, "names", ()) or (_name_of(function),))
    kind = getattr(function, "kind", kind)
    if kind not in get_args(Kind):
        raise UnknownName("kind of number", str(kind), get_args(Kind))

    def answer(x: Tensor) -> Tensor:
        found = np.asarray(function(x.cpu().numpy()), np.float32)
        return torch.from_numpy(found.reshape(len(x), -1)).to(x.device)

    about = "a function of images (n, channels, height, width) with pixels from 0 to 1"
    return Scorer(names, answer, (kind,) * len(names), about=about)


def onnx_scorer(path: Path, pixels: str | None = None, layout: str | None = None) -> Scorer:
    """An ONNX file as a scorer: what it takes and gives is read off the file, unless it is said.

    What is first divided by 255 wants pixels up to 255; of others it is assumed that they want 0 to 1,
    which their maker knows better (pixels=signed for -1 to 1). An end in a sigmoid gives flags, in a
    softmax one class of several, else numbers.
    """
    for value, known in ((pixels, get_args(PixelRange)), (layout, get_args(Layout))):
        if value is not None and value not in known:
            raise UnknownName("setting of an ONNX scorer", value, known)
    if not path.is_file():
        raise BadRun(f"There is no scorer at {path}. {HOW}")
    graph, session = _graph(path), Session(path)
    wants = session.given.shape
    if len(wants) != 4:
        raise NotSupported(
            f"{path} takes an array of shape {wants}; a scorer takes images, which have four axes: "
            "(n, channels, height, width) or (n, height, width, channels)."
        )
    order: Any = layout or ("nhwc" if wants[3] in COLOURS and wants[1] not in COLOURS else "nchw")
    taken: Any = pixels or ("bytes" if _wants_bytes(graph, session) else "unit")
    shape = _shape(wants if order == "nchw" else [wants[0], wants[3], wants[1], wants[2]])
    trial = torch.zeros(1, *(shape or (3, 64, 64)))

    def answer(x: Tensor) -> Tensor:
        found = session(from_planes(from_unit(x, taken), order))
        parts = found if isinstance(found, tuple) else (found,)
        return torch.cat([part.float().reshape(len(x), -1) for part in parts], dim=1)

    try:
        many = answer(trial).shape[1]
    except ZatlasError:
        raise
    except Exception as error:  # onnxruntime has a kind of error for each way to fail
        raise ShapeError(
            f"{path} cannot read images of {tuple(trial.shape[1:])}: {first_line(error)}."
        ) from error
    last: Kind = LAST.get(graph.node[-1].op_type, "number") if len(graph.node) else "number"
    kind: Kind = "flag" if many == 1 and last == "class" else last
    size = "any size" if shape is None else "x".join(map(str, shape))
    sure = "as said" if pixels else "as the file says" if taken == "bytes" else "as is assumed"
    about = f"reads images of {size}, {order}, pixels as {taken} {sure}; gives {many} of kind {kind}"
    return Scorer(_names(graph, path, many, kind), answer, (kind,) * many, shape, about=about)


def _options(text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in ("pixels", "layout"):
            raise BadRecipe(f"{part!r} is no setting of an ONNX scorer: pixels=signed, layout=nhwc.")
        found[key] = value
    return found


def _graph(path: Path) -> Any:
    import onnx

    try:
        return onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf and onnx each have their own
        raise BadData(f"{path} cannot be read as ONNX: {first_line(error)}.") from error


def _shape(wants: Sequence[Any]) -> Shape | None:
    """Channels, height and width; None where the file leaves any of them open."""
    sizes = [size for size in wants[1:] if isinstance(size, int) and size > 0]
    return (sizes[0], sizes[1], sizes[2]) if len(sizes) == 3 else None


def _wants_bytes(graph: Any, session: Session) -> bool:
    """Whether the first thing that is done to the pixels is a division by 255."""
    from onnx import numpy_helper

    known = {one.name: one for one in graph.initializer}
    for node in graph.node:
        for out in node.output if node.op_type == "Constant" else ():
            known[out] = next(iter(node.attribute)).t
    first = [node for node in graph.node if session.given.name in node.input]
    for node in first:
        for name in node.input:
            if node.op_type in ("Div", "Mul") and name in known:
                values = numpy_helper.to_array(known[name])
                scale = 255.0 if node.op_type == "Div" else 1 / 255
                return bool(np.allclose(values, scale, rtol=1e-2))
    return False


def _names(graph: Any, path: Path, many: int, kind: Kind) -> tuple[str, ...]:
    """The output's name, or the file's where that says nothing; numbered, where there are several."""
    name = graph.output[0].name
    name = name if name.isidentifier() and not name.startswith("output") else path.stem
    if many == 1:
        return (name,)
    return tuple(f"{name}{'=' if kind == 'class' else '_'}{i}" for i in range(many))


def _function(module: str, name: str) -> Callable[[Images], Any]:
    """The function of a module that is installed, or lies in the folder one is in."""
    here = os.fspath(Path.cwd())
    before = list(sys.path)
    sys.path.insert(0, here)
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BadRun(f"{module}:{name} cannot be imported: {first_line(error)}. {HOW}") from error
    finally:
        sys.path[:] = before
    if not callable(found):
        raise BadRun(f"{module}:{name} is no function from images to numbers.")
    return found


def _name_of(function: Callable[[Images], Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
