"""Models made elsewhere, as runs: a source is read safely, its model probed, and both kept in a folder."""

import json
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from zatlas.core import watched
from zatlas.core.errors import BadData, BadRun, NotHere, NotSupported, ZatlasError
from zatlas.core.space import Space
from zatlas.data import sources
from zatlas.data.imageset import ImageSet
from zatlas.models import trust
from zatlas.models.bring import codes, diffusers, onnx, probe, programs, pythae, weights
from zatlas.models.bring.brought import (
    Asked,
    Brought,
    Halves,
    Taken,
    as_shape,
    file_of,
    from_planes,
    from_unit,
    generator,
    words_of,
)
from zatlas.models.bring.table import digest_of_all, programs_of, read_table
from zatlas.models.description import Description, load_weights
from zatlas.models.description import generator as trained
from zatlas.models.generator import Generator
from zatlas.models.installed import imported, python_path
from zatlas.store import atomic, digests
from zatlas.store.run import FORMAT, Run, check_free

PICKLED = (".pt", ".pth", ".tar", ".ckpt", ".bin", ".torchscript", ".ts", ".model")
KNOWN = (
    "a decoder (.onnx, .pt2, TorchScript), weights (.safetensors, .pt, .pth, .tar, .bin), codes (.npy, .npz, "
    ".parquet), or a folder saved by pythae or diffusers"
)


@dataclass(frozen=True)
class Arrived:
    """A brought run, its generator, and what was found out of the model."""

    run: Run
    description: Description
    generator: Generator
    told: tuple[str, ...]


def bring(source: Any, out: Path, asked: Asked, data: str | None = None, device: str = "cpu") -> Arrived:
    """Make a run of a model that was made elsewhere; nothing is left behind where that fails."""
    check_free(out)
    if isinstance(source, (str, Path)) and not Path(source).exists():
        raise NotHere(f"There is nothing at {source}. What can be brought: {KNOWN}.")
    with (
        atomic.folder(out, sealed=False, recorded=True) as side,
        naming(side, source, asked.encoder),
        watched.within(watched.PROBING),
    ):
        if isinstance(source, (str, Path)):
            taken, halves = _from_disk(Path(source), side, asked)
        else:
            taken, halves = _at_hand(source, side, asked)
        if taken.kind == "codes":
            brought, told = _codes_only(taken, asked), taken.told
        else:
            assert halves is not None
            brought, told = probe.concluded(taken, halves, asked)
        if halves is not None and taken.kind == "function":
            brought, told = _kept(brought, halves, side, told)
        brought = replace(brought, digest=digest_of_all(brought, side))
        made = _made(brought)
        if data is not None:
            recipe, made["data"] = _recipe(data, brought, side)
            (side / "recipe.toml").write_bytes(recipe)
        (side / "made.json").write_bytes(atomic.as_json(made))
    run = Run(out)
    if brought.kind == "function":
        assert halves is not None
        return Arrived(run, described(brought), generator(brought, halves, device), told)
    # What was just run by the person's own command needs no consent later.
    refused = trust.remember(programs_of(brought, files_of(run, brought)))
    return Arrived(run, *opened(run, device), (*told, refused) if refused else told)


def opened(run: Run, device: str = "cpu", *, trusted: bool = False) -> tuple[Description, Generator]:
    """The model of a run, trained here or brought; `NeedsTrust` if it is a program of a stranger."""
    brought = brought_of(run)
    if brought is None:
        description, model = load_weights(run.weights)
        return description, trained(description, model, device)
    files = files_of(run, brought)
    if brought.kind == "function":
        raise BadRun(
            f"{run.folder} was brought from a Python function that torch cannot write to a file, so it "
            "is not in the run. Bring it again where it is defined: zatlas.import_model(function, out=...)."
        )
    if brought.kind == "codes":
        space = Space(tuple(brought.shape), brought.prior)
        return described(brought), Generator(space, codes.no_decoder)
    folders = trust.check(run.folder, programs_of(brought, files), trusted)
    find = partial(
        imported, folders=[*folders, *python_path(run.folder)], run=run.folder
    )  # where the classes of a run may lie
    return described(brought), generator(
        brought, _halves(brought.kind, files, brought.settings, device, find), device
    )


def brought_of(run: Run) -> Brought | None:
    """What is known of the model of a brought run; None for one that was trained here."""
    table = run.made().get("brought")
    if table is None:
        return None
    try:
        return read_table(table)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise BadRun(
            f"{run.folder}/made.json does not say what was brought: {error}. Bring the model again."
        ) from error


