"""Saved directions: one safetensors file each, with the name and description as metadata."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.errors import BadData, Damaged, UnknownName
from zatlas.core.shell import shell_command
from zatlas.store import atomic, digests, safe_paths, tensors

FORMAT = 1
KEY = "zatlas-direction"  # metadata key of the description
SUFFIX = ".safetensors"
MAX_NAME_LENGTH = 100  # characters of a name


@dataclass(frozen=True)
class SavedDirection:
    """A direction as arrays: the vector of a linear one, the field of a nonlinear one."""

    name: str
    arrays: Mapping[str, np.ndarray]
    description: Mapping[str, Any] = field(default_factory=dict)


def save(folder: Path, direction: SavedDirection, *, replace: bool = False, space: str = "") -> Path:
    """Write a direction into a folder under its name; `BadData` if the name exists, unless `replace`.

    `space` names the latent space of the folder, unless it is that of the model's input.
    """
    check_name(direction.name)
    path = folder / file_name(direction.name)
    if path.exists() and not replace:
        run = folder.parents[2] if space else folder.parent
        option = ("--space", space) if space else ()
        command = shell_command("directions", "rename", run, direction.name, "NEW", *option)
        raise BadData(
            f"A direction named {direction.name!r} is already saved in {path}. Choose another name, or "
            f"rename the old one: {command}"
        )
    metadata = {"format": FORMAT, "name": direction.name, "description": dict(direction.description)}
    text = json.dumps(metadata, sort_keys=True, default=_as_json_value)
    return tensors.write(path, KEY, text, direction.arrays)


def read(path: Path) -> SavedDirection:
    """Return the direction of a file, which need not be in a run."""
    metadata, tensors_by_name = tensors.read(path, KEY, "direction", FORMAT)
    arrays = {name: np.asarray(array, np.float32) for name, array in tensors_by_name.items()}
    if not arrays or not all(array.size and np.isfinite(array).all() for array in arrays.values()):
        raise Damaged(f"{path} has no arrays, or arrays with NaN or infinity.")
    name, description = metadata.get("name"), metadata.get("description")
    if not isinstance(name, str) or not isinstance(description, dict):
        raise Damaged(f"{path} has no name or description of its direction.")
    return SavedDirection(name, arrays, description)


def load(folder: Path, name: str) -> SavedDirection:
    """Return the direction of this name."""
    path = folder / file_name(name)
    if not path.is_file():
        raise UnknownName("saved direction", name, names(folder))
    return read(path)


def has(folder: Path, name: str) -> bool:
    """Return whether a direction of this name is saved in the folder."""
    return bool(name) and (folder / file_name(name)).is_file()


def names(folder: Path) -> list[str]:
    """Return the names of the directions in a folder, sorted."""
    return sorted(read(path).name for path in _files(folder))


def digest(folder: Path) -> str:
    """Return the SHA-256 of all directions in a folder."""
    total = hashlib.sha256()
    for path in sorted(_files(folder)):
        digests.verify(path)
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def rename(folder: Path, old: str, new: str) -> Path:
    """Rename a direction; `BadData` if the new name exists."""
    saved = load(folder, old)
    path = save(folder, replace(saved, name=new))
    atomic.remove_file(folder / file_name(old))
    return path


def remove(folder: Path, name: str) -> None:
    """Remove a direction."""
    load(folder, name)
    atomic.remove_file(folder / file_name(name))


def check_name(name: str) -> None:
    """Raise `BadData` for a name that is empty, too long or not printable."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise BadData(
            f"{name[:60]!r} cannot be the name of a direction. Give 1 to {MAX_NAME_LENGTH} printable "
            "characters without spaces at the ends."
        )


def file_name(name: str) -> str:
    """Return the file name of a direction: its name if that is safe, else with a part of its digest."""
    return safe_paths.file_name(name, SUFFIX)


def _files(folder: Path) -> list[Path]:
    return list(folder.glob(f"[!.]*{SUFFIX}"))


def _as_json_value(value: Any) -> Any:
    """Return numpy values as Python values, and others as text."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
