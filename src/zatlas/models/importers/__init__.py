"""Import models made elsewhere as runs: read a source safely, probe its model, and save both in a folder."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from zatlas.core import deadline
from zatlas.core.errors import BadData, BadRecipe, BadRun, NotFound, NotSupported, ZatlasError
from zatlas.core.space import Space
from zatlas.data.image_dataset import ImageDataset
from zatlas.models import trust
from zatlas.models.description import Description, load_weights
from zatlas.models.description import generator as trained
from zatlas.models.generator import Generator
from zatlas.models.importers import (
    biggan_plain,
    importer,
    latents_file,
    onnx_model,
    plain,
    probe,
    progan,
    programs,
    run_files,
    state_dict,
    stylegan_light,
)
from zatlas.models.importers.description_table import HALVES, digest_of_all, programs_of, read_table
from zatlas.models.importers.imported import (
    Find,
    Halves,
    ImportedModel,
    ImportOptions,
    SourceInfo,
    as_shape,
    file_of,
    from_planes,
    from_unit,
    generator,
)
from zatlas.models.importers.program_calls import Scripted
from zatlas.models.installed import imported, python_path
from zatlas.store import atomic, digests
from zatlas.store.run import Run, check_free

PICKLE_SUFFIXES = (".pt", ".pth", ".tar", ".ckpt", ".bin", ".torchscript", ".ts", ".model")
# Of nets among state dicts, the most specific first.
RECOGNIZERS = (progan.recognize, stylegan_light.recognize, biggan_plain.recognize, plain.recognize)
RECOGNIZED = {"progan": progan.load, "biggan_plain": biggan_plain.load, "plain": plain.load}


@dataclass(frozen=True)
class ImportResult:
    """An imported run, its generator, and lines that describe the model for the user."""

    run: Run
    description: Description
    generator: Generator
    messages: tuple[str, ...]


def import_model(
    source: Any, out: Path, options: ImportOptions, data: str | None = None, device: str = "cpu"
) -> ImportResult:
    """Import a model and return its run; if that fails, no files are left behind."""
    check_free(out)
    if isinstance(source, (str, Path)) and not Path(source).exists():
        raise NotFound(f"There is no file or folder at {source}. zatlas imports {importer.supported_text()}.")
    with (
        atomic.folder(out, sealed=False, recorded=True) as side,
        errors_name_source(side, source, options.encoder),
        deadline.within(deadline.IMPORT_SECONDS),
    ):
        if isinstance(source, (str, Path)):
            source_info, halves = _from_disk(Path(source), side, options)
        else:
            source_info, halves = _from_memory(source, options)
        _check_truncation(options, source_info.settings)
        source_info, info, lines = _inferred(source_info, halves, side, options)
        if halves is not None and source_info.kind == "function":
            info, lines = _saved_as_program(info, halves, side, lines)
        info = replace(info, digest=digest_of_all(info, side))
        provenance = run_files.provenance_of(info)
        if data is not None:
            recipe, provenance["fingerprint"] = run_files.recipe_of(data, info, side)
            (side / "recipe.toml").write_bytes(recipe)
        (side / "made.json").write_bytes(atomic.as_json(provenance))
    run = Run(out)
    if info.kind == "function":
        assert halves is not None
        return ImportResult(run, described(info), generator(info, halves, device), lines)
    # The user's own command has just run the model, so it needs no consent later.
    warning = trust.remember(programs_of(info, files_of(run, info)))
    return ImportResult(run, *open_imported(run, device), (*lines, warning) if warning else lines)


def open_imported(run: Run, device: str = "cpu", *, trusted: bool = False) -> tuple[Description, Generator]:
    """Return the model of a run, trained or imported; `NeedsTrust` for an untrusted program."""
    info = imported_model_of(run)
    if info is None:
        description, model = load_weights(run.weights)
        return description, trained(description, model, device)
    files = files_of(run, info)
    if info.kind == "function":
        raise BadRun(
            f"{run.folder} was imported from a Python function that torch cannot write to a file, so the "
            "run does not contain it. Import it where it is defined: zatlas.import_model(function, out=...)."
        )
    if info.kind == "latents":
        space = Space(tuple(info.shape), info.prior)
        return described(info), Generator(space, latents_file.no_decoder)
    folders = trust.check(run.folder, programs_of(info, files), trusted)
    find = partial(imported, folders=[*folders, *python_path(run.folder)], run=run.folder)
    return described(info), generator(info, _halves(info.kind, files, info.settings, device, find), device)


def imported_model_of(run: Run) -> ImportedModel | None:
    """Return the description of an imported model; None for a run that was trained."""
    table = run.provenance().get("imported")
    if table is None:
        return None
    try:
        return read_table(table)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise BadRun(
            f"{run.folder}/made.json does not describe the imported model: {error}. Import the model again."
        ) from error


def files_of(run: Run, info: ImportedModel) -> dict[str, Path]:
    """Return the files of an imported model, after checking that they exist and are unchanged."""
    files = {role: run.path(name) for role, name in info.files.items()}
    for file in files.values():
        if not file.is_file():
            raise BadRun(f"{run.folder} lacks {file.name}, a file of its model. Import the model again.")
        digests.verify(file)
    return files


def latents_of_run(run: Run) -> Any:
    """Return the latents (n, dim) that were imported without a model; None for a run with a model."""
    info = imported_model_of(run)
    if info is None or info.kind != "latents":
        return None
    return latents_file.read(file_of(files_of(run, info), "latents"))


def cloud_of_run(run: Run) -> Any:
    """Return the latents (n, dim) that were imported together with a decoder; None if there are none."""
    info = imported_model_of(run)
    if info is None or info.kind == "latents" or "latents" not in info.files:
        return None
    return latents_file.read(files_of(run, info)["latents"])


def dataset_of(run: Run) -> ImageDataset | None:
    """Return the labels and attributes that were imported with latents; None if there are none."""
    info = imported_model_of(run)
    if info is None or "labels" not in info.files:
        return None
    latents, table = latents_of_run(run), files_of(run, info)["labels"]
    if latents is None:
        raise BadRun(
            f"{run.folder}/made.json has labels for latents, but the run has no latents. Import them again."
        )
    return latents_file.labels_and_attributes(
        latents, table, info.settings["label"], run.folder.resolve().name
    )


def has_dataset(run: Run) -> bool:
    """Return whether labels or attributes were imported with latents."""
    info = imported_model_of(run)
    return info is not None and "labels" in info.files


def described(info: ImportedModel) -> Description:
    """Return a `Description` of an imported model, as trained models have."""
    family = str(info.settings.get("net") or info.settings.get("class") or info.kind)
    return Description(family, {}, "", {}, as_shape(info.image), info.classes)


def _from_disk(source: Path, side: Path, options: ImportOptions) -> tuple[SourceInfo, Halves | None]:
    """Copy a file or folder into the run `side`, and open its model from there."""
    if (read := importer.write_model(source, side, options)) is not None:
        source_info = read
    elif source.is_dir():
        raise NotSupported(
            f"Neither pythae nor diffusers saved {source}. zatlas imports {importer.supported_text()}."
        )
    elif source.suffix.lower() in latents_file.SUFFIXES:
        return latents_file.write_latents(source, side, options), None
    elif (decoder := _program(source, side, "decoder")) is not None:
        source_info = _programs(decoder, side, options)
    elif source.suffix.lower() in (*PICKLE_SUFFIXES, ".safetensors"):
        source_info = state_dict.write_weights(source, side, options, RECOGNIZERS)
    else:
        raise NotSupported(f"{source} has an unknown format. zatlas imports {importer.supported_text()}.")
    files = {role: side / name for role, name in source_info.files.items()}
    return source_info, _halves(source_info.kind, files, source_info.settings)


def _program(source: Path, side: Path, role: str) -> str | None:
    """Copy a program into the run under this role and return its name; None if it is not a program."""
    if source.suffix.lower() == ".onnx":
        return onnx_model.write_model(source, side, role)
    if source.suffix.lower() == programs.EXPORTED or programs.exported(source):
        if not programs.exported(source):
            raise BadData(f"{source} was not written by torch.export.save. Export the model again.")
        return programs.write_program(source, side, role)
    return programs.write_program(source, side, role) if programs.scripted(source) else None


def _programs(decoder: str, side: Path, options: ImportOptions) -> SourceInfo:
    """Return what the decoder's file says; the encoder's file is copied into the run."""
    names = {"decoder": decoder}
    if options.encoder is not None:
        path = Path(options.encoder)
        if not path.is_file():
            raise NotFound(f"There is no encoder at {path}. Check its path.")
        encoder = _program(path, side, "encoder")
        if encoder is None:
            raise NotSupported(
                f"{path} is not a program. Give an encoder as ONNX, torch.export or TorchScript."
            )
        names["encoder"] = encoder
    if decoder.endswith(".onnx"):
        return onnx_model.source_info(names, side / decoder)
    return programs.source_info(names, side / decoder, options)


def _halves(
    kind: str,
    files: Mapping[str, Path],
    settings: Mapping[str, Any],
    device: str = "cpu",
    find: Find = state_dict.import_for_user,
) -> Halves:
    """Open the model of a run's files; `find` imports the modules that it names."""
    if kind == "weights":
        return state_dict.load(files, settings, find)
    if kind in RECOGNIZED:
        return RECOGNIZED[kind](files, settings)
    if kind != "program":
        return importer.load_model(kind, files, settings, device, find)
    modules = {
        role: onnx_model.Session(path) if path.suffix == ".onnx" else programs.load(path, device)
        for role, path in files.items()
        if role in HALVES
    }
    decoder, encoder = modules["decoder"], modules.get("encoder")
    labelled, rows, last = bool(settings.get("labelled")), programs.ROWS, ""
    if isinstance(decoder, onnx_model.Session):
        labelled, last = decoder.label_input is not None, onnx_model.last_of(files["decoder"])
        rows = decoder.rows or rows
    elif isinstance(decoder, programs.Program):
        rows, last = decoder.rows, decoder.last
    elif isinstance(decoder, Scripted) and settings.get("rows"):
        rows = decoder.rows = int(settings["rows"])
    return Halves(decoder, encoder, torch.nn.ModuleDict(modules), last, labelled, rows)


