"""Models as ONNX files, for a page or for any other runtime: half the bytes, checked against torch.

The decoder takes points (n, dim) as `z` and gives images (n, c, h, w) in [0, 1] as `x`; the encoder
takes such images and gives points, of a posterior its mean. A model that is told a class takes `y`,
int64 (n), too. Weights are stored in 16 bits and widened before use, so that all sums are of 32; those
of a brought ONNX file are left as they are.
"""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Images, Labels, Points
from zatlas.core.errors import NotSupported, ZatlasError, first_line
from zatlas.core.seeds import stream
from zatlas.models.bring.brought import Adapted, shape_of
from zatlas.models.bring.framing import framed
from zatlas.models.bring.onnx import Session, run_session
from zatlas.models.bring.programs import Program
from zatlas.models.bring.running import Scripted
from zatlas.models.generator import Generator
from zatlas.models.scorer import Scorer
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


def export_scorer(scorer: Scorer, path: Path, images: Images) -> ModelFile:
    """Write a scorer: images as `x` to its numbers (n, k) as `scores`; checked at these images."""
    if not isinstance(scorer.function, nn.Module):
        raise NotSupported("Only a scorer that is a net can be written as ONNX, not a function.")
    examples = (torch.as_tensor(images[:2], device=scorer.device),)
    data = _bytes(
        _by_torch(
            scorer.function.eval(),
            examples,
            input_names=["x"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    )
    wanted = scorer.score(images)
    size = 1 + np.abs(wanted)  # what is told in tens need not be told in hundredths
    worst = _apart(_run(data, "x", images, None) / size, wanted / size)
    return _written(path, data, worst, "scorer")


class _Half(nn.Module):
    """A half of a model as a module, which is what torch exports."""

    def __init__(self, generator: Generator, function: Any) -> None:
        super().__init__()
        owner = getattr(function, "__self__", function)
        self.owner = owner if isinstance(owner, nn.Module) else None  # so that its weights are known
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
    """The bytes of the file: traced by torch with the weights halved, or a brought graph in its frame."""
    return _bytes(_brought(half, gives, generator.device) or _traced(half, takes, rows, generator, gives))


def _bytes(model: Any) -> bytes:
    """The file of a graph, if it is one that a page can hold."""
    import onnx

    for node in model.graph.node:
        del node.metadata_props[:]  # where in the source each comes from: longer than small nets
        node.doc_string = ""
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    if len(data) > LARGEST:
        raise NotSupported(
            f"This model takes {len(data) / 1e9:.1f} GB, more than a page can hold. "
            "Look at it with a server: zatlas explore."
        )
    return data


def _brought(half: _Half, gives: str, device: str) -> Any:
    """The graph of a half that torch cannot trace within ours: one of ONNX, of TorchScript or for a fixed
    number of rows; None for others.
    """
    import onnx

    if not isinstance(half.owner, Adapted):
        return None
    about, halves = half.owner.brought, half.owner.halves
    core = halves.decode if gives == "x" else halves.encode
    if isinstance(core, Session):
        return framed(onnx.load(core.path), gives, about)
    if isinstance(core, Program) and core.fixed:
        return framed(_by_torch(core.program, core.example), gives, about)
    if isinstance(core, Scripted):
        sizes = about.shape if gives == "x" else shape_of(about.image, about.layout)
        rows: tuple[Tensor, ...] = (torch.zeros(2, *sizes, device=device),)
        if halves.labelled:
            rows += (torch.zeros(2, dtype=torch.int64, device=device),)
        names = ["rows", "y"][: len(rows)]
        many = {name: {0: "n"} for name in names}
        graph = _by_torch(core.program, rows, dynamo=False, input_names=names, dynamic_axes=many)
        return framed(graph, gives, about)
    return None


def _traced(half: _Half, takes: str, rows: np.ndarray, generator: Generator, gives: str) -> Any:
    told = _told(2, generator)
    examples = [torch.as_tensor(rows[:2], device=generator.device)]
    examples += [] if told is None else [torch.as_tensor(told, device=generator.device)]
    many = torch.export.Dim("n")
    return _by_torch(
        half.eval(),
        tuple(examples),
        input_names=[takes, "y"][: len(examples)],
        output_names=[gives],
        dynamic_shapes=tuple({0: many} for _ in examples),
    )


def _by_torch(
    module: nn.Module, examples: tuple[Tensor, ...], *, dynamo: bool = True, **settings: Any
) -> Any:
    """The graph that torch makes of a module; its older way is the only one that takes TorchScript."""
    import onnx

    file = io.BytesIO()
    try:
        with _quiet(), torch.random.fork_rng(), torch.no_grad():
            program = torch.onnx.export(
                module,
                examples,
                None if dynamo else cast(Any, file),
                opset_version=OPSET,
                dynamo=dynamo,
                verbose=False,
                **settings,
            )
    except ZatlasError:
        raise
    except Exception as error:
        raise NotSupported(
            f"torch cannot write this model as ONNX: {first_line(error.__cause__ or error)}. "
            "Pages with a server need no ONNX: zatlas explore decodes there."
        ) from error
    model = onnx.load_from_string(file.getvalue()) if program is None else program.model_proto
    halve(model.graph)
    del model.graph.value_info[:], model.functions[:]
    return model


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


def _parts(rows: Points | Images, generator: Generator) -> Iterator[tuple[np.ndarray, Labels | None]]:
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
    given = {takes: np.ascontiguousarray(rows, np.float32)} | ({} if y is None else {"y": y})
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        found = run_session(session, given, Path("the page's ONNX"))[0]
    except ZatlasError:
        raise
    except Exception as error:  # it has a kind of error for each way to fail
        raise NotSupported(
            f"This model as ONNX cannot be run: {first_line(error)}. "
            "Pages with a server need no ONNX: zatlas explore decodes there."
        ) from error
    return found


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
