"""Load classifiers: files that zatlas wrote, ONNX files, and Python functions."""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
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
from zatlas.models.classifier import Classifier, Kind, load_classifier, resized
from zatlas.models.classifier_settings import NUMBERS, ImageLayout, OnnxSettings, input_of, read_settings
from zatlas.models.importers.imported import PixelRange
from zatlas.models.importers.onnx_model import Session
from zatlas.models.nets import Shape
from zatlas.models.onnx_network import open_network
from zatlas.store import digests

CHANNELS = (1, 3)  # possible numbers of channels of an image
KIND_OF_LAST: dict[str, Kind] = {"Sigmoid": "flag", "Softmax": "class", "LogSoftmax": "class"}
USAGE = (
    "Give a file that `zatlas classifier train` wrote (FILE.safetensors), an ONNX file (FILE.onnx or "
    "FILE.onnx:names=angry,happy,pixels=signed), or a function from images to numbers "
    "(package.module:function)."
)


def open_classifier(
    spec: str | Path, device: str = "cpu", stored: Mapping[str, Mapping[str, Any]] | None = None
) -> Classifier:
    """Return the classifier in a file of zatlas, in an ONNX file, or of package.module:function.

    `stored` has the settings of ONNX files by their SHA-256, as a run stores them with predictions.
    """
    text = str(spec)
    if (onnx := _onnx_file(text)) is not None:
        path, options = onnx
        _check_trust(path)
        return onnx_classifier(path, options, stored)
    module, colon, name = text.rpartition(":")
    if colon and name.isidentifier() and not Path(text).exists():
        return python_classifier(_function(module, name))
    if not Path(text).is_file():
        raise BadRun(f"There is no classifier at {text}. {USAGE}")
    return load_classifier(Path(text), device)


def open_features(spec: str | Path, device: str = "cpu") -> Callable[[Tensor], list[Tensor]]:
    """Return the function from images (n, c, h, w) in [0, 1] to the feature maps of an ONNX network.

    `spec` is a file, with settings of its pixels if need be: FILE.onnx:mean=0.485,0.456,0.406. The function
    has gradients.
    """
    onnx = _onnx_file(str(spec))
    if onnx is None:
        raise BadRecipe(
            f"{spec} is no ONNX file. Give discriminator, or the file of a convolutional network, such as "
            "vgg.onnx or vgg.onnx:mean=0.485,0.456,0.406,std=0.229,0.224,0.225."
        )
    _check_trust(onnx[0])
    taken = _input_of(*onnx, {})
    rows = taken.example.to(device).expand(taken.session.rows or 1, -1, -1, -1)
    network = open_network(onnx[0], taken(rows))
    return lambda images: network(taken(images))


def _onnx_file(text: str) -> tuple[Path, str] | None:
    """Return the path and the settings in "FILE.onnx:mean=0.5"; None for anything else."""
    file, _, options = text.partition(".onnx:")
    if options:
        return Path(f"{file}.onnx"), options
    return (Path(text), "") if text.endswith(".onnx") else None


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


def onnx_classifier(
    path: Path, options: str = "", stored: Mapping[str, Mapping[str, Any]] | None = None
) -> Classifier:
    """Return the classifier in an ONNX file; its input and output formats are inferred, unless given.

    A graph that first divides by 255 takes pixels from 0 to 255. Other graphs are assumed to take 0 to 1;
    give pixels="signed" for -1 to 1. A final sigmoid means flags, a final softmax means classes, and
    anything else means numbers. `options` are settings of `OnnxSettings`, as in "pixels=signed,std=0.5".
    """
    images = _input_of(path, options, stored or {})
    settings, graph = images.settings, _graph(path)

    def predict(x: Tensor) -> Tensor:
        output = images.session(images(x))
        parts = output if isinstance(output, tuple) else (output,)
        return torch.cat([part.float().reshape(len(x), -1) for part in parts], dim=1)

    count = _outputs(predict, images.example, path)
    last: Kind = KIND_OF_LAST.get(graph.node[-1].op_type, "number") if len(graph.node) else "number"
    kind: Kind = "flag" if count == 1 and last == "class" else last
    size = "any size" if images.shape is None else "x".join(map(str, images.shape))
    source = "given" if settings.pixels else "from the file" if images.pixels == "bytes" else "assumed"
    takes = f"images of {size}, {images.layout}, pixels {images.pixels} ({source}){_described(settings)}"
    return Classifier(
        _names(graph, path, count, kind, settings.names),
        predict,
        (kind,) * count,
        images.shape,
        about=f"takes {takes}; returns {count} of kind {kind}",
        digest=images.digest,
        settings={name: value for name, value in asdict(settings).items() if value},
    )


