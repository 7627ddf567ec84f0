"""CelebA in its official layout: aligned faces, 40 attributes for each, and the split.

Liu, Luo, Wang and Tang 2015, https://arxiv.org/abs/1411.7766
"""

import os
from pathlib import Path

import numpy as np

from zatlas.core.errors import BadData, NotFound
from zatlas.data.archive import unpacked_folder
from zatlas.data.files import Listing, from_files
from zatlas.data.image_dataset import ImageDataset
from zatlas.data.source import DataSource, check_count, random_rows

IMAGES = "img_align_celeba"
ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")


def load(
    *,
    size: int | None = None,
    root: str | None = None,
    count: int | None = None,
    seed: int = 0,
    tolerate: float = 0.05,
) -> ImageDataset:
    """Return the centre-cropped faces, 64x64 by default; `root` is the folder of the files.

    `count` takes that many random images, and `seed` chooses which.
    """
    check_count(count)
    root_folder = Path(root) if root else _default_folder()
    folder = _images(root_folder)
    table = _attribute_file(root_folder)
    names, columns = _attributes(table)
    split = _partition(root_folder, table, names)
    rows = random_rows(len(names), count, seed)
    listing = Listing(
        [folder / names[row] for row in rows],
        attributes={key: column[rows] for key, column in columns.items()},
        split=None if split is None else split[rows],
    )
    return from_files("celeba", listing, size=size or 64, channels=3, tolerate=tolerate)


def is_available() -> bool:
    """Return whether the files are in the default folder."""
    return any((_default_folder() / name).is_file() for name in ATTRIBUTES)


def _default_folder() -> Path:
    return Path(os.environ.get("ZATLAS_DATA", "data")) / "celeba"


def _images(root: Path) -> Path:
    """Return the folder of the images; unpack the archive if needed."""
    for folder in (root / IMAGES / IMAGES, root / IMAGES):
        if folder.is_dir():
            return folder
    archive = root / f"{IMAGES}.zip"
    if archive.is_file():
        inner = unpacked_folder(archive)
        return inner / IMAGES if (inner / IMAGES).is_dir() else inner
    raise NotFound(
        f"celeba is not in {root}. Put {IMAGES}/ or {IMAGES}.zip, {ATTRIBUTES[0]} and, for the split, "
        f"{PARTITION[0]} there, or give another folder: celeba:root=FOLDER"
    )


def _attribute_file(root: Path) -> Path:
    for name in ATTRIBUTES:
        if (root / name).is_file():
            return root / name
    raise NotFound(f"{root} has the images of celeba, but not {ATTRIBUTES[0]}. Put that file there, too.")


def _attributes(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return the file names, and a boolean column for each attribute."""
    lines = _lines(path)
    expected = None
    if path.suffix == ".csv":
        columns, rows = lines[0].strip().split(",")[1:], lines[1:]
    else:
        if len(lines) < 2 or not lines[0].strip().isdecimal():
            raise BadData(f"{path} does not begin with the number of images. Download it again.")
        expected, columns, rows = int(lines[0]), lines[1].split(), lines[2:]
    names: list[str] = []
    values: list[bytes] = []
    for row in filter(str.strip, rows):
        name, *flags = row.replace(",", " ").split()
        if len(flags) != len(columns) or not {"1", "-1"}.issuperset(flags):
            raise BadData(
                f"{path} is broken at image {len(names) + 1} ({name}): it has {len(flags)} values instead of "
                f"{len(columns)} values of 1 or -1. Download it again."
            )
        names.append(name)
        values.append(bytes(map("1".__eq__, flags)))
    if expected is not None and len(names) != expected:
        last = f" ({names[-1]} is the last)" if names else ""
        raise BadData(
            f"{path} is cut short: it should have {expected:,} images, but has {len(names):,}{last}. "
            "Download it again."
        )
    if not names or not columns:
        raise BadData(f"{path} has no image or no attribute. Download it again.")
    table = np.frombuffer(b"".join(values), bool).reshape(len(names), len(columns))
    return names, dict(zip(columns, table.T, strict=True))


def _lines(path: Path) -> list[str]:
    """Return the lines of a table; binary data then fails to parse as a row."""
    return path.read_text(encoding="utf-8-sig", errors="replace").splitlines() or [""]


def _partition(root: Path, table: Path, names: list[str]) -> np.ndarray | None:
    """Return the official split (0, 1, 2 are train, valid and test); None without its file."""
    path = next((root / name for name in PARTITION if (root / name).is_file()), None)
    if path is None:
        return None
    rows = [line.replace(",", " ").split() for line in _lines(path)]
    split = {row[0]: row[1] for row in rows if len(row) == 2 and row[1] in ("0", "1", "2")}
    missing = [name for name in names if name not in split]
    if missing:
        raise BadData(
            f"{path} lacks {len(missing):,} images, such as {missing[0]}: it may be cut short. Download it "
            "again, or move it away to continue without its split."
        )
    if len(split) > len(names):
        raise BadData(
            f"{table} ends after {len(names):,} images ({names[-1]} is the last), but {path.name} has "
            f"{len(split):,}. Download it again, or move {path.name} away to continue without its split."
        )
    return np.array([int(split[name]) for name in names], np.uint8)


SOURCE = DataSource(
    summary="faces of celebrities with 40 attributes",
    images="202,599",
    size="178x218 colour (64x64)",
    licence="non-commercial research",
    load=load,
    is_available=is_available,
)