def files_of(run: Run, brought: Brought) -> dict[str, Path]:
    """The files of a brought model, all of which are there and as they were written."""
    files = {role: run.path(name) for role, name in brought.files.items()}
    for file in files.values():
        if not file.is_file():
            raise BadRun(f"{run.folder} lacks {file.name}, which its model is in. Bring it again.")
        digests.verify(file)
    return files


def codes_of(run: Run) -> Any:
    """The codes that were brought without a model; None where a run has a model."""
    brought = brought_of(run)
    if brought is None or brought.kind != "codes":
        return None
    return codes.read(file_of(files_of(run, brought), "codes"))


def known_of(run: Run) -> ImageSet | None:
    """The labels and attributes that came beside brought codes; None where none did."""
    brought = brought_of(run)
    if brought is None or "beside" not in brought.files:
        return None
    points, beside = codes_of(run), files_of(run, brought)["beside"]
    if points is None:
        raise BadRun(f"{run.folder}/made.json names labels for codes, and the run has no codes.")
    return codes.known(points, beside, brought.settings["label"], run.folder.resolve().name)


def tells(run: Run) -> bool:
    """Whether labels or attributes came beside brought codes."""
    brought = brought_of(run)
    return brought is not None and "beside" in brought.files


def described(brought: Brought) -> Description:
    """The model in the words that trained ones are described by."""
    family = str(brought.settings.get("net") or brought.settings.get("class") or brought.kind)
    return Description(family, {}, "", {}, as_shape(brought.image), brought.classes)


def _from_disk(source: Path, side: Path, asked: Asked) -> tuple[Taken, Halves | None]:
    """What lies there, taken into the run, and opened from there."""
    if source.is_dir():
        if pythae.here(source):
            taken = pythae.take(source, side, asked)
        elif diffusers.here(source):
            taken = diffusers.take(source, side, asked)
        else:
            raise NotSupported(f"{source} was saved by neither pythae nor diffusers. Known: {KNOWN}.")
    elif source.suffix.lower() in codes.SUFFIXES:
        return codes.take(source, side, asked), None
    elif (decoder := _program(source, side, "decoder")) is not None:
        taken = _program_taken(decoder, side, asked)
    elif source.suffix.lower() in (*PICKLED, ".safetensors"):
        taken = weights.take(source, side, asked)
    else:
        raise NotSupported(f"{source} is of no known kind. What can be brought: {KNOWN}.")
    files = {role: side / name for role, name in taken.files.items()}
    return taken, _halves(taken.kind, files, taken.settings)


def _program(source: Path, side: Path, role: str) -> str | None:
    """Take one half that is a program into the run; None for what is none."""
    if source.suffix.lower() == ".onnx":
        return onnx.take(source, side, role)
    if source.suffix.lower() == programs.EXPORTED or programs.exported(source):
        if not programs.exported(source):
            raise BadData(f"{source} is no file of torch.export.save.")
        return programs.take(source, side, role)
    return programs.take(source, side, role) if programs.scripted(source) else None


def _program_taken(decoder: str, side: Path, asked: Asked) -> Taken:
    names = {"decoder": decoder}
    if asked.encoder is not None:
        path = Path(asked.encoder)
        if not path.is_file():
            raise NotHere(f"There is no encoder at {path}.")
        encoder = _program(path, side, "encoder")
        if encoder is None:
            raise NotSupported(f"{path} is no encoder: ONNX, torch.export and TorchScript are taken.")
        names["encoder"] = encoder
    return (onnx if decoder.endswith(".onnx") else programs).taken(names, side / decoder)


def _halves(
    kind: str,
    files: Mapping[str, Path],
    settings: Mapping[str, Any],
    device: str = "cpu",
    find: weights.Find = weights.by_person,
) -> Halves:
    """The model of a run's files, in its own terms; `find` imports the modules that it names."""
    if kind == "weights":
        return weights.load(files, settings, find)
    if kind == "pythae":
        return pythae.load(files, settings, find)
    if kind == "diffusers":
        return diffusers.load(files, settings)
    if kind != "program" or "decoder" not in files:
        raise BadRun(f"A brought model of the kind {kind!r} is not known. Update: pip install -U zatlas")
    modules = {
        role: onnx.Session(path) if path.suffix == ".onnx" else programs.half(path, device)
        for role, path in files.items()
    }
    decoder, encoder = modules["decoder"], modules.get("encoder")
    labelled, rows, last = bool(settings.get("labelled")), programs.ROWS, ""
    if isinstance(decoder, onnx.Session):
        labelled, last = decoder.told is not None, onnx.last_of(files["decoder"])
        rows = decoder.rows or rows
    elif isinstance(decoder, programs.Program):
        rows, last = decoder.rows, decoder.last
    return Halves(decoder, encoder, torch.nn.ModuleDict(modules), last, labelled, rows)