@dataclass(frozen=True)
class ImageInput:
    """How an ONNX file takes images; a call makes its input array of images (n, c, h, w) in [0, 1]."""

    session: Session
    digest: str
    settings: OnnxSettings
    layout: ImageLayout
    pixels: PixelRange
    shape: Shape | None  # None for images of any size
    channels: int

    def __call__(self, images: Tensor) -> Tensor:
        x = resized(images, self.shape or (self.channels, *images.shape[2:]))
        return input_of(x, self.settings, self.pixels, self.layout)

    @property
    def example(self) -> Tensor:
        """An image that the file takes."""
        return torch.zeros(1, *(self.shape or (self.channels, 64, 64)))


def _input_of(path: Path, options: str, stored: Mapping[str, Mapping[str, Any]]) -> ImageInput:
    """Return how the network in a file takes images, as its settings say or its graph shows."""
    if not path.is_file():
        raise BadRun(f"There is no ONNX file at {path}. {USAGE}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    settings = read_settings(path, options, stored.get(digest, {}))
    session = Session(path)
    wants = session.main_input.shape
    if len(wants) != 4:
        raise NotSupported(
            f"{path} takes an array of shape {wants}. A network of images takes "
            "(n, channels, height, width) or (n, height, width, channels)."
        )
    nhwc = wants[3] in CHANNELS and wants[1] not in CHANNELS
    layout: ImageLayout = settings.layout or ("nhwc" if nhwc else "nchw")
    pixels: PixelRange = settings.pixels or ("bytes" if _wants_bytes(_graph(path), session) else "unit")
    shape = _shape(wants if layout == "nchw" else [wants[0], wants[3], wants[1], wants[2]])
    channels = shape[0] if shape else _channels(wants[1] if layout == "nchw" else wants[3])
    return ImageInput(session, digest, settings, layout, pixels, shape, channels)


def _channels(size: Any) -> int:
    """Return the number of channels, or that of colour images if the file leaves it dynamic."""
    return size if isinstance(size, int) and size > 0 else 3


def _outputs(predict: Callable[[Tensor], Tensor], example: Tensor, path: Path) -> int:
    """Return the number of outputs, from one image."""
    try:
        return predict(example).shape[1]
    except ZatlasError:
        raise
    except Exception as error:  # onnxruntime has many kinds of errors
        raise ShapeError(
            f"{path} cannot process images of {tuple(example.shape[1:])}: {first_line(error)}."
        ) from error


def _described(settings: OnnxSettings) -> str:
    """Return the other settings of the pixels, as a part of a sentence."""
    parts = [f"{name} {', '.join(f'{value:g}' for value in getattr(settings, name))}" for name in NUMBERS]
    given = [part for part, name in zip(parts, NUMBERS, strict=True) if getattr(settings, name)]
    if settings.channels != "rgb":
        given.append(f"channels {settings.channels}")
    return "".join(f", {part}" for part in given)


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


def _names(graph: Any, path: Path, count: int, kind: Kind, given: Sequence[str]) -> tuple[str, ...]:
    """Return the given names, or the output's name, or the file's name if that is generic; with numbers if
    there are several. A class has the name of its attribute before it, as in "hair=gray".
    """
    if given and len(given) != count:
        raise BadRecipe(
            f"{path} returns {count} values for each image, and {len(given)} names are given: "
            f"{', '.join(given)}. Name each value."
        )
    name = graph.output[0].name
    name = name if name.isidentifier() and not name.startswith("output") else path.stem
    if given and (kind != "class" or all("=" in each for each in given)):
        return tuple(given)
    if count == 1:
        return (name,)
    separator = "=" if kind == "class" else "_"
    return tuple(f"{name}{separator}{each}" for each in given or range(count))


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
