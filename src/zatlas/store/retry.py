"""Reads that are repeated after a transient error of the disk. A read error is never treated as damage.

Errors of the path (not found, a folder, a broken link) are raised unchanged; others become `CannotRead`.
"""

import errno
import hashlib
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from zatlas.core.errors import CannotRead

MAX_TRIES = 3
PAUSE = 0.1  # seconds before the second try, twice as long before the third
BLOCK = 1 << 20  # bytes read at a time
TRANSIENT_ERRORS = (errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT, errno.EINTR)
PERMISSION_ERRORS = (errno.EACCES, errno.EPERM)
PATH_ERRORS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)

Result = TypeVar("Result")


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file."""
    return attempt(path, path.read_bytes)


def digest(path: Path, size: int | None = None) -> str:
    """Return the SHA-256 of a file, or of its first `size` bytes, in hexadecimal."""

    def read() -> str:
        with path.open("rb") as file:
            if size is None:
                return hashlib.file_digest(file, "sha256").hexdigest()
            result, left = hashlib.sha256(), size
            while left > 0 and (block := file.read(min(BLOCK, left))):
                result.update(block)
                left -= len(block)
            return result.hexdigest()

    return attempt(path, read)


def names(folder: Path) -> list[str]:
    """Return the sorted names in a folder; an empty list if the folder does not exist."""
    try:
        return attempt(folder, lambda: sorted(entry.name for entry in folder.iterdir()))
    except (FileNotFoundError, NotADirectoryError):
        return []


def exists(path: Path) -> bool:
    """Return whether the path exists; a broken link does."""
    try:
        attempt(path, path.lstat)
    except OSError:
        return False
    return True


def is_folder(path: Path) -> bool:
    """Return whether the path is a folder or a link to one."""
    try:
        return stat.S_ISDIR(attempt(path, path.stat).st_mode)
    except OSError:
        return False


def attempt(path: Path, read: Callable[[], Result]) -> Result:
    """Return the result of `read`, which is repeated after transient errors."""
    for number in range(1, MAX_TRIES + 1):
        try:
            return read()
        except OSError as error:
            if error.errno in PATH_ERRORS:
                raise
            if error.errno not in TRANSIENT_ERRORS or number == MAX_TRIES:
                raise _cannot_read(path, error, number) from error
            time.sleep(PAUSE * number)
    raise AssertionError("the last try returns or raises")


def _cannot_read(path: Path, error: OSError, tries: int) -> CannotRead:
    reason = error.strerror or str(error)
    if error.errno in PERMISSION_ERRORS:
        return CannotRead(
            f"{path} cannot be read: {reason}. Nothing was changed. Allow reading it, and repeat the command."
        )
    count = f", tried {tries} times" if tries > 1 else ""
    return CannotRead(
        f"{path} cannot be read: {reason}{count}. Nothing was changed. Repeat the command when the disk "
        "works again."
    )
