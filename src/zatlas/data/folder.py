"""A folder of images: classes by sub-folder, or a table of labels and attributes beside the images."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.errors import BadData
from zatlas.data.archive import unpacked
from zatlas.data.files import Aside, Listing, from_files
from zatlas.data.imageset import SPLITS, ImageSet, Split
from zatlas.data.read import EXTENSIONS
from zatlas.data.table import read_table, typed

TABLES = tuple(
    f"{stem}{ending}"
    for stem in ("metadata", "labels", "attributes")
    for ending in (".csv", ".parquet")
)
FILE_COLUMNS = ("file", "file_name", "filename", "image", "image_id", "path", "name", "id")
LABEL_COLUMNS = ("label", "class", "category")
SPLIT_NAMES = {"train": 0, "training": 0, "valid": 1, "val": 1, "validation": 1, "test": 2}


def load(
    folder: Path,
    *,
    size: int | None = None,
    channels: int | None = None,
    background: int = 255,
    tolerate: float = 0.05,
    table: str | None = None,
    label: str | None = None,
    count: int | None = None,
) -> ImageSet:
    """The images of a folder or archive and all folders in it.

    `table` names a CSV or Parquet file of labels and attributes, where it is not found by its usual
    name; `label` its column of classes. Top folders named train, valid and test are the split;
    the folder that an image is in is otherwise its class. `count` takes the first images only.
    """
    place = unpacked(folder) if folder.is_file() else folder
    files, asides, notes = _find(place)
    files = files[:count]
    if not files:
        raise BadData(_nothing(folder, place))
    split, kinds = _by_folder(place, files)
    found = _table(place, table)
    listing = Listing(files, labels=kinds, split=split, set_aside=asides, notes=notes)
    if found is not None:
        listing = _with_table(listing, place, *found, label)
    return from_files(
        folder.name,
        listing,
        size=size,
        channels=channels,
        background=background,
        tolerate=tolerate,
    )


def _find(place: Path) -> tuple[list[Path], list[Aside], dict[str, int]]:
    """Image files by name, in order; links out of the folder are set aside, hidden files passed over."""
    files: list[Path] = []
    asides: list[Aside] = []
    empty = 0
    root = place.resolve()
    for parent, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        empty += not names and not folders
        for name in sorted(names):
            path = Path(parent) / name
            if name.startswith(".") or path.suffix.lower() not in EXTENSIONS:
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                detail = "a link that leads out of the folder"
                asides.append({"file": str(path), "reason": "link-outside", "detail": detail})
            else:
                files.append(path)
    return files, asides, {"empty folders": empty} if empty else {}


def _nothing(folder: Path, place: Path) -> str:
    seen = Counter(p.suffix.lower() or "no extension" for p in place.rglob("*") if p.is_file())
    what = ", ".join(f"{count} {ending}" for ending, count in seen.most_common(5)) or "nothing"
    return (
        f"{folder} holds no image: there is {what} in it. Known are "
        f"{', '.join(ending.lstrip('.') for ending in EXTENSIONS)}."
    )


def _by_folder(place: Path, files: Sequence[Path]) -> tuple[Split | None, list[str] | None]:
    """The split and the class that the folders of each file tell of."""
    parts = [file.relative_to(place).parts[:-1] for file in files]
    codes = [SPLIT_NAMES.get(part[0].lower()) if part else None for part in parts]
    if all(code is not None for code in codes):
        parts = [part[1:] for part in parts]
        split = np.array(codes, dtype=np.uint8)
    else:
        split = None
    kinds = ["/".join(part) for part in parts]
    return split, (kinds if any(kinds) else None)


def _table(place: Path, named: str | None) -> tuple[Path, dict[str, np.ndarray]] | None:
    if named:
        for path in (place / named, Path(named)):
            if path.is_file():
                return path, read_table(path)
        raise BadData(f"There is no table {named}, neither in {place} nor here.")
    for name in TABLES:
        if (place / name).is_file():
            return place / name, read_table(place / name)
    return None


def _with_table(
    listing: Listing,
    place: Path,
    path: Path,
    columns: Mapping[str, np.ndarray],
    label: str | None,
) -> Listing:
    """The listing with what the table says of each file; a file that it does not name has nothing said."""
    key = _file_column(path, columns)
    lines = {str(name): row for row, name in enumerate(columns[key])}
    lines |= {Path(name).stem: row for name, row in lines.items() if Path(name).stem not in lines}
    rows = np.array([_line(file, place, lines) for file in listing.files])
    said = {name: column for name, column in columns.items() if name != key}
    if label is not None and label not in said:
        raise BadData(f"{path} has no column {label!r}; it has {', '.join(said)}.")
    label = label or next((name for name in said if name.lower() in LABEL_COLUMNS), None)
    taken = {
        name: [None if row < 0 else column[row] for row in rows] for name, column in said.items()
    }
    labels = taken.pop(label) if label else listing.labels
    split = listing.split
    if "split" in taken:
        split = _split(path, taken.pop("split"))
    notes = dict(listing.notes)
    notes |= {"images not in the table": int((rows < 0).sum())} if (rows < 0).any() else {}
    spare = len(columns[key]) - len(set(rows[rows >= 0].tolist()))
    notes |= {"rows of the table without an image": spare} if spare else {}
    attributes = {name: typed(values) for name, values in taken.items()}
    return Listing(
        listing.files, labels, attributes=attributes, split=split,
        set_aside=listing.set_aside, notes=notes,
    )  # fmt: skip


def _file_column(path: Path, columns: Mapping[str, np.ndarray]) -> str:
    for name in columns:
        if name.lower() in FILE_COLUMNS:
            return name
    for name, column in columns.items():
        if len(column) and Path(str(column[0])).suffix.lower() in EXTENSIONS:
            return name
    raise BadData(
        f"{path} has no column of file names; call it file. Its columns are {', '.join(columns)}."
    )


def _line(file: Path, place: Path, lines: Mapping[str, int]) -> int:
    for name in (file.relative_to(place).as_posix(), file.name, file.stem):
        if name in lines:
            return lines[name]
    return -1


def _split(path: Path, names: Sequence[Any]) -> Split:
    codes = [0 if name is None else SPLIT_NAMES.get(str(name).lower(), -1) for name in names]
    if -1 in codes:
        odd = names[codes.index(-1)]
        raise BadData(f"{path} has a split {odd!r}; known are {', '.join(SPLITS)}.")
    return np.array(codes, dtype=np.uint8)
