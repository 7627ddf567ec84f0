"""The table `brought` of a run's made.json: read strictly, and what of it would run."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.core.fields import fill, fit
from zatlas.core.space import Prior
from zatlas.models.bring.brought import Brought, Layout, PixelRange, Spread
from zatlas.models.built import LARGEST_SIDE, LARGEST_SIZE
from zatlas.models.installed import source_folder
from zatlas.models.trust import Program, class_digest, digest_of

# The settings of each kind with their types; those in the second table may be missing.
SETTINGS: dict[str, tuple[dict[str, type], dict[str, type]]] = {
    "program": ({}, {"labelled": bool, "class": str}),
    "weights": ({}, {"ours": bool, "module": str, "net": str, "dim": int, "width": int, "image": list}),
    "pythae": ({"module": str, "encoder": str, "config": dict}, {}),
    "diffusers": ({"class": str}, {}),
    "codes": ({"label": str}, {}),
    "function": ({}, {"class": str}),
}
NEEDED = {
    "program": "decoder",
    "weights": "weights",
    "pythae": "weights",
    "diffusers": "weights",
    "codes": "codes",
}
ROLES = ("decoder", "encoder", "weights", "config", "codes", "beside")


@dataclass(frozen=True)
class _Plain:
    """The part of the table that is words and numbers."""

    kind: str
    shape: tuple[int, ...]
    image: tuple[int, ...]
    prior: Prior
    pixels: PixelRange
    layout: Layout
    spread: Spread
    classes: tuple[str, ...]
    digest: str


def read_table(table: Any) -> Brought:
    """The table as it is in a made.json; BadRecipe or UnknownName for what no import writes."""
    if not isinstance(table, dict):
        raise BadRecipe(f"brought must be a table, not {type(table).__name__}")
    missing = [one.name for one in fields(Brought) if one.name not in table]
    if missing:
        raise BadRecipe(f"brought has no {missing[0]}")
    files, settings = (_table(table[name], name) for name in ("files", "settings"))
    plain = {name: value for name, value in table.items() if name not in ("files", "settings")}
    found: _Plain = fill(_Plain, plain, "brought")
    _check_sizes(found)
    _check_settings(found.kind, settings)
    for role, name in files.items():
        if role not in ROLES or not isinstance(name, str):
            raise BadRecipe(f"brought.files has {role!r}: {str(name)[:60]!r}")
    if (needed := NEEDED.get(found.kind)) and needed not in files:
        raise BadRecipe(f"brought.files has no {needed}")
    return Brought(**vars(found), files=files, settings=settings)


def digest_of_all(brought: Brought, folder: Path) -> str:
    """SHA-256 of the model's files and of how they are read."""
    told = asdict(replace(brought, digest=""))
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(brought.files.values()):
        found.update(bytes.fromhex(digest_of(folder / name)))
    return found.hexdigest()


def programs_of(brought: Brought, files: Mapping[str, Path], weights: str = "") -> list[Program]:
    """What runs when the model is opened: its files that are programs, or the classes it names."""
    if brought.kind == "program":
        return [Program(path.name, digest_of(path)) for path in files.values()]
    names = classes_of(brought.kind, brought.settings)
    if not names:
        return []
    digest = class_digest(names, weights or digest_of(files["weights"]))
    modules = [name.partition(":")[0] for name in names]
    folder = next((home for one in modules if (home := source_folder(one))), "")
    return [Program(" and ".join(names), digest, folder)]


def classes_of(kind: str, settings: Mapping[str, Any]) -> list[str]:
    """The Python classes that a model of this kind names."""
    keys: Sequence[str] = {"weights": ("module",), "pythae": ("module", "encoder")}.get(kind, ())
    return [str(settings[key]) for key in keys if settings.get(key)]


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRecipe(f"brought.{name} must be a table, not {str(value)[:60]!r}")
    return value


def _check_sizes(found: _Plain) -> None:
    """Shapes of arrays that can be: of points, and of images with channels, height and width."""
    codes = found.kind == "codes"
    for name, sizes in (("shape", found.shape), ("image", found.image)):
        least = 0 if codes and name == "image" else 1
        bounded = all(least <= one <= LARGEST_SIDE for one in sizes)
        if not sizes or not bounded or math.prod(sizes) > LARGEST_SIZE:
            raise BadRecipe(f"brought.{name} is no shape of an array: {str(sizes)[:60]}")
    if len(found.image) != 3 or not (codes or found.image[0] in (1, 3)):
        raise BadRecipe(f"brought.image is no shape of an image: {found.image}")


def _check_settings(kind: str, settings: Mapping[str, Any]) -> None:
    if kind not in SETTINGS:
        raise UnknownName("kind of imported model", kind, SETTINGS)
    needed, possible = SETTINGS[kind]
    for name in needed.keys() - settings.keys():
        raise BadRecipe(f"brought.settings has no {name}")
    known = {**needed, **possible}
    for name, value in settings.items():
        if name not in known:
            raise UnknownName("setting of brought.settings", name, known)
        fit(value, known[name], f"brought.settings.{name}")
    if kind == "weights":
        _check_weights(settings)
    if kind == "pythae":
        config = settings["config"]
        sizes = (config.get("latent_dim"), *_list(config.get("input_dim")))
        if len(sizes) < 2 or not all(_size(one) for one in sizes):
            raise BadRecipe("brought.settings.config needs latent_dim and input_dim")


def _check_weights(settings: Mapping[str, Any]) -> None:
    """Weights are ours, or those of a class, or of the net dcgan with its sizes."""
    if len(settings.keys() & {"ours", "module", "net"}) != 1:
        raise BadRecipe("brought.settings says nothing, or too much, of the net of its weights")
    if "net" in settings:
        image = _list(settings.get("image"))
        sizes = (settings.get("dim"), settings.get("width"), *image)
        if settings["net"] != "dcgan" or len(image) != 3 or not all(map(_size, sizes)):
            raise BadRecipe("brought.settings describes no net dcgan: it needs dim, width and image")


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _size(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and 1 <= value <= LARGEST_SIDE