def _at_hand(source: Any, side: Path, asked: Asked) -> tuple[Taken, Halves]:
    """A module or a function of the running program."""
    if not callable(source):
        raise NotSupported(f"A {type(source).__name__} is no decoder. What can be brought: {KNOWN}.")
    halves = replace(programs.live(source, asked.encoder), labelled=bool(asked.classes))
    shapes: tuple[tuple[int, ...], ...] = ()
    if halves.owner is not None:
        shapes = weights.first_shapes(dict(halves.owner.named_parameters()))
    why = "a function does not say what it takes"
    name = getattr(source, "__name__", type(source).__name__)
    return Taken("function", {}, {"class": name}, shapes, why, told=(f"{name}, as it is in memory.",)), halves


def _kept(
    brought: Brought, halves: Halves, side: Path, told: tuple[str, ...]
) -> tuple[Brought, tuple[str, ...]]:
    """The same with its halves written as programs, where torch can."""
    z = probe.few_points(brought.shape, 2)
    x = torch.zeros(2, *brought.image)
    rows = from_planes(from_unit(x, brought.pixels), brought.layout)
    label = (torch.zeros(2, dtype=torch.int64),) if halves.labelled else ()
    written = {"decoder": programs.kept(halves.decode, (z, *label), side / "decoder.pt2")}
    if halves.encode is not None:
        written["encoder"] = programs.kept(halves.encode, (rows, *label), side / "encoder.pt2")
    if all(written.values()):
        files = {role: f"{role}.pt2" for role in written}
        settings = {**brought.settings, "labelled": halves.labelled}
        words = f"Kept as a program of torch.export ({', '.join(files.values())})."
        return replace(brought, kind="program", files=files, settings=settings), (*told, words)
    for role in written:
        (side / f"{role}.pt2").unlink(missing_ok=True)
    words = "torch cannot write it to a file: the run is of use only where the function is defined."
    return brought, (*told, words)


def _codes_only(taken: Taken, asked: Asked) -> Brought:
    (shape,) = taken.shapes
    image = (0, 0, 0)
    return Brought(
        "codes", taken.files, taken.settings, shape, image, asked.prior or "none", "unit", "nchw", "none", ()
    )


def _recipe(data: str, brought: Brought, side: Path) -> tuple[bytes, str]:
    """The table [data] of a recipe and the images' fingerprint, once they are known to fit the model."""
    name, options = sources.settle(data)
    _, height, width = brought.image
    if brought.kind == "codes":
        size = options.pop("size", None)
    else:
        size = options.pop("size", height if height == width else None)
    images = sources.load(name, size=size, **options)
    if brought.kind == "codes":
        count = len(codes.read(side / brought.files["codes"]))
        if count != len(images):
            raise BadData(f"{data} has {len(images):,} images, and there are {count:,} codes: give one each.")
    elif images.shape != brought.image:
        raise BadData(
            f"The images of {data} are {words_of(images.shape)} (channels, height, width), and this "
            f"model's {words_of(brought.image)}. Bring it with images like its own."
        )
    table = {"source": name, "size": size, **options}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
    text = "# Images for a model that was brought.\n[data]\n" + "\n".join(lines) + "\n"
    return text.encode(), images.fingerprint


def _made(brought: Brought) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "zatlas": version("zatlas"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "brought": asdict(brought),
    }


@contextmanager
def naming(side: Path, source: Any, encoder: Any) -> Iterator[None]:
    """Errors of the block name the files that the person gave, not their copies in a side folder."""
    given = source if isinstance(source, (str, Path)) else "the model"
    other = encoder if isinstance(encoder, (str, Path)) else given
    try:
        yield
    except ZatlasError as error:
        words = re.sub(rf"{re.escape(str(side))}/encoder[\w.]*", lambda _: str(other), str(error))
        words = re.sub(rf"{re.escape(str(side))}(/[\w.]+)?", lambda _: str(given), words)
        if words == str(error):
            raise
        error.args = (words, *error.args[1:])
        raise


__all__ = ["Arrived", "Asked", "Brought", "bring", "brought_of", "codes_of", "known_of", "opened", "tells"]
