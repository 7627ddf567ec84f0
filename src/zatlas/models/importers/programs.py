"""Import programs: TorchScript, torch.export (.pt2), and modules in memory, which are exported to .pt2.

A program runs when it is used, like installed code. Everything else in such files (pickled example inputs,
pickled objects and compiled libraries) is never read.
"""

import ast
import io
import json
import logging
import re
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass as move

from zatlas.core.errors import BadData, ZatlasError, first_line
from zatlas.models.importers.imported import Half, Halves, ImportOptions, SourceInfo, in_batches, no_gradient
from zatlas.models.importers.program_calls import Scripted, call_program
from zatlas.models.importers.state_dict import every_shape, last_of
from zatlas.models.importers.zips import check_disk_space, copied, names_in, refuse_bombs

EXPORTED, SCRIPTED = ".pt2", ".torchscript"
SAMPLES = "data/sample_inputs/model.pt"  # a pickle of example inputs, which is not needed
MEMBERS = re.compile(
    r"data/weights/(weight_\d+|model_weights_config\.json)|models/model\.json|byteorder"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)|archive_(format|version)|\.data/\w+"
)
ALLOWED_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Name,
    ast.Constant,
    ast.Call,
    ast.operator,
    ast.keyword,
)
ALLOWED_CALLS = {
    "Symbol",
    "Integer",
    "Rational",
    "Float",
    "Add",
    "Mul",
    "Pow",
    "Mod",
    "Max",
    "Min",
    "FloorDiv",
    "CeilDiv",
    "PythonMod",
    "CleanDiv",
    "IntTrueDiv",
}
ROWS = 256  # default batch size
MAX_TEXT = 64 << 20  # bytes of the description of a program


def write_program(source: Path, side: Path, role: str) -> str:
    """Copy a program into the run, without its pickles, and return its name."""
    suffix = EXPORTED if exported(source) else SCRIPTED
    target = side / f"{role}{suffix}"
    check_disk_space(side, refuse_bombs(source))
    if suffix == EXPORTED:
        clean(source, target)
    else:
        shutil.copyfile(source, target)
    return target.name


def exported(source: Path) -> bool:
    """Return whether a file was written by torch.export."""
    return any(name.endswith("archive_format") for name in names_in(source))


def scripted(source: Path) -> bool:
    """Return whether a file is TorchScript."""
    return any("/code/" in name for name in names_in(source))


class Program(nn.Module):
    """A program of torch.export, which has no training mode."""

    def __init__(self, program: torch.export.ExportedProgram, path: Path) -> None:
        super().__init__()
        self.program = program.module()
        self.path = path

    @property
    def nodes(self) -> list[torch.fx.Node]:
        """The operations, in order."""
        return list(self.program.graph.nodes)

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """The shape of the first input, whose batch size may be symbolic."""
        node = next(node for node in self.nodes if node.op == "placeholder")
        return tuple(node.meta["val"].shape)

    @property
    def last(self) -> str:
        """The name of the last operation."""
        calls = [node for node in self.nodes if node.op == "call_function"]
        return str(calls[-1].name).rstrip("_0123456789") if calls else ""

    @property
    def rows(self) -> int:
        """The batch size: the traced one if it is fixed, else the default."""
        return int(self.input_shape[0]) if self.fixed else ROWS

    @property
    def fixed(self) -> bool:
        """Whether the batch size is fixed."""
        return isinstance(self.input_shape[0], int)

    @property
    def example(self) -> tuple[Tensor, ...]:
        """Zeros of the shape of every input, if the batch size is fixed."""
        inputs = [node.meta["val"] for node in self.nodes if node.op == "placeholder"]
        return tuple(torch.zeros(tuple(x.shape), dtype=x.dtype, device=x.device) for x in inputs)

    def train(self, mode: bool = True) -> "Program":
        """Return self: an exported program cannot change its mode."""
        return self

    def forward(self, *rows: Tensor) -> Any:
        return in_batches(self._run, rows, self.rows) if self.fixed else self._run(*rows)

    def _run(self, *rows: Tensor) -> Any:
        return call_program(self.program, rows, self.path)


def load(path: Path, device: str = "cpu") -> nn.Module:
    """Return the program in a file as a module."""
    with quiet():
        try:
            if path.suffix == EXPORTED:
                check_export(path)
                program = torch.export.load(path)
                return Program(program if device == "cpu" else move(program, device), path)
            check_script(path)
            return Scripted(torch.jit.load(path, map_location="cpu"), path)  # type: ignore[no-untyped-call]
        except ZatlasError:
            raise
        except Exception as error:  # torch has many kinds of errors
            kind = "torch.export" if path.suffix == EXPORTED else "TorchScript"
            raise BadData(f"{path} cannot be read as {kind}: {first_line(error)}.") from error


def check_script(path: Path) -> None:
    """Raise `BadData` for a TorchScript file that unpacks to too much, or runs code while it is loaded.

    torch holds Python's global lock while it loads such a file, so a time limit could not stop that code.
    """
    refuse_bombs(path)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            latent = "/code/" in entry.filename and entry.filename.endswith(".py")
            if latent and b"__setstate__" in archive.read(entry):
                raise BadData(
                    f"{path} has code that runs while it is loaded (__setstate__ in {entry.filename}), as in "
                    "quantized models. Save the model without it, or export it as ONNX."
                )


