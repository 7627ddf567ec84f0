"""Check zip files of torch before they are unpacked: their unpacked size is known and limited."""

import shutil
import zipfile
from pathlib import Path
from typing import IO

from zatlas.core.errors import BadData, CannotWrite
from zatlas.core.system import SYSTEM

MAX_GROWTH = 2  # unpacked size over file size; torch does not compress
OVERHEAD = 1 << 20  # bytes of names and headers
MAX_ENTRIES = 200_000  # per file; a large model has several thousand tensors
BLOCK = 1 << 20  # bytes


def names_in(source: Path) -> list[str]:
    """Return the names in a zip file; an empty list for other files."""
    try:
        with zipfile.ZipFile(source) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def refuse_bombs(source: Path, named: Path | None = None) -> int:
    """Return the unpacked size of a file in bytes; `BadData` if torch would not write such a zip file."""
    named, size = named or source, source.stat().st_size
    if not zipfile.is_zipfile(source):
        return size
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadData(
            f"{named} cannot be read as a file of torch: {error}. Download or save it again."
        ) from error
    total = sum(entry.file_size for entry in entries)
    if total > MAX_GROWTH * size + OVERHEAD or len(entries) > MAX_ENTRIES:
        raise BadData(
            f"{named} would unpack to {total / 1e9:.2f} GB from {size / 1e9:.2f}, in {len(entries):,} "
            "entries. torch does not compress weights, so torch did not write this file. It was not opened."
        )
    if total > (free := SYSTEM.free_memory()):
        raise BadData(
            f"{named} unpacks to {total / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free. "
            "Close other programs, or use a machine with more memory."
        )
    return total


def copied(source: IO[bytes], into: IO[bytes], limit: int, named: Path) -> int:
    """Copy an entry of an archive and return its length; `BadData` if it exceeds the recorded length."""
    count = 0
    while block := source.read(BLOCK):
        count += len(block)
        if count > limit:
            raise BadData(f"{named} is damaged: an entry is longer than recorded. Download or save it again.")
        into.write(block)
    return count


def check_disk_space(folder: Path, need: int) -> None:
    """Raise `CannotWrite` if the disk of this folder has less free space than `need` bytes."""
    free = shutil.disk_usage(folder).free
    if need > free:
        raise CannotWrite(
            f"The disk is too full for the model: {need:,} bytes are needed, {free:,} are free. Free some "
            "space and run the same command again."
        )
