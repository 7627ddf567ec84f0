"""Ways that were kept: one safetensors file each, with its name and what is known of it as metadata."""

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
MAX_NAME_LENGTH = 100  # letters of a name


@dataclass(frozen=True)
class SavedDirection:
    """Arrays by a name, and what is told of them: of a direction its vector, of what bends its field."""

    name: str
    arrays: Mapping[str, np.ndarray]
    description: Mapping[str, Any] = field(default_factory=dict)


def save(folder: Path, direction: SavedDirection, *, replace: bool = False) -> Path:
    """Write a way into a folder under its name; another of that name is kept, unless it may go."""
    check_name(direction.name)
    path = folder / file_of(direction.name)
    if path.exists() and not replace:
        raise BadData(
            f"A direction named {direction.name!r} is kept already, in {path}. Choose another name, or "
            "rename or remove that one: zatlas directions --help"
        )
    about = {"format": FORMAT, "name": direction.name, "told": dict(direction.description)}
    text = json.dumps(about, sort_keys=True, default=_plain)
    return tensors.write(path, KEY, text, direction.arrays)


def read(path: Path) -> SavedDirection:
    """The way of such a file, wherever it lies."""
    about, result = tensors.read(path, KEY, "direction", FORMAT)
    arrays = {name: np.asarray(array, np.float32) for name, array in result.items()}
    if not arrays or not all(array.size and np.isfinite(array).all() for array in arrays.values()):
        raise Damaged(f"{path} does not hold arrays of finite numbers.")
    name, told = about.get("name"), about.get("told")
    if not isinstance(name, str) or not isinstance(told, dict):
        raise Damaged(f"{path} does not say what direction it holds.")
    return SavedDirection(name, arrays, told)


def load(folder: Path, name: str) -> SavedDirection:
    """The way of this name."""
    path = folder / file_of(name)
    if not path.is_file():
        raise UnknownName("kept direction", name, names(folder))
    return read(path)


def has(folder: Path, name: str) -> bool:
    """Whether a way of this name is kept in the folder."""
    return bool(name) and (folder / file_of(name)).is_file()


def names(folder: Path) -> list[str]:
    """The names of the ways in a folder."""
    return sorted(read(path).name for path in _files(folder))


def digest(folder: Path) -> str:
    """SHA-256 of all ways in a folder: changes with anything that is kept of them."""
    whole = hashlib.sha256()
    for path in sorted(_files(folder)):
        digests.verify(path)
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def rename(folder: Path, old: str, new: str) -> Path:
    """Give a way another name, unless that one is taken."""
    saved = load(folder, old)
    path = save(folder, replace(saved, name=new))
    atomic.remove_file(folder / file_of(old))
    return path


def remove(folder: Path, name: str) -> None:
    """Take a way away."""
    load(folder, name)
    atomic.remove_file(folder / file_of(name))


def check_name(name: str) -> None:
    """Refuse what nobody could type or read again."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise BadData(
            f"A direction is named by 1 to {MAX_NAME_LENGTH} letters on one line, without spaces at its ends; "
            f"not {name[:60]!r}."
        )


def file_of(name: str) -> str:
    """A file's name for it: the name itself where that is safe, else with a part of its digest."""
    return safe_paths.file_name(name, SUFFIX)


def _files(folder: Path) -> list[Path]:
    return list(folder.glob(f"[!.]*{SUFFIX}"))


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
