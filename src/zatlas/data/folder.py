"""A folder of images: classes by sub-folder, or a table of labels and attributes beside the images."""

import errno
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Rows
from zatlas.core.errors import BadData, BadRecipe, CannotRead, Damaged
from zatlas.data.archive import discard_unpacked, unpacked_folder, verify_unpacked
from zatlas.data.attribute_table import read_table, match_rows, typed_column
from zatlas.data.files import Listing, SkippedFile, from_files
from zatlas.data.image_dataset import SPLITS, ImageDataset, Split
from zatlas.data.image_reader import EXTENSIONS

TABLES = tuple(
    f"{stem}{ending}" for stem in ("metadata", "labels", "attributes") for ending in (".csv", ".parquet")
)
FILE_COLUMNS = ("file", "file_name", "filename", "image", "image_id", "path", "name", "id")  # in order
TEXT_SUFFIXES = (".csv", ".parquet", ".txt")  # beside images, and no loss where they are not read
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
) -> ImageDataset:
    """The images of a folder or archive and all folders in it.

    `table` names a CSV or Parquet file of labels and attributes, where it is not found by its usual
    name; `label` its column of classes. Top folders named train, valid and test are the split;
    the folder that an image is in is otherwise its class. `count` takes the first images only.
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
) -> ImageDataset:
    if count is not None and (not isinstance(count, int) or count < 1):
        raise BadRecipe(f"count is how many images to take, from 1 on, not {count!r}.")
    place = _image_root(unpacked_folder(folder)) if folder.is_file() else folder
    files, asides, notes = find_images(place)
    files = files[:count]
    if not files and not asides:
        raise BadData(_no_images_text(folder, place))
    split, kinds = _split_and_classes(place, files)
    result = _table(place, table)
    listing = Listing(files, labels=kinds, split=split, skipped=asides, notes=notes)
    if result is not None:
        listing = _add_table(listing, place, *result, label)
    elif label is not None:
        raise BadData(f"{folder} has no table to take {label!r} from; name one, as table=faces.csv.")
    return from_files(
        _printable(folder.absolute().name),
        listing,
        size=size,
        channels=channels,
        background=background,
        tolerate=tolerate,
        verify=partial(verify_unpacked, folder) if folder.is_file() else lambda: None,
    )


def _image_root(place: Path) -> Path:
    """The folder that an archive holds everything in, where there is one."""
    while True:
        inner = [p for p in place.iterdir() if not p.name.startswith((".", "__MACOSX"))]
        if len(inner) != 1 or not inner[0].is_dir() or inner[0].name.lower() in SPLIT_NAMES:
            return place
        place = inner[0]


def find_images(place: Path) -> tuple[list[Path], list[SkippedFile], dict[str, int]]:
    """Image files by name, in order; links out of the folder are set aside, hidden files passed over."""
    files: list[Path] = []
    asides: list[SkippedFile] = []
    notes: Counter[str] = Counter()
    root = os.path.realpath(place)

    def aside(path: str, reason: str, detail: str) -> None:
        asides.append({"file": path, "reason": reason, "detail": detail})

    def outside(path: Path) -> bool:
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            aside(str(path), "link-outside", "a link that leads out of the folder")
            return True
        return False

    def refused(error: OSError) -> None:
        if error.errno not in (errno.EACCES, errno.EPERM):  # nobody knows what images it holds
            raise CannotRead(
                f"The folder {error.filename} cannot be listed: {error.strerror or error}. Give the "
                "same command again when it can be."
            ) from error
        aside(str(error.filename), "unreadable", error.strerror or str(error))

    for parent, folders, names in os.walk(place, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [Path(parent) / name for name in folders if (Path(parent) / name).is_symlink()]
        notes["links to folders passed over"] += sum(not outside(link) for link in links)
        shown = sorted(name for name in names if not name.startswith("."))
        images = [name for name in shown if _suffix(name) in EXTENSIONS]
        others = [name for name in shown if _suffix(name) not in (*EXTENSIONS, *TEXT_SUFFIXES)]
        notes["empty folders"] += not images and not folders
        notes["files of other kinds passed over"] += len(others)
        paths = (Path(parent) / name for name in images)
        files += [path for path in paths if not outside(path)]
    return files, asides, {what: count for what, count in notes.items() if count}


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _no_images_text(folder: Path, place: Path) -> str:
    if folder.is_file():
        return f"{folder} holds no image: nothing in it ends in {', '.join(EXTENSIONS)}."
    seen = Counter(p.suffix.lower() or "no extension" for p in place.rglob("*") if p.is_file())
    what = ", ".join(f"{count} {ending}" for ending, count in seen.most_common(5)) or "nothing"
    return (
        f"{folder} holds no image: there is {what} in it. Known are "
        f"{', '.join(ending.lstrip('.') for ending in EXTENSIONS)}."
    )


def _split_and_classes(place: Path, files: Sequence[Path]) -> tuple[Split | None, list[str] | None]:
    """The split and the class that the folders of each file tell of."""
    parts = [file.relative_to(place).parts[:-1] for file in files]
    latents = [SPLIT_NAMES.get(part[0].lower()) if part else None for part in parts]
    if all(latent is not None for latent in latents):
        parts = [part[1:] for part in parts]
        split = np.array(latents, dtype=np.uint8)
    else:
        split = None
    kinds = [_printable("/".join(part)) for part in parts]
    return split, (kinds if any(kinds) else None)


def _table(place: Path, named: str | None) -> tuple[Path, dict[str, np.ndarray]] | None:
    if named:
        for path in (place / named, Path(named)):
            if path.is_file():
                return path, read_table(path, FILE_COLUMNS)
        raise BadData(f"There is no table {named}, neither in {place} nor here.")
    for name in TABLES:
        if (place / name).is_file():
            return place / name, read_table(place / name, FILE_COLUMNS)
    return None


def _printable(name: str) -> str:
    """A file's name as text that can be written, whatever bytes the system allowed in it."""
    return os.fsencode(name).decode(errors="replace")


