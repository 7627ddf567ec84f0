"""Export models to ONNX for browsers and other runtimes; every file is compared with torch.

The decoder maps latents `z` (n, dim) to images `x` (n, c, h, w) in [0, 1]. The encoder maps images `x` to
latents `z`; of a posterior, to its mean. A conditional model also takes labels `y`, int64 (n). Weights are
stored in 16 bits and cast to 32 bits before use, which halves the file. Weights of an imported ONNX file
are not changed.
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

from zatlas.core.arrays import Images, Labels, Latents
from zatlas.core.errors import NotSupported, ZatlasError, first_line
from zatlas.core.seeds import stream
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator
from zatlas.models.importers.imported import Adapter, shape_of
from zatlas.models.importers.onnx_framing import with_standard_io
from zatlas.models.importers.onnx_model import Session, run_session
from zatlas.models.importers.program_calls import Scripted
from zatlas.models.importers.programs import Program
from zatlas.store import atomic

OPSET = 18  # supported by all current browser runtimes
MAX_ERROR = 1e-2  # maximum difference of a pixel between ONNX and torch
MIN_EXTERNAL_BYTES = 16  # arrays up to this size, such as shapes and scales, stay in 32 bits
MAX_BYTES = 1 << 30  # of a file; a browser cannot hold more
CHECKED_BATCHES = (1, 3, 16)  # batch sizes of the comparison


@dataclass(frozen=True)
class ModelFile:
    """A written file, its size, and the maximum difference of a pixel between ONNX and torch."""

    path: Path
    bytes: int
    error: float


def export_decoder(generator: Generator, path: Path, like: Latents | None = None) -> ModelFile:
    """Write the decoder; compare it with torch at the latents `like`, or at samples of the prior."""
    z = _examples(generator, like)
    data = _graph(_Decoder(generator), "z", z, generator, "x")
    error = 0.0
    for part, y in _batches(z, generator):
        error = max(error, _difference(_run(data, "z", part, y), generator.decode(part, y)))
    return _write(path, data, error, "decoder")


def export_encoder(generator: Generator, path: Path, like: Latents | None = None) -> ModelFile:
    """Write the encoder; compare the reconstructions of decoded images with those of torch."""
    if generator.encoder is None:
        raise NotSupported(
            "This model has no encoder to export. Train one: zatlas invert RUN --train-encoder"
        )
    z = _examples(generator, like)
    images = generator.decode(z, _labels(len(z), generator))
    data = _graph(_Encoder(generator), "x", images, generator, "z")
    error = 0.0
    for part, y in _batches(images, generator):
        output = generator.decode(_run(data, "x", part, y), y)
        error = max(error, _difference(output, generator.decode(generator.encode(part, y), y)))
    return _write(path, data, error, "encoder")


def export_classifier(classifier: Classifier, path: Path, images: Images) -> ModelFile:
    """Write a classifier from images `x` to predictions `scores` (n, k); compare it at these images."""
    if not isinstance(classifier.function, nn.Module):
        raise NotSupported("Only a classifier that is a torch module can be exported to ONNX.")
    if classifier.shape not in (None, images.shape[1:]):
        takes, given = ("x".join(map(str, shape)) for shape in (classifier.shape, images.shape[1:]))
        raise NotSupported(
            f"The page cannot run the classifier: it takes images of {takes}, and the model makes images of "
            f"{given}. Train one on images of this size: zatlas classifier train DATA --out FILE --size "
            f"{images.shape[2]}"
        )
    examples = (torch.as_tensor(images[:2], device=classifier.device),)
    data = _bytes(
        _export(
            classifier.function.eval(),
            examples,
            input_names=["x"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    )
    expected = classifier.predict(images)
    scale = 1 + np.abs(expected)  # so that large values are compared by relative error
    error = _difference(_run(data, "x", images, None) / scale, expected / scale)
    return _write(path, data, error, "classifier")


class _Part(nn.Module):
    """The encoder or decoder function of a generator as a module, which torch can export."""

    def __init__(self, generator: Generator, function: Any) -> None:
        super().__init__()
        owner = getattr(function, "__self__", function)
        self.owner = owner if isinstance(owner, nn.Module) else None  # registers its weights
        self.function = function
        self.shape = generator.space.shape


class _Decoder(_Part):
    def __init__(self, generator: Generator) -> None:
        super().__init__(generator, generator.decoder)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.function(z.reshape(-1, *self.shape), y)


class _Encoder(_Part):
    def __init__(self, generator: Generator) -> None:
        super().__init__(generator, generator.encoder)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        output = self.function(x, y)
        return (output[0] if isinstance(output, tuple) else output).flatten(1)


def _graph(part: _Part, input_name: str, rows: np.ndarray, generator: Generator, output_name: str) -> bytes:
    """Return the bytes of the ONNX file: an imported graph with adapters, or a graph traced by torch."""
    graph = _imported_graph(part, output_name, generator.device)
    return _bytes(graph or _traced_graph(part, input_name, rows, generator, output_name))


def _bytes(model: Any) -> bytes:
    """Return the serialized model; `NotSupported` if it is too large for a page."""
    import onnx

    for node in model.graph.node:
        del node.metadata_props[:]  # source locations, which are larger than a small net
        node.doc_string = ""
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    if len(data) > MAX_BYTES:
        raise NotSupported(
            f"This model takes {len(data) / 1e9:.1f} GB, which is too large for a page. "
            "Explore it with a server: zatlas explore."
        )
    return data


def _imported_graph(part: _Part, output_name: str, device: str) -> Any:
    """Return the graph of an imported ONNX, TorchScript or fixed-batch program; None for other models.

    torch cannot trace these as part of a larger module, so the adapters are added to their own graph.
    """
    import onnx

    if not isinstance(part.owner, Adapter):
        return None
    about, halves = part.owner.info, part.owner.halves
    core = halves.decode if output_name == "x" else halves.encode
    if isinstance(core, Session):
        return with_standard_io(onnx.load(core.path), output_name, about)
    if isinstance(core, Program) and core.fixed:
        return with_standard_io(_export(core.program, core.example), output_name, about)
    if isinstance(core, Scripted):
        sizes = about.shape if output_name == "x" else shape_of(about.image, about.layout)
        rows: tuple[Tensor, ...] = (torch.zeros(2, *sizes, device=device),)
        if halves.labelled:
            rows += (torch.zeros(2, dtype=torch.int64, device=device),)
        names = ["rows", "y"][: len(rows)]
        axes = {name: {0: "n"} for name in names}
        graph = _export(core.program, rows, dynamo=False, input_names=names, dynamic_axes=axes)
        return with_standard_io(graph, output_name, about)
    return None


def _traced_graph(
    part: _Part, input_name: str, rows: np.ndarray, generator: Generator, output_name: str
) -> Any:
    """Return the graph that torch traces from these example rows."""
    labels = _labels(2, generator)
    examples = [torch.as_tensor(rows[:2], device=generator.device)]
    examples += [] if labels is None else [torch.as_tensor(labels, device=generator.device)]
    batch = torch.export.Dim("n")
    return _export(
        part.eval(),
        tuple(examples),
        input_names=[input_name, "y"][: len(examples)],
        output_names=[output_name],
        dynamic_shapes=tuple({0: batch} for _ in examples),
    )


def _export(module: nn.Module, examples: tuple[Tensor, ...], *, dynamo: bool = True, **settings: Any) -> Any:
    """Return the ONNX model that torch exports; TorchScript needs the older exporter (dynamo=False)."""
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
            f"torch cannot export this model to ONNX: {first_line(error.__cause__ or error)}. "
            "Pages with a server do not need ONNX: zatlas explore."
        ) from error
    model = onnx.load_from_string(file.getvalue()) if program is None else program.model_proto
    store_as_half(model.graph)
    del model.graph.value_info[:], model.functions[:]
    return model


def store_as_half(graph: Any) -> None:
    """Store the graph's weights in 16 bits, with a cast to 32 bits before each use."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) <= MIN_EXTERNAL_BYTES:
            continue
        values = numpy_helper.to_array(weight)
        if not np.abs(values).max() < np.finfo(np.float16).max:
            continue  # outside the range of 16 bits
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _examples(generator: Generator, like: Latents | None) -> Latents:
    """Return latents for tracing and comparing: of `like`, else of the prior."""
    count = max(CHECKED_BATCHES)
    if like is not None and len(like):
        return np.resize(like[:count], (count, generator.space.dim)).astype(np.float32)
    if generator.space.prior != "none":
        return generator.space.sample(count, seed=0)
    shape = (count, generator.space.dim)
    return stream(0, "onnx").standard_normal(shape, dtype=np.float32)


