"""CelebA in its official layout: aligned faces, 40 attributes of each, and the split.

Liu, Luo, Wang and Tang 2015, https://arxiv.org/abs/1411.7766
"""

import os
from pathlib import Path

import numpy as np

from zatlas.core.errors import BadData, NotFound
from zatlas.data.archive import unpacked_folder
from zatlas.data.files import Listing, from_files
from zatlas.data.image_dataset import ImageDataset
from zatlas.data.source import DataSource, check_count

IMAGES = "img_align_celeba"
ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")


def load(
    *, size: int | None = None, root: str | None = None, count: int | None = None, tolerate: float = 0.05
) -> ImageDataset:
    """The faces as middle squares, 64x64 if no size is said; `root` is the folder of the files.

    `count` takes the first images only.
    """
    check_count(count)
    place = Path(root) if root else _default_folder()
    folder = _images(place)
    table = _attribute_file(place, ATTRIBUTES)
    names, columns = _attributes(table)
    split = _partition(place, table, names)
    listing = Listing(
        [folder / name for name in names[:count]],
        attributes={key: column[:count] for key, column in columns.items()},
        split=None if split is None else split[:count],
    )
    return from_files("celeba", listing, size=size or 64, channels=3, tolerate=tolerate)


def is_available() -> bool:
    """Whether its files are where they are looked for."""
    return (_default_folder() / ATTRIBUTES[0]).is_file() or (_default_folder() / ATTRIBUTES[1]).is_file()


def _default_folder() -> Path:
    return Path(os.environ.get("ZATLAS_DATA", "data")) / "celeba"


def _images(place: Path) -> Path:
    """The folder of the images, unpacked from the archive if need be."""
    for folder in (place / IMAGES / IMAGES, place / IMAGES):
        if folder.is_dir():
            return folder
    archive = place / f"{IMAGES}.zip"
    if archive.is_file():
        inner = unpacked_folder(archive)
        return inner / IMAGES if (inner / IMAGES).is_dir() else inner
    raise NotFound(
        f"celeba is not in {place}: it takes {IMAGES}/ or {IMAGES}.zip, {ATTRIBUTES[0]} and, for the "
        "split, list_eval_partition.txt there. Name another folder as celeba:root=FOLDER."
    )


def _attribute_file(place: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (place / name).is_file():
            return place / name
    raise NotFound(f"{place} has the images of celeba, but not {names[0]}, which names their attributes.")


def _attributes(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """The file names, and a column of truth values for each attribute."""
    lines = _lines(path)
    promised = None
    if path.suffix == ".csv":
        columns, rows = lines[0].strip().split(",")[1:], lines[1:]
    else:
        if len(lines) < 2 or not lines[0].strip().isdecimal():
            raise BadData(f"{path} does not begin with the number of its images, as it should.")
        promised, columns, rows = int(lines[0]), lines[1].split(), lines[2:]
    names: list[str] = []
    values: list[bytes] = []
    for row in filter(str.strip, rows):
        name, *said = row.replace(",", " ").split()
        if len(said) != len(columns) or not {"1", "-1"}.issuperset(said):
            raise BadData(
                f"{path} is broken at image {len(names) + 1} ({name}): it has {len(said)} of "
                f"{len(columns)} attributes of 1 or -1. Fetch the file again."
            )
        names.append(name)
        values.append(bytes(map("1".__eq__, said)))
    if promised is not None and len(names) != promised:
        last = f", {names[-1]} the last" if names else ""
        raise BadData(
            f"{path} is cut short: it promises {promised:,} images and ends after {len(names):,}{last}. "
            "Fetch the file again."
        )
    if not names or not columns:
        raise BadData(f"{path} names no image or no attribute. Fetch the file again.")
    truth = np.frombuffer(b"".join(values), bool).reshape(len(names), len(columns))
    return names, dict(zip(columns, truth.T, strict=True))


def _lines(path: Path) -> list[str]:
    """The lines of a table; what is no text will not read as a row, and is refused there."""
    return path.read_text(encoding="utf-8-sig", errors="replace").splitlines() or [""]


def _partition(place: Path, table: Path, names: list[str]) -> np.ndarray | None:
    """The official split, where its file is there; 0, 1, 2 are train, valid and test."""
    path = next((place / name for name in PARTITION if (place / name).is_file()), None)
    if path is None:
        return None
    rows = [line.replace(",", " ").split() for line in _lines(path)]
    said = {row[0]: row[1] for row in rows if len(row) == 2 and row[1] in ("0", "1", "2")}
    absent = [name for name in names if name not in said]
    if absent:
        raise BadData(
            f"{path} says nothing of {len(absent):,} images, as {absent[0]}: it may be cut short. "
            "Fetch the file again, or move it away to go on without its split."
        )
    if len(said) > len(names):
        raise BadData(
            f"{table} ends after {len(names):,} images, {names[-1]} the last, but {path.name} has "
            f"{len(said):,}. Fetch the file again, or move {path.name} away to go on without its split."
        )
    return np.array([int(said[name]) for name in names], np.uint8)


SOURCE = DataSource(
    summary="faces of celebrities with 40 attributes",
    images="202,599",
    size="178x218 colour (64x64)",
    licence="non-commercial research",
    load=load,
    is_available=is_available,
)
