"""Zip files that torch writes: their size is known, and bounded, before anything is unpacked."""

import shutil
import zipfile
from pathlib import Path
from typing import IO

from zatlas.core.errors import BadData, CannotWrite
from zatlas.core.memory import free_memory

GROWTH = 2  # times the file: torch does not compress
SMALL = 1 << 20  # bytes beyond that: names, and the ends of a zip file
ENTRIES = 200_000  # in one file: a large model has some thousands of weights
BLOCK = 1 << 20  # bytes


def names_in(source: Path) -> list[str]:
    """The names in a zip file; none of what is no zip file."""
    try:
        with zipfile.ZipFile(source) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def refuse_bombs(source: Path, named: Path | None = None) -> int:
    """The bytes that a zip file unpacks to; an error where they are more than torch would write."""
    named, size = named or source, source.stat().st_size
    if not zipfile.is_zipfile(source):
        return size
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadData(f"{named} cannot be read as a file of torch: {error}.") from error
    total = sum(entry.file_size for entry in entries)
    if total > GROWTH * size + SMALL or len(entries) > ENTRIES:
        raise BadData(
            f"{named} would unpack to {total / 1e9:.2f} GB from {size / 1e9:.2f}, in {len(entries):,} "
            "parts: torch does not compress weights, so it is no file of torch. It was not opened."
        )
    if total > free_memory():
        raise BadData(
            f"{named} unpacks to {total / 1e9:.1f} GB, and {free_memory() / 1e9:.1f} GB of memory are free. "
            "Close other programs, or use a machine with more memory."
        )
    return total


def copied(source: IO[bytes], into: IO[bytes], most: int, named: Path) -> int:
    """Copy a part of an archive; how long it was, which is at most what the archive says of it."""
    count = 0
    while block := source.read(BLOCK):
        count += len(block)
        if count > most:
            raise BadData(f"{named} holds a part that is longer than it says: it is damaged.")
        into.write(block)
    return count


def check_room(folder: Path, need: int) -> None:
    """Raise `CannotWrite` if the disk of this folder has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if need > free:
        raise CannotWrite(
            f"No room for the model: {need:,} bytes are needed, {free:,} are free. Free some space and "
            "give the same command again."
        )
