"""A folder of images: classes by sub-folder, or a table of labels and attributes next to the images."""

import errno
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Rows
from zatlas.core.errors import BadData, CannotRead, Damaged
from zatlas.data.archive import discard_unpacked, unpacked_folder, verify_unpacked
from zatlas.data.attribute_table import match_rows, read_table, typed_column
from zatlas.data.files import Listing, SkippedFile, from_files
from zatlas.data.image_dataset import SPLITS, ImageDataset, Split
from zatlas.data.image_reader import EXTENSIONS
from zatlas.data.source import check_count, random_rows

TABLES = tuple(
    f"{stem}{ending}" for stem in ("metadata", "labels", "attributes") for ending in (".csv", ".parquet")
)
FILE_COLUMNS = ("file", "file_name", "filename", "image", "image_id", "path", "name", "id")  # first match
TEXT_SUFFIXES = (".csv", ".parquet", ".txt")  # files that are not reported as ignored
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
    seed: int = 0,
) -> ImageDataset:
    """Return the images of a folder or archive and its sub-folders.

    `table` is a CSV or Parquet file of labels and attributes, needed if it has an unusual name; `label` is
    its column of classes. Top folders named train, valid and test are the split; the other folders are the
    classes. `count` takes that many random images, and `seed` chooses which.
    """
    with_options = partial(
        _load,
        folder,
        size=size,
        channels=channels,
        background=background,
        tolerate=tolerate,
        table=table,
        label=label,
        count=count,
        seed=seed,
    )
    try:
        return with_options()
    except Damaged as error:
        if not folder.is_file():
            raise
        discard_unpacked(folder, str(error))
        return with_options()


def _load(
    folder: Path,
    *,
    size: int | None,
    channels: int | None,
    background: int,
    tolerate: float,
    table: str | None,
    label: str | None,
    count: int | None,
    seed: int,
) -> ImageDataset:
    check_count(count)
    root = _image_root(unpacked_folder(folder)) if folder.is_file() else folder
    files, skipped, notes = find_images(root)
    files = [files[row] for row in random_rows(len(files), count, seed)]
    if not files and not skipped:
        raise BadData(_no_images_text(folder, root))
    split, classes = _split_and_classes(root, files)
    columns = _table(root, table)
    listing = Listing(files, labels=classes, split=split, skipped=skipped, notes=notes)
    if columns is not None:
        listing = _add_table(listing, root, *columns, label)
    elif label is not None:
        raise BadData(f"{folder} has no table with a column {label!r}. Give a table: table=faces.csv")
    return from_files(
        _printable(folder.absolute().name),
        listing,
        size=size,
        channels=channels,
        background=background,
        tolerate=tolerate,
        verify=partial(verify_unpacked, folder) if folder.is_file() else lambda: None,
    )


def _image_root(folder: Path) -> Path:
    """Return the only top folder of an archive; the folder itself if there are several."""
    while True:
        inner = [p for p in folder.iterdir() if not p.name.startswith((".", "__MACOSX"))]
        if len(inner) != 1 or not inner[0].is_dir() or inner[0].name.lower() in SPLIT_NAMES:
            return folder
        folder = inner[0]


def find_images(folder: Path) -> tuple[list[Path], list[SkippedFile], dict[str, int]]:
    """Return the sorted image files, skipped files (links out of the folder), and counts for the report."""
    files: list[Path] = []
    skipped: list[SkippedFile] = []
    notes: Counter[str] = Counter()
    root = os.path.realpath(folder)

    def skip(path: str, reason: str, detail: str) -> None:
        skipped.append({"file": path, "reason": reason, "detail": detail})

    def leads_outside(path: Path) -> bool:
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            skip(str(path), "link-outside", "a link that leads out of the folder")
            return True
        return False

    def on_error(error: OSError) -> None:
        if error.errno not in (errno.EACCES, errno.EPERM):  # the folder may have any number of images
            raise CannotRead(
                f"The folder {error.filename} cannot be listed: {error.strerror or error}. Repeat the "
                "command when the folder can be read."
            ) from error
        skip(str(error.filename), "unreadable", error.strerror or str(error))

    for parent, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [Path(parent) / name for name in folders if (Path(parent) / name).is_symlink()]
        notes["links to folders ignored"] += sum(not leads_outside(link) for link in links)
        visible = sorted(name for name in names if not name.startswith("."))
        images = [name for name in visible if _suffix(name) in EXTENSIONS]
        others = [name for name in visible if _suffix(name) not in (*EXTENSIONS, *TEXT_SUFFIXES)]
        notes["empty folders"] += not images and not folders
        notes["files of other types ignored"] += len(others)
        paths = (Path(parent) / name for name in images)
        files += [path for path in paths if not leads_outside(path)]
    return files, skipped, {note: count for note, count in notes.items() if count}


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _no_images_text(folder: Path, root: Path) -> str:
    formats = ", ".join(suffix.lstrip(".") for suffix in EXTENSIONS)
    if folder.is_file():
        return f"{folder} has no images. Supported formats: {formats}."
    suffixes = Counter(p.suffix.lower() or "no extension" for p in root.rglob("*") if p.is_file())
    files = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5)) or "nothing"
    return f"{folder} has no images; it contains {files}. Supported formats: {formats}."


