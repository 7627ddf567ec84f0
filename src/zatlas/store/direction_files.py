"""Saved directions: one safetensors file each, with the name and the description as metadata."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.errors import BadData, Damaged, UnknownName
from zatlas.store import atomic, digests, safe_paths, tensors

FORMAT = 1
KEY = "zatlas-direction"  # of the metadata
SUFFIX = ".safetensors"
MAX_NAME_LENGTH = 100  # characters


@dataclass(frozen=True)
class SavedDirection:
    """The content of a file: a name, arrays by name, and a description of plain values."""

    name: str
    arrays: Mapping[str, np.ndarray]
    description: Mapping[str, Any] = field(default_factory=dict)


def save(folder: Path, direction: SavedDirection, *, overwrite: bool = False) -> Path:
    """Write a direction into a folder under its name; BadData if the name exists and is not overwritten."""
    check_name(direction.name)
    path = folder / file_of(direction.name)
    if path.exists() and not overwrite:
        raise BadData(
            f"A direction named {direction.name!r} is already saved in {path}. Choose another name, or "
            "rename that one: zatlas directions rename RUN OLD NEW"
        )
    metadata = {"format": FORMAT, "name": direction.name, "description": dict(direction.description)}
    text = json.dumps(metadata, sort_keys=True, default=_plain)
    return tensors.write(path, KEY, text, direction.arrays)


def read(path: Path) -> SavedDirection:
    """The direction in a file, in any folder."""
    metadata, stored = tensors.read(path, KEY, "direction", FORMAT)
    arrays = {name: np.asarray(array, np.float32) for name, array in stored.items()}
    if not arrays or not all(array.size and np.isfinite(array).all() for array in arrays.values()):
        raise Damaged(f"{path} does not hold arrays of finite numbers.")
    name, description = metadata.get("name"), metadata.get("description")
    if not isinstance(name, str) or not isinstance(description, dict):
        raise Damaged(f"{path} does not say what direction it holds.")
    return SavedDirection(name, arrays, description)


def load(folder: Path, name: str) -> SavedDirection:
    """The direction of this name in a folder."""
    path = folder / file_of(name)
    if not path.is_file():
        raise UnknownName("saved direction", name, names(folder))
    return read(path)


def has(folder: Path, name: str) -> bool:
    """Whether the folder has a direction of this name."""
    return bool(name) and (folder / file_of(name)).is_file()


def names(folder: Path) -> list[str]:
    """The names of the directions in a folder, sorted."""
    return sorted(read(path).name for path in _files(folder))


def digest(folder: Path) -> str:
    """SHA-256 of all directions in a folder; it changes when one is saved, changed or removed."""
    total = hashlib.sha256()
    for path in sorted(_files(folder)):
        digests.verify(path)
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def rename(folder: Path, old: str, new: str) -> Path:
    """Rename a direction; BadData if the new name exists."""
    saved = load(folder, old)
    path = save(folder, replace(saved, name=new))
    atomic.remove_file(folder / file_of(old))
    return path


def remove(folder: Path, name: str) -> None:
    """Delete the file of a direction."""
    load(folder, name)
    atomic.remove_file(folder / file_of(name))


def check_name(name: str) -> None:
    """Raise BadData for a name that cannot be typed or printed."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise BadData(
            f"The name of a direction has 1 to {MAX_NAME_LENGTH} characters on one line, without spaces at "
            f"its ends; not {name[:60]!r}."
        )


def file_of(name: str) -> str:
    """The file name of a direction: its name if that is safe, else with a part of its digest."""
    return safe_paths.file_name(name, SUFFIX)


def _files(folder: Path) -> list[Path]:
    return list(folder.glob(f"[!.]*{SUFFIX}"))


def _plain(value: Any) -> Any:
    """Numpy values as Python values."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
