"""A hostile case, and how the files of a run are changed to say something else."""

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.hostile.reader import USUAL
from tests.hostile.world import Change, World

WITH_GALLERY = (*USUAL, "gallery")


@dataclass(frozen=True)
class Case:
    """A change of a good run, and what the reader then does with it."""

    name: str
    change: Change
    actions: tuple[str, ...] = USUAL
    run: str = "run"
    sealed: bool = True  # the stranger has written digests that fit
    may_open: bool = False  # the reader names private data, or the recipe's fingerprint is compared
    number: int = -1


def single_path(pattern: str, run: Path) -> Path:
    """The first file or folder of this pattern in a run."""
    result = sorted(run.glob(pattern))
    assert result, f"the good run has no {pattern}"
    return result[0]


def cleared(path: Path) -> Path:
    """The same path with nothing at it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def edit_json(pattern: str, edit: Callable[[Any], Any]) -> Change:
    """Change the value of every JSON file of this pattern."""

    def change(world: World) -> None:
        paths = sorted(world.run.glob(pattern))
        assert paths, f"the good run has no {pattern}"
        for path in paths:
            value = json.loads(path.read_bytes())
            path.write_text(json.dumps(edit(value)))

    return change


def edit_tensors(pattern: str, edit: Callable[[str], str]) -> Change:
    """Change the text of zatlas's own metadata in a safetensors file."""

    def change(world: World) -> None:
        path = single_path(pattern, world.run)
        data = path.read_bytes()
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + size])
        about = header["__metadata__"]
        for key in about:
            about[key] = edit(about[key])
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])

    return change


def edit_parquet(pattern: str, edit: Callable[[str], str], column: str | None = None) -> Change:
    """Change zatlas's metadata in a Parquet file, and give its last column another name."""

    def change(world: World) -> None:
        path = single_path(pattern, world.run)
        result = pq.read_table(path)
        text = (result.schema.metadata or {}).get(b"zatlas", b"null").decode()
        if column is not None:
            result = result.rename_columns([*result.column_names[:-1], column])
        pq.write_table(result.replace_schema_metadata({b"zatlas": edit(text).encode()}), path)

    return change


def write(name: str, text: str | bytes) -> Change:
    """Put a file of this content into the run."""

    def change(world: World) -> None:
        path = cleared(world.run / name)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))

    return change


def edit_text(name: str, edit: Callable[[str], str]) -> Change:
    """Change the text of a file."""

    def change(world: World) -> None:
        path = world.run / name
        path.write_text(edit(path.read_text()))

    return change


def with_value(table: Any, where: str, value: Any) -> Any:
    """The JSON value with one part replaced, as `entry.columns.0.name`."""
    *direction, last = where.split(".")
    inner = table
    for part in direction:
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    inner[int(last) if isinstance(inner, list) else last] = value
    return table