def _batches(rows: Latents | Images, generator: Generator) -> Iterator[tuple[np.ndarray, Labels | None]]:
    for count in CHECKED_BATCHES:
        yield rows[:count], _labels(count, generator)


def _labels(count: int, generator: Generator) -> Labels | None:
    """Return a label for each row, cycling through the classes; None for an unconditional model."""
    return np.arange(count) % len(generator.classes) if generator.classes else None


def _run(data: bytes, input_name: str, rows: np.ndarray, y: Labels | None) -> np.ndarray:
    """Return what onnxruntime computes for these rows."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    inputs = {input_name: np.ascontiguousarray(rows, np.float32)} | ({} if y is None else {"y": y})
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        output = run_session(session, inputs, Path("the page's ONNX"))[0]
    except ZatlasError:
        raise
    except Exception as error:  # onnxruntime has many kinds of errors
        raise NotSupported(
            f"onnxruntime cannot run this model: {first_line(error)}. "
            "Pages with a server do not need ONNX: zatlas explore."
        ) from error
    return output


def _difference(output: Images, expected: Images) -> float:
    """Return the maximum absolute difference; infinity for other shapes or values that are not finite."""
    if output.shape != expected.shape or not np.isfinite(output).all():
        return float("inf")
    return float(np.abs(output - expected).max(initial=0))


def _write(path: Path, data: bytes, error: float, kind: str) -> ModelFile:
    if error > MAX_ERROR:
        raise NotSupported(
            f"The {kind} as ONNX differs from torch by up to {error:.3g} per pixel; the limit is "
            f"{MAX_ERROR:g}. Explore this model with a server: zatlas explore."
        )
    atomic.write_file(path, data)
    return ModelFile(path, len(data), error)


@contextmanager
def _quiet(names: Sequence[str] = ("torch.onnx", "torch.export", "onnxscript")) -> Iterator[None]:
    """Inside the block, silence the exporter's log and warnings."""
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