def _split_and_classes(root: Path, files: Sequence[Path]) -> tuple[Split | None, list[str] | None]:
    """Return the split and the classes by the folders of the files; None if there are none."""
    parts = [file.relative_to(root).parts[:-1] for file in files]
    indices = [SPLIT_NAMES.get(part[0].lower()) if part else None for part in parts]
    if all(index is not None for index in indices):
        parts = [part[1:] for part in parts]
        split = np.array(indices, dtype=np.uint8)
    else:
        split = None
    classes = [_printable("/".join(part)) for part in parts]
    return split, (classes if any(classes) else None)


def _table(root: Path, file: str | None) -> tuple[Path, dict[str, np.ndarray]] | None:
    if file:
        for path in (root / file, Path(file)):
            if path.is_file():
                return path, read_table(path, FILE_COLUMNS)
        raise BadData(f"There is no table {file} in {root} or in the current folder.")
    for name in TABLES:
        if (root / name).is_file():
            return root / name, read_table(root / name, FILE_COLUMNS)
    return None


def _printable(name: str) -> str:
    """Return a file name as valid text, whatever bytes it has."""
    return os.fsencode(name).decode(errors="replace")


def _add_table(
    listing: Listing, root: Path, path: Path, columns: Mapping[str, np.ndarray], label: str | None
) -> Listing:
    """Return the listing with the columns of the table; values of files without a row are missing."""
    paths = [file.relative_to(root).as_posix() for file in listing.files]
    key, rows = _file_column(path, columns, paths)
    others = {name: column for name, column in columns.items() if name != key}
    if label is not None and label not in others:
        raise BadData(f"{path} has no column {label!r}. Its columns are {', '.join(others)}.")
    label = label or next((name for name in others if name.lower() in LABEL_COLUMNS), None)
    values = {name: [None if row < 0 else column[row] for row in rows] for name, column in others.items()}
    labels = [_comparable(value) for value in values.pop(label)] if label else listing.labels
    split_column = next((name for name in values if name.lower() == "split"), None)
    split = _split(path, values.pop(split_column)) if split_column else listing.split
    notes = dict(listing.notes)
    notes |= {"images not in the table": int((rows < 0).sum())} if (rows < 0).any() else {}
    spare = len(columns[key]) - len(set(rows[rows >= 0].tolist()))
    notes |= {"rows of the table without an image": spare} if spare else {}
    attributes = {name: typed_column(column) for name, column in values.items()}
    return Listing(
        listing.files, labels, attributes=attributes, split=split, skipped=listing.skipped, notes=notes
    )


def _file_column(path: Path, columns: Mapping[str, np.ndarray], paths: Sequence[str]) -> tuple[str, Rows]:
    """Return the column of file names, found by its name or its values, and the row of each file."""
    usual = {name.lower(): name for name in columns}
    names = [usual[name] for name in FILE_COLUMNS if name in usual]
    names += [n for n, c in columns.items() if len(c) and _suffix(str(c[0])) in EXTENSIONS]
    if not names:
        raise BadData(f"{path} has no column named file. Rename one of its columns: {', '.join(columns)}.")
    for name in names:
        rows = match_rows(paths, columns[name])
        if (rows >= 0).any() or not paths:
            return name, rows
    first = f" (such as {columns[names[0]][0]!r})" if len(columns[names[0]]) else ""
    raise BadData(
        f"{path} names none of the {len(paths)} images, such as {paths[0]!r}, in its column "
        f"{names[0]!r}{first}. Use the file names of the folder, or give another table: table=FILE"
    )


def _comparable(value: Any) -> Any:
    """Return a label that can be sorted: dates, lists and other types as text."""
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _split(path: Path, names: Sequence[Any]) -> Split:
    indices = [0 if name in (None, "") else SPLIT_NAMES.get(str(name).lower(), -1) for name in names]
    if -1 in indices:
        unknown = names[indices.index(-1)]
        raise BadData(f"{path} has an unknown split {unknown!r}. Use {', '.join(SPLITS)}.")
    return np.array(indices, dtype=np.uint8)
