"""UTKFace: faces whose file names state age, gender and race.

Zhang, Song and Qi 2017, https://arxiv.org/abs/1702.08423
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zatlas.core.errors import NotFound
from zatlas.data.files import Listing, SkippedFile, from_files
from zatlas.data.image_dataset import ImageDataset
from zatlas.data.image_reader import EXTENSIONS
from zatlas.data.source import DataSource, check_count, random_order

NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_\d+")
GENDERS = ("male", "female")
RACES = ("White", "Black", "Asian", "Indian", "Others")


def load(
    *,
    size: int | None = None,
    root: str | None = None,
    count: int | None = None,
    seed: int = 0,
    tolerate: float = 0.05,
) -> ImageDataset:
    """Return the centre-cropped faces, 64x64 by default; `root` is the folder of the files.

    Files whose name is not age_gender_race_date are skipped. `count` takes that many random images, and
    `seed` chooses which.
    """
    check_count(count)
    folder = Path(root) if root else _default_folder()
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
    if not paths:
        raise NotFound(
            f"utkface is not in {folder}. Put files named age_gender_race_date.jpg there, or give another "
            "folder: utkface:root=FOLDER"
        )
    named, skipped = _choose(paths, count, seed)
    ages, genders, races = zip(*(parts for _, parts in named), strict=True) if named else ((), (), ())
    listing = Listing(
        [path for path, _ in named],
        attributes={
            "age": np.array(ages, np.float32),
            "gender": np.array([GENDERS[int(index)] for index in genders], np.str_),
            "race": np.array([RACES[int(index)] for index in races], np.str_),
        },
        skipped=skipped,
    )
    return from_files("utkface", listing, size=size or 64, channels=3, tolerate=tolerate)


def _choose(
    paths: Sequence[Path], count: int | None, seed: int
) -> tuple[list[tuple[Path, tuple[str, ...]]], list[SkippedFile]]:
    """Return random files with the age, gender and race in their names, and the files skipped on the way.

    Both are in the order of their paths. Without a count, all files are chosen.
    """
    named: list[tuple[Path, tuple[str, ...]]] = []
    skipped: list[SkippedFile] = []
    for row in random_order(len(paths), seed):
        if len(named) == count:
            break
        if match := NAME.match(paths[row].name):
            named.append((paths[row], match.groups()))
        else:
            detail = "the name is not age_gender_race_date"
            skipped.append({"file": str(paths[row]), "reason": "odd-name", "detail": detail})
    return sorted(named), sorted(skipped, key=lambda entry: entry["file"])


def is_available() -> bool:
    """Return whether the default folder exists."""
    return _default_folder().is_dir()


def _default_folder() -> Path:
    return Path(os.environ.get("ZATLAS_DATA", "data")) / "utkface"


SOURCE = DataSource(
    summary="faces from 0 to 116 years, with age, gender and race",
    images="23,708",
    size="200x200 colour (64x64)",
    licence="non-commercial research",
    load=load,
    is_available=is_available,
)
