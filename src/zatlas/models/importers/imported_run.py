"""Open the model of a run: trained by zatlas, or imported.

The modules of a format are imported when a run has it.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from zatlas.core.errors import BadRun
from zatlas.core.space import Space
from zatlas.data.image_dataset import ImageDataset
from zatlas.models import trust
from zatlas.models.description import Description, load_weights
from zatlas.models.description import generator as trained
from zatlas.models.generator import Generator
from zatlas.models.importers import importer
from zatlas.models.importers.description_table import HALVES, programs_of, read_table
from zatlas.models.importers.imported import Find, Halves, ImportedModel, as_shape, file_of, generator
from zatlas.models.installed import imported, python_path
from zatlas.store import digests
from zatlas.store.run import Run


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
        from zatlas.models.importers import latents_file

        return described(info), Generator(Space(tuple(info.shape), info.prior), latents_file.no_decoder)
    folders = trust.check(run.folder, programs_of(info, files), trusted)
    find = partial(imported, folders=[*folders, *python_path(run.folder)], run=run.folder)
    return described(info), generator(info, halves_of(info.kind, files, info.settings, device, find), device)


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
    from zatlas.models.importers import latents_file

    return latents_file.read(file_of(files_of(run, info), "latents"))


def cloud_of_run(run: Run) -> Any:
    """Return the latents (n, dim) that were imported together with a decoder; None if there are none."""
    info = imported_model_of(run)
    if info is None or info.kind == "latents" or "latents" not in info.files:
        return None
    from zatlas.models.importers import latents_file

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
    from zatlas.models.importers import latents_file

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


def halves_of(
    kind: str, files: Mapping[str, Path], settings: Mapping[str, Any], device: str, find: Find
) -> Halves:
    """Open the model of a run's files; `find` imports the modules that it names."""
    if kind == "program":
        return _programs(files, settings, device)
    if kind == "weights":
        from zatlas.models.importers import state_dict

        return state_dict.load(files, settings, find)
    if kind == "progan":
        from zatlas.models.importers import progan

        return progan.load(files, settings)
    if kind == "biggan_plain":
        from zatlas.models.importers import biggan_plain

        return biggan_plain.load(files, settings)
    if kind == "plain":
        from zatlas.models.importers import plain

        return plain.load(files, settings)
    return importer.load_model(kind, files, settings, device, find)


def _programs(files: Mapping[str, Path], settings: Mapping[str, Any], device: str) -> Halves:
    from zatlas.models.importers import onnx_model, programs
    from zatlas.models.importers.program_calls import Scripted

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
