"""Models as ONNX files, for a page or for any other runtime: half the bytes, checked against torch.

The decoder takes points (n, dim) as `z` and gives images (n, c, h, w) in [0, 1] as `x`; the encoder
takes such images and gives points, of a posterior its mean. A model that is told a class takes `y`,
int64 (n), too. Weights are stored in 16 bits and widened before use, so that all sums are of 32.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Images, Labels, Points
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.models.generator import Generator
from zatlas.store import atomic

OPSET = 18  # that runtimes in browsers have long had
CLOSE = 1e-2  # most that a pixel may differ from torch's
FEW = 16  # numbers up to which an array stays as it is: shapes, scales
LARGEST = 1 << 30  # bytes of a file; a browser cannot hold more
CHECKED = (1, 3, 16)  # points at once, for the check


@dataclass(frozen=True)
class ModelFile:
    """A written file, its size, and the most that a pixel of the check differed from torch's."""

    path: Path
    bytes: int
    error: float


def export_decoder(generator: Generator, path: Path, like: Points | None = None) -> ModelFile:
    """Write the decoder; it is checked at these points, or at some of the prior's."""
    z = _points(generator, like)
    data = _graph(_Decoder(generator), "z", z, generator, "x")
    worst = 0.0
    for part, y in _parts(z, generator):
        worst = max(worst, _apart(_run(data, "z", part, y), generator.decode(part, y)))
    return _written(path, data, worst, "decoder")


def export_encoder(generator: Generator, path: Path, like: Points | None = None) -> ModelFile:
    """Write the encoder; it is checked by what is decoded from its points of decoded images."""
    if generator.encoder is None:
        raise NotSupported("This model has no encoder to export: its images have no known points.")
    z = _points(generator, like)
    images = generator.decode(z, _told(len(z), generator))
    data = _graph(_Encoder(generator), "x", images, generator, "z")
    worst = 0.0
    for part, y in _parts(images, generator):
        found = generator.decode(_run(data, "x", part, y), y)
        worst = max(worst, _apart(found, generator.decode(generator.encode(part, y), y)))
    return _written(path, data, worst, "encoder")


class _Half(nn.Module):
    """A half of a model as a module, which is what torch exports."""

    def __init__(self, generator: Generator, function: Any) -> None:
        super().__init__()
        owner = getattr(function, "__self__", function)
        self.owner = (
            owner if isinstance(owner, nn.Module) else None
        )  # so that its weights are known
        self.function = function
        self.shape = generator.space.shape


class _Decoder(_Half):
    def __init__(self, generator: Generator) -> None:
        super().__init__(generator, generator.decoder)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.function(z.reshape(-1, *self.shape), y)


class _Encoder(_Half):
    def __init__(self, generator: Generator) -> None:
        super().__init__(generator, generator.encoder)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        found = self.function(x, y)
        return (found[0] if isinstance(found, tuple) else found).flatten(1)


def _graph(half: _Half, takes: str, rows: np.ndarray, generator: Generator, gives: str) -> bytes:
    """The bytes of the file: traced by torch, with the weights halved."""
    import onnx

    told = _told(2, generator)
    examples = [torch.as_tensor(rows[:2], device=generator.device)]
    examples += [] if told is None else [torch.as_tensor(told, device=generator.device)]
    names = [takes, "y"][: len(examples)]
    many = torch.export.Dim("n")
    try:
        with _quiet(), torch.random.fork_rng(), torch.no_grad():
            program = torch.onnx.export(
                half.eval(), tuple(examples), input_names=names, output_names=[gives],
                dynamic_shapes=tuple({0: many} for _ in examples), opset_version=OPSET,
                dynamo=True, verbose=False,
            )  # fmt: skip
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise NotSupported(
            f"torch cannot write this model as ONNX: {reason.strip()[:300]} "
            "Pages with a server need no ONNX: zatlas explore decodes there."
        ) from error
    assert program is not None
    model = program.model_proto
    halve(model.graph)
    for node in model.graph.node:
        del node.metadata_props[:]  # where in the source each comes from: longer than small nets
        node.doc_string = ""
    del model.graph.value_info[:], model.functions[:]
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    if len(data) > LARGEST:
        raise NotSupported(
            f"This model takes {len(data) / 1e9:.1f} GB, more than a page can hold. "
            "Look at it with a server: zatlas explore."
        )
    return data


def halve(graph: Any) -> None:
    """Store the graph's weights in 16 bits, with a cast to 32 between each and its use."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) <= FEW:
            continue
        values = numpy_helper.to_array(weight)
        if not np.abs(values).max() < np.finfo(np.float16).max:
            continue  # too large for 16 bits
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _points(generator: Generator, like: Points | None) -> Points:
    """A few points to try the model at."""
    count = max(CHECKED)
    if like is not None and len(like):
        return np.resize(like[:count], (count, generator.space.dim)).astype(np.float32)
    if generator.space.prior != "none":
        return generator.space.sample(count, seed=0)
    shape = (count, generator.space.dim)
    return stream(0, "onnx").standard_normal(shape, dtype=np.float32)


def _parts(
    rows: Points | Images, generator: Generator
) -> Iterator[tuple[np.ndarray, Labels | None]]:
    for count in CHECKED:
        yield rows[:count], _told(count, generator)


def _told(count: int, generator: Generator) -> Labels | None:
    """A label for each row, all classes in turn; None for a model that is told nothing."""
    return np.arange(count) % len(generator.classes) if generator.classes else None


def _run(data: bytes, takes: str, rows: np.ndarray, y: Labels | None) -> np.ndarray:
    """What another runtime makes of the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    given = {takes: np.ascontiguousarray(rows, np.float32)} | ({} if y is None else {"y": y})
    return session.run(None, given)[0]


def _apart(found: Images, wanted: Images) -> float:
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - wanted).max(initial=0))


def _written(path: Path, data: bytes, worst: float, what: str) -> ModelFile:
    if worst > CLOSE:
        raise NotSupported(
            f"The {what} as ONNX gives other images than torch: pixels differ by up to {worst:.3g}, "
            f"and {CLOSE:g} is allowed. Look at this model with a server: zatlas explore."
        )
    atomic.write_file(path, data)
    return ModelFile(path, len(data), worst)


@contextmanager
def _quiet(names: Sequence[str] = ("torch.onnx", "torch.export", "onnxscript")) -> Iterator[None]:
    """Keep to itself what the exporter says of its own parts."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