def _add_table(
    listing: Listing, place: Path, path: Path, columns: Mapping[str, np.ndarray], label: str | None
) -> Listing:
    """The listing with what the table says of each file; a file that it does not name has nothing said."""
    paths = [file.relative_to(place).as_posix() for file in listing.files]
    key, rows = _file_column(path, columns, paths)
    said = {name: column for name, column in columns.items() if name != key}
    if label is not None and label not in said:
        raise BadData(f"{path} has no column {label!r}; it has {', '.join(said)}.")
    label = label or next((name for name in said if name.lower() in LABEL_COLUMNS), None)
    taken = {name: [None if row < 0 else column[row] for row in rows] for name, column in said.items()}
    labels = [_comparable(value) for value in taken.pop(label)] if label else listing.labels
    parts = next((name for name in taken if name.lower() == "split"), None)
    split = _split(path, taken.pop(parts)) if parts else listing.split
    notes = dict(listing.notes)
    notes |= {"images not in the table": int((rows < 0).sum())} if (rows < 0).any() else {}
    spare = len(columns[key]) - len(set(rows[rows >= 0].tolist()))
    notes |= {"rows of the table without an image": spare} if spare else {}
    attributes = {name: typed_column(values) for name, values in taken.items()}
    return Listing(
        listing.files, labels, attributes=attributes, split=split, skipped=listing.skipped, notes=notes
    )


def _file_column(path: Path, columns: Mapping[str, np.ndarray], paths: Sequence[str]) -> tuple[str, Rows]:
    """The column that names files, by its name or by what is in it, and each file's row."""
    usual = {name.lower(): name for name in columns}
    names = [usual[name] for name in FILE_COLUMNS if name in usual]
    names += [n for n, c in columns.items() if len(c) and _suffix(str(c[0])) in EXTENSIONS]
    if not names:
        known = ", ".join(columns)
        raise BadData(f"{path} has no column of file names; call it file. Its columns are {known}.")
    for name in names:
        rows = match_rows(paths, columns[name])
        if (rows >= 0).any() or not paths:
            return name, rows
    first = f", as {columns[names[0]][0]!r}" if len(columns[names[0]]) else ""
    raise BadData(
        f"{path} names none of the {len(paths)} images, as {paths[0]!r}, in its column "
        f"{names[0]!r}{first}. Give names as they are in the folder, or another table by table=."
    )


def _comparable(value: Any) -> Any:
    """A label that can be compared: dates, lists and the like as text."""
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _split(path: Path, names: Sequence[Any]) -> Split:
    latents = [0 if name in (None, "") else SPLIT_NAMES.get(str(name).lower(), -1) for name in names]
    if -1 in latents:
        odd = names[latents.index(-1)]
        raise BadData(f"{path} has a split {odd!r}; known are {', '.join(SPLITS)}.")
    return np.array(latents, dtype=np.uint8)