def _from_memory(source: Any, options: ImportOptions) -> tuple[SourceInfo, Halves]:
    """Wrap a module or a function of the calling program."""
    if not callable(source):
        raise NotSupported(
            f"A {type(source).__name__} is not a decoder. zatlas imports {importer.supported_text()}."
        )
    halves = replace(programs.from_memory(source, options.encoder), labelled=bool(options.classes))
    shapes: tuple[tuple[int, ...], ...] = ()
    if halves.owner is not None:
        shapes = state_dict.every_shape(dict(halves.owner.named_parameters()))
    why = "a function does not state the shape of its input"
    name = getattr(source, "__name__", type(source).__name__)
    return SourceInfo(
        "function", {}, {"class": name}, shapes, why, lines=(f"{name}, an object in memory.",)
    ), halves


def _saved_as_program(
    info: ImportedModel, halves: Halves, side: Path, lines: tuple[str, ...]
) -> tuple[ImportedModel, tuple[str, ...]]:
    """Write the model as programs if torch can export it; return its new description and lines."""
    z = probe.example_latents(info.shape, 2)
    x = torch.zeros(2, *info.image)
    rows = from_planes(from_unit(x, info.pixels), info.layout)
    label = (torch.zeros(2, dtype=torch.int64),) if halves.labelled else ()
    written = {"decoder": programs.export(halves.decode, (z, *label), side / "decoder.pt2")}
    if halves.encode is not None:
        written["encoder"] = programs.export(halves.encode, (rows, *label), side / "encoder.pt2")
    if all(written.values()):
        files = {**info.files, **{role: f"{role}.pt2" for role in written}}
        settings = {**info.settings, "labelled": halves.labelled}
        line = f"Saved as a program of torch.export ({', '.join(f'{role}.pt2' for role in written)})."
        return replace(info, kind="program", files=files, settings=settings), (*lines, line)
    for role in written:
        (side / f"{role}.pt2").unlink(missing_ok=True)
    line = "torch cannot write it to a file, so the run works only where the function is defined."
    return info, (*lines, line)


