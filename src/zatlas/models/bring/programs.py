"""Models as programs: TorchScript, torch.export (.pt2), and live modules, which become the latter.

A program is run when it is used, as any code that one installs. What such files hold besides the
program - pickles of example inputs and of objects, compiled libraries - is never read.
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
from zatlas.models.bring.brought import Half, Halves, Taken, in_turns, no_gradient
from zatlas.models.bring.running import Scripted, call
from zatlas.models.bring.weights import first_shapes, last_of
from zatlas.models.bring.zips import check_room, copied, names_in, refuse_bombs

EXPORTED, SCRIPTED = ".pt2", ".torchscript"
SAMPLES = "data/sample_inputs/model.pt"  # a pickle, which only serves to show how a program is called
MEMBERS = re.compile(
    r"data/weights/(weight_\d+|model_weights_config\.json)|models/model\.json|byteorder"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)|archive_(format|version)|\.data/\w+"
)
PLAIN = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Call, ast.operator, ast.keyword)
CALLED = {
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
ROWS = 256  # at once, where a file does not say
LARGEST = 64 << 20  # bytes of the text of a program


def take(source: Path, side: Path, role: str) -> str:
    """Copy one half into the run, a torch.export file without what could be unpickled; its name there."""
    suffix = EXPORTED if exported(source) else SCRIPTED
    into = side / f"{role}{suffix}"
    check_room(side, refuse_bombs(source))
    if suffix == EXPORTED:
        clean(source, into)
    else:
        shutil.copyfile(source, into)
    return into.name


def exported(source: Path) -> bool:
    """Whether it is a file of torch.export."""
    return any(name.endswith("archive_format") for name in names_in(source))


def scripted(source: Path) -> bool:
    """Whether it is a file of TorchScript."""
    return any("/code/" in name for name in names_in(source))


class Program(nn.Module):
    """A program of torch.export, which neither trains nor is told that it does not."""

    def __init__(self, program: torch.export.ExportedProgram, path: Path) -> None:
        super().__init__()
        self.program = program.module()
        self.path = path

    @property
    def nodes(self) -> list[torch.fx.Node]:
        """Its operations, in order."""
        return list(self.program.graph.nodes)

    @property
    def takes(self) -> tuple[Any, ...]:
        """The sizes of what it takes, the first of which may be open."""
        node = next(node for node in self.nodes if node.op == "placeholder")
        return tuple(node.meta["val"].shape)

    @property
    def last(self) -> str:
        """The name of its last operation."""
        done = [node for node in self.nodes if node.op == "call_function"]
        return str(done[-1].name).rstrip("_0123456789") if done else ""

    @property
    def rows(self) -> int:
        """How many rows it takes at once: those it was traced with, if they were fixed."""
        return int(self.takes[0]) if self.fixed else ROWS

    @property
    def fixed(self) -> bool:
        """Whether it takes that many rows and no others."""
        return isinstance(self.takes[0], int)

    @property
    def example(self) -> tuple[Tensor, ...]:
        """Zeros like all that it takes at once, where the number of rows is fixed."""
        given = [node.meta["val"] for node in self.nodes if node.op == "placeholder"]
        return tuple(torch.zeros(tuple(one.shape), dtype=one.dtype, device=one.device) for one in given)

    def train(self, mode: bool = True) -> "Program":
        """It stays as it was exported."""
        return self

    def forward(self, *rows: Tensor) -> Any:
        return in_turns(self._run, rows, self.rows) if self.fixed else self._run(*rows)

    def _run(self, *rows: Tensor) -> Any:
        return call(self.program, rows, self.path)


def half(path: Path, device: str = "cpu") -> nn.Module:
    """The program in this file, as a module."""
    with quiet():
        try:
            if path.suffix == EXPORTED:
                checked(path)
                program = torch.export.load(path)
                return Program(program if device == "cpu" else move(program, device), path)
            check_script(path)
            return Scripted(torch.jit.load(path, map_location="cpu"), path)  # type: ignore[no-untyped-call]
        except ZatlasError:
            raise
        except Exception as error:  # torch's readers fail in many ways
            what = "torch.export" if path.suffix == EXPORTED else "TorchScript"
            raise BadData(f"{path} cannot be read as {what}: {first_line(error)}.") from error


def check_script(path: Path) -> None:
    """Refuse a TorchScript file that unpacks to too much, or with code that runs while it is read.

    torch holds Python's lock while it reads such a file, so nothing could stop that code.
    """
    refuse_bombs(path)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            code = "/code/" in entry.filename and entry.filename.endswith(".py")
            if code and b"__setstate__" in archive.read(entry):
                raise BadData(
                    f"{path} has code that runs while it is read (__setstate__ in {entry.filename}), as "
                    "quantized models have. Save the model without it, or export it as ONNX."
                )


def shapes_of(module: nn.Module) -> tuple[tuple[int, ...], ...]:
    """Shapes of a point: the one that an exported program was traced with, else what its weights suggest."""
    if isinstance(module, Program):
        return (tuple(int(size) for size in module.takes[1:]),)
    return first_shapes(dict(module.named_parameters()))


def live(decoder: Any, encoder: Any) -> Halves:
    """A module or a function that is at hand; a module with `decode` and `encode` is both halves."""
    owner = decoder if isinstance(decoder, nn.Module) else None
    if owner is not None:
        owner = no_gradient(owner)
    decode: Half = getattr(decoder, "decode", decoder)
    encode: Half | None = encoder if encoder is not None else getattr(decoder, "encode", None)
    if isinstance(encoder, nn.Module):
        no_gradient(encoder)
    last = last_of(owner) if owner is not None and encoder is None else ""
    return Halves(decode, encode, owner, last=last)


def kept(function: Half, example: tuple[Tensor, ...], path: Path) -> bool:
    """Write a live half as a program; whether torch could."""
    many = torch.export.Dim("n")
    try:
        with quiet(), torch.random.fork_rng(), torch.no_grad():
            program = torch.export.export(
                _Called(function), example, dynamic_shapes=(tuple({0: many} for _ in example),)
            )
            plain = io.BytesIO()
            torch.export.save(program, plain)
    except ZatlasError:
        raise
    except Exception:  # what cannot be traced fails in many ways; the model is then used as it is
        return False
    plain.seek(0)
    clean(plain, path)
    return True


class _Called(nn.Module):
    """A function as a module, which is what torch exports."""

    def __init__(self, function: Half) -> None:
        super().__init__()
        owner = getattr(function, "__self__", function)
        self.owner = owner if isinstance(owner, nn.Module) else None
        self.function = function

    def forward(self, *rows: Tensor) -> Any:
        return self.function(*rows)


def clean(source: Path | io.BytesIO, into: Path) -> None:
    """Copy a torch.export file without its pickled example inputs."""
    named = source if isinstance(source, Path) else into
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(into, "w") as new:
        for entry in old.infolist():
            samples = _inner(entry.filename) == SAMPLES
            with old.open(entry) as data, new.open(entry.filename, "w") as copy:
                if not samples:
                    copied(data, copy, entry.file_size, named)
    checked(into, named)


def checked(path: Path, named: Path | None = None) -> None:
    """Refuse a torch.export file that would have anything unpickled, compiled or evaluated."""
    named = named or path
    refuse_bombs(path, named)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            odd = [name for name in names if not MEMBERS.fullmatch(_inner(name))]
            odd = [n for n in odd if _inner(n) != SAMPLES or archive.getinfo(n).file_size]
            if odd or len(set(names)) < len(names):
                raise BadData(
                    f"{named} holds {(odd or names)[0]!r} besides a program and its weights, which "
                    "would have to be unpickled or run: it is refused."
                )
            for name in names:
                if name.endswith(".json"):
                    if archive.getinfo(name).file_size > LARGEST:
                        raise BadData(f"{named} describes its program in more than 64 MB.")
                    for key, value in _pairs(json.loads(archive.read(name))):
                        _check_pair(key, value, named)
    except (zipfile.BadZipFile, ValueError, RecursionError) as error:
        if isinstance(error, BadData):
            raise
        raise BadData(f"{named} cannot be read as torch.export: {first_line(error)}.") from error


def _check_pair(key: str, value: Any, path: Path) -> None:
    pickled = key == "use_pickle" and value is not False
    named = key == "path_name" and not re.fullmatch(r"(weight|tensor)_\d+", str(value))
    evaluated = key == "expr_str" and not _plain(str(value))
    if pickled or named or evaluated:
        raise BadData(
            f"{path} holds more than tensors and a program ({key} {str(value)[:60]!r}), which would "
            "have to be unpickled or evaluated: it is refused."
        )


def _plain(expression: str) -> bool:
    """Whether it is arithmetic of sizes, which torch lets sympy evaluate."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in CALLED:
                return False
        elif isinstance(node, ast.Constant):
            named = isinstance(node.value, str) and node.value.isidentifier()  # of a size
            if not named and not isinstance(node.value, int | float):
                return False
        elif not isinstance(node, (*PLAIN, ast.unaryop, ast.expr_context)):
            return False
    return True


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a JSON value, however deep, and what stands there."""
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
    """Without what a library says of its own formats."""
    log = logging.getLogger(logger)
    level = log.level
    try:
        log.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def taken(names: Mapping[str, str], decoder: Path) -> Taken:
    """What is known of a program before it is tried."""
    module = half(decoder)
    kind = "torch.export" if decoder.suffix == EXPORTED else "TorchScript"
    return Taken("program", names, {}, shapes_of(module), told=(f"A program of {kind}.",))