def shapes_of(module: nn.Module) -> tuple[tuple[int, ...], ...]:
    """Return shapes of a latent: the traced shape of an exported program, else what the weights suggest."""
    if isinstance(module, Program):
        return (tuple(int(size) for size in module.input_shape[1:]),)
    return every_shape(dict(module.named_parameters()))


def from_memory(decoder: Any, encoder: Any) -> Halves:
    """Wrap a module or a function in memory; a module with `decode` and `encode` is used for both."""
    owner = decoder if isinstance(decoder, nn.Module) else None
    if owner is not None:
        owner = no_gradient(owner)
    decode: Half = getattr(decoder, "decode", decoder)
    encode: Half | None = encoder if encoder is not None else getattr(decoder, "encode", None)
    if isinstance(encoder, nn.Module):
        no_gradient(encoder)
    last = last_of(owner) if owner is not None and encoder is None else ""
    return Halves(decode, encode, owner, last=last)


def export(function: Half, example: tuple[Tensor, ...], path: Path) -> bool:
    """Write a function as a torch.export program; return whether torch can export it."""
    batch = torch.export.Dim("n")
    try:
        with quiet(), torch.random.fork_rng(), torch.no_grad():
            program = torch.export.export(
                _FunctionModule(function), example, dynamic_shapes=(tuple({0: batch} for _ in example),)
            )
            data = io.BytesIO()
            torch.export.save(program, data)
    except ZatlasError:
        raise
    except Exception:  # torch has many kinds of errors; the model is then used from memory
        return False
    data.seek(0)
    clean(data, path)
    return True


class _FunctionModule(nn.Module):
    """A function as a module, which torch can export."""

    def __init__(self, function: Half) -> None:
        super().__init__()
        owner = getattr(function, "__self__", function)
        self.owner = owner if isinstance(owner, nn.Module) else None
        self.function = function

    def forward(self, *rows: Tensor) -> Any:
        return self.function(*rows)


def clean(source: Path | io.BytesIO, target: Path) -> None:
    """Copy a torch.export file without its pickled example inputs, and check the copy."""
    named = source if isinstance(source, Path) else target
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            is_samples = _inner(entry.filename) == SAMPLES
            with old.open(entry) as data, new.open(entry.filename, "w") as copy:
                if not is_samples:
                    copied(data, copy, entry.file_size, named)
    check_export(target, named)


def check_export(path: Path, named: Path | None = None) -> None:
    """Raise `BadData` if loading a torch.export file would unpickle, compile or evaluate anything."""
    named = named or path
    refuse_bombs(path, named)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            extra = [name for name in names if not MEMBERS.fullmatch(_inner(name))]
            extra = [name for name in extra if _inner(name) != SAMPLES or archive.getinfo(name).file_size]
            if extra or len(set(names)) < len(names):
                raise BadData(
                    f"{named} holds {(extra or names)[0]!r} in addition to a program and its weights. "
                    "Loading it could run code, so it is refused. Export the model again."
                )
            for name in names:
                if name.endswith(".json"):
                    if archive.getinfo(name).file_size > MAX_TEXT:
                        raise BadData(
                            f"The program in {named} is described in more than 64 MB. Export a smaller model."
                        )
                    for key, value in _pairs(json.loads(archive.read(name))):
                        _check_pair(key, value, named)
    except (zipfile.BadZipFile, ValueError, RecursionError) as error:
        if isinstance(error, BadData):
            raise
        raise BadData(f"{named} cannot be read as torch.export: {first_line(error)}.") from error


def _check_pair(key: str, value: Any, path: Path) -> None:
    pickled = key == "use_pickle" and value is not False
    file = key == "path_name" and not re.fullmatch(r"(weight|tensor)_\d+", str(value))
    evaluated = key == "expr_str" and not _is_arithmetic(str(value))
    if pickled or file or evaluated:
        raise BadData(
            f"{path} holds more than tensors and a program ({key} {str(value)[:60]!r}). Loading it could "
            "run code, so it is refused. Export the model again."
        )


def _is_arithmetic(expression: str) -> bool:
    """Return whether an expression is only arithmetic of sizes, which torch evaluates with sympy."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in ALLOWED_CALLS:
                return False
        elif isinstance(node, ast.Constant):
            size_name = isinstance(node.value, str) and node.value.isidentifier()
            if not size_name and not isinstance(node.value, int | float):
                return False
        elif not isinstance(node, (*ALLOWED_NODES, ast.unaryop, ast.expr_context)):
            return False
    return True


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key and value of nested JSON."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key), inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)


def _inner(name: str) -> str:
    return name.partition("/")[2]


@contextmanager
def quiet(logger: str = "torch.export") -> Iterator[None]:
    """Inside the block, silence a library's log and warnings."""
    log = logging.getLogger(logger)
    level = log.level
    try:
        log.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def source_info(names: Mapping[str, str], decoder: Path, options: ImportOptions) -> SourceInfo:
    """Return what the decoder's file says, and the batch size of traced TorchScript."""
    module = load(decoder)
    kind = "torch.export" if decoder.suffix == EXPORTED else "TorchScript"
    shapes = shapes_of(module)
    lines, settings = [f"A program of {kind}."], {}
    given = (options.shape,) if options.shape else shapes
    if isinstance(module, Scripted) and (rows := module.batch_of(given)):
        settings["rows"] = rows
        lines.append(f"It was traced for a batch of {rows}, so zatlas decodes larger sets in batches.")
    return SourceInfo("program", names, settings, shapes, lines=tuple(lines))