def _check_truncation(options: ImportOptions, settings: Mapping[str, Any]) -> None:
    """Raise `BadRecipe` for a truncation that the model does not have."""
    for name, used in (("truncation", {"psi", "truncation"}), ("truncation_layers", {"psi"})):
        if getattr(options, name) is not None and not used & settings.keys():
            option = name.replace("_", "-")
            raise BadRecipe(f"This model does not take --{option}. Omit it (in Python: {name}=).")


def _inferred(
    source_info: SourceInfo, halves: Halves | None, side: Path, options: ImportOptions
) -> tuple[SourceInfo, ImportedModel, tuple[str, ...]]:
    """Return what is imported; the given latents, a mapped file, are closed when it returns."""
    cloud = None
    if options.latents is not None and source_info.kind != "latents":
        source_info, cloud = latents_file.write_cloud(options.latents, side, options, source_info)
    if source_info.kind == "latents":
        return source_info, _without_decoder(source_info, options), source_info.lines
    assert halves is not None
    return source_info, *probe.infer(source_info, halves, options, cloud)


def _without_decoder(source_info: SourceInfo, options: ImportOptions) -> ImportedModel:
    (shape,) = source_info.shapes
    image = (0, 0, 0)
    return ImportedModel(
        "latents",
        source_info.files,
        source_info.settings,
        shape,
        image,
        options.prior or "none",
        "unit",
        "nchw",
        "none",
        (),
    )


@contextmanager
def errors_name_source(side: Path, source: Any, encoder: Any) -> Iterator[None]:
    """Inside the block, errors name the files that the user gave, not their copies in `side`."""
    name = source if isinstance(source, (str, Path)) else "the model"
    encoder_name = encoder if isinstance(encoder, (str, Path)) else name
    try:
        yield
    except ZatlasError as error:
        message = re.sub(rf"{re.escape(str(side))}/encoder[\w.]*", lambda _: str(encoder_name), str(error))
        message = re.sub(rf"{re.escape(str(side))}(/[\w.]+)?", lambda _: str(name), message)
        if message == str(error):
            raise
        error.args = (message, *error.args[1:])
        raise


__all__ = [
    "ImportOptions",
    "ImportResult",
    "ImportedModel",
    "cloud_of_run",
    "dataset_of",
    "has_dataset",
    "import_model",
    "imported_model_of",
    "latents_of_run",
    "open_imported",
]
