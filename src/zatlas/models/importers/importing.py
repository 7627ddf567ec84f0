"""Import models made elsewhere as runs: read a source safely, probe its model, and save both in a folder."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zatlas.core import deadline
from zatlas.core.errors import BadData, BadRecipe, Damaged, NotFound, NotSupported, ZatlasError, first_line
from zatlas.models import trust
from zatlas.models.description import Description
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
from zatlas.models.importers.description_table import digest_of_all, programs_of
from zatlas.models.importers.imported import (
    Halves,
    ImportedModel,
    ImportOptions,
    SourceInfo,
    from_planes,
    from_unit,
    generator,
)
from zatlas.models.importers.imported_run import described, files_of, halves_of, open_imported
from zatlas.store import atomic
from zatlas.store.run import Run, check_free

PICKLE_SUFFIXES = (".pt", ".pth", ".tar", ".ckpt", ".bin", ".torchscript", ".ts", ".model")
# Of nets among state dicts, the most specific first.
RECOGNIZERS = (progan.recognize, stylegan_light.recognize, biggan_plain.recognize, plain.recognize)


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
        with _damage_is_bad_data(source):
            if isinstance(source, (str, Path)):
                source_info, halves = _from_disk(Path(source), side, options)
            else:
                source_info, halves = _from_memory(source, options)
            _check_options(options, source_info.settings)
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
    return source_info, halves_of(
        source_info.kind, files, source_info.settings, "cpu", state_dict.import_for_user
    )


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


def _check_options(options: ImportOptions, settings: Mapping[str, Any]) -> None:
    """Raise `BadRecipe` for a truncation or a noise that the model does not have."""
    needs = {"truncation": {"psi", "truncation"}, "truncation_layers": {"psi"}, "noise": {"noise"}}
    for name, used in needs.items():
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
def _damage_is_bad_data(source: Any) -> Iterator[None]:
    """Inside the block, `BadData` is raised where a file makes its reader fail, which can be in any way."""
    try:
        yield
    except Damaged as error:
        raise BadData(str(error)) from error
    except (ZatlasError, OSError):
        raise
    except Exception as error:
        if not isinstance(source, (str, Path)):
            raise
        raise BadData(
            f"{source} cannot be imported, because its parts do not fit together: {type(error).__name__}: "
            f"{first_line(error)}. Download or save it again."
        ) from error


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
