"""Validate the table `imported` of a run's made.json, and list the programs that it would run."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.core.settings import checked_value, fill
from zatlas.core.space import Prior
from zatlas.models.importers.imported import ImportedModel, Layout, PixelRange, StdSource
from zatlas.models.importers.importer import check_known, is_data_only
from zatlas.models.installed import source_folder
from zatlas.models.safe_build import LARGEST_SIDE, LARGEST_SIZE
from zatlas.models.trust import Program, class_digest, digest_of

# Required and optional settings of each kind, with their types.
SETTINGS: dict[str, tuple[dict[str, type], dict[str, type]]] = {
    "program": ({}, {"labelled": bool, "class": str, "rows": int}),
    "weights": ({}, {"ours": bool, "module": str}),
    "pythae": ({"module": str, "encoder": str, "config": dict}, {}),
    "diffusers": ({"class": str}, {}),
    "stylegan": (
        {"net": str, "config": dict, "psi": float},
        {"cutoff": int, "noise": str, "discriminator": dict},
    ),
    "biggan": ({"config": dict, "truncation": float}, {}),
    "progan": ({"config": dict}, {}),
    "biggan_plain": ({"config": dict, "truncation": float}, {}),
    "plain": ({"config": dict}, {}),
    "latents": ({"label": str}, {}),
    "function": ({}, {"class": str}),
}
REQUIRED_FILE = {
    "program": "decoder",
    "weights": "weights",
    "pythae": "weights",
    "diffusers": "weights",
    "stylegan": "weights",
    "biggan": "weights",
    "progan": "weights",
    "biggan_plain": "weights",
    "plain": "weights",
    "latents": "latents",
}
HALVES = ("decoder", "encoder")  # files that are programs
ROLES = (*HALVES, "weights", "discriminator", "config", "latents", "labels")


@dataclass(frozen=True)
class _Values:
    """The entries of the table that are strings and numbers."""

    kind: str
    shape: tuple[int, ...]
    image: tuple[int, ...]
    prior: Prior
    pixels: PixelRange
    layout: Layout
    std: StdSource
    classes: tuple[str, ...]
    digest: str


def read_table(table: Any) -> ImportedModel:
    """Return the validated table of a made.json; `BadRecipe` or `UnknownName` if an entry is wrong."""
    if not isinstance(table, dict):
        raise BadRecipe(f"imported must be a table, not {type(table).__name__}")
    missing = [field.name for field in fields(ImportedModel) if field.name not in table]
    if missing:
        raise BadRecipe(f"imported has no {missing[0]}")
    files, settings = (_table(table[name], name) for name in ("files", "settings"))
    values = {name: value for name, value in table.items() if name not in ("files", "settings")}
    checked: _Values = fill(_Values, values, "imported")
    _check_sizes(checked)
    _check_settings(checked.kind, settings)
    for role, name in files.items():
        if role not in ROLES or not isinstance(name, str):
            raise BadRecipe(f"imported.files has {role!r}: {str(name)[:60]!r}")
    if (required := REQUIRED_FILE.get(checked.kind)) and required not in files:
        raise BadRecipe(f"imported.files has no {required}")
    return ImportedModel(**vars(checked), files=files, settings=settings)


def digest_of_all(info: ImportedModel, folder: Path) -> str:
    """Return the SHA-256 of the model's description and files."""
    description = asdict(replace(info, digest=""))
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(info.files.values()):
        digest.update(bytes.fromhex(digest_of(folder / name)))
    return digest.hexdigest()


def programs_of(info: ImportedModel, files: Mapping[str, Path], weights: str = "") -> list[Program]:
    """Return what runs when the model is opened: its program files, or the classes that it names."""
    if info.kind == "program" or (info.kind not in SETTINGS and not is_data_only(info.kind)):
        return [Program(path.name, digest_of(path)) for role, path in files.items() if role in HALVES]
    names = classes_of(info.kind, info.settings)
    if not names:
        return []
    digest = class_digest(names, weights or digest_of(files["weights"]))
    modules = [name.partition(":")[0] for name in names]
    folder = next((path for module in modules if (path := source_folder(module))), "")
    return [Program(" and ".join(names), digest, folder)]


def classes_of(kind: str, settings: Mapping[str, Any]) -> list[str]:
    """Return the Python classes that a model of this kind names."""
    keys: Sequence[str] = {"weights": ("module",), "pythae": ("module", "encoder")}.get(kind, ())
    return [str(settings[key]) for key in keys if settings.get(key)]


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRecipe(f"imported.{name} must be a table, not {str(value)[:60]!r}")
    return value


def _check_sizes(values: _Values) -> None:
    """Check that the shapes of latents and images are possible."""
    without_images = values.kind == "latents"
    for name, sizes in (("shape", values.shape), ("image", values.image)):
        minimum = 0 if without_images and name == "image" else 1
        bounded = all(minimum <= size <= LARGEST_SIDE for size in sizes)
        if not sizes or not bounded or math.prod(sizes) > LARGEST_SIZE:
            raise BadRecipe(f"imported.{name} is not the shape of an array: {str(sizes)[:60]}")
    if len(values.image) != 3 or not (without_images or values.image[0] in (1, 3)):
        raise BadRecipe(f"imported.image is not the shape of an image: {values.image}")


def _check_settings(kind: str, settings: Mapping[str, Any]) -> None:
    if kind not in SETTINGS:
        check_known(kind)
        return  # the plugin checks its own settings
    required, optional = SETTINGS[kind]
    for name in required.keys() - settings.keys():
        raise BadRecipe(f"imported.settings has no {name}")
    types = {**required, **optional}
    for name, value in settings.items():
        if name not in types:
            raise UnknownName("setting of imported.settings", name, types)
        checked_value(value, types[name], f"imported.settings.{name}")
    if kind == "weights":
        _check_weights(settings)
    if kind == "pythae":
        config = settings["config"]
        sizes = (config.get("latent_dim"), *_list(config.get("input_dim")))
        if len(sizes) < 2 or not all(map(_is_size, sizes)):
            raise BadRecipe("imported.settings.config needs latent_dim and input_dim")


def _check_weights(settings: Mapping[str, Any]) -> None:
    """Check that exactly one of zatlas's own model and a class is given."""
    if len(settings.keys() & {"ours", "module"}) != 1:
        raise BadRecipe("imported.settings needs exactly one of ours and module")


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _is_size(value: Any) -> bool:
    integer = isinstance(value, int) and not isinstance(value, bool)
    return integer and 1 <= value <= LARGEST_SIDE
