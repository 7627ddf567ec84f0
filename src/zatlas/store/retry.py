"""Reading from a disk that may fail for a moment: a read error is tried again, and is never damage.

An error that says what is at the path (nothing, a folder, a link that leads nowhere) is passed on as
it is; the caller knows what it means. Every other error becomes `CannotRead`.
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
PAUSE = 0.1  # seconds before the second try; twice as long before the third
BLOCK = 1 << 20  # bytes read at a time
TRANSIENT_ERRORS = (errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT, errno.EINTR)
PERMISSION_ERRORS = (errno.EACCES, errno.EPERM)
PATH_ERRORS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)

Result = TypeVar("Result")


def read_bytes(path: Path) -> bytes:
    """The bytes of a file."""
    return attempt(path, path.read_bytes)


def digest(path: Path, size: int | None = None) -> str:
    """The SHA-256 of a file, or of its first `size` bytes, in hexadecimal."""

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
    """The names in a folder, in order; none where there is no folder."""
    try:
        return attempt(folder, lambda: sorted(entry.name for entry in folder.iterdir()))
    except (FileNotFoundError, NotADirectoryError):
        return []


def exists(path: Path) -> bool:
    """Whether there is anything at this path, a link that leads nowhere included."""
    try:
        attempt(path, path.lstat)
    except OSError:
        return False
    return True


def is_folder(path: Path) -> bool:
    """Whether a folder is at this path; a link may lead to it."""
    try:
        return stat.S_ISDIR(attempt(path, path.stat).st_mode)
    except OSError:
        return False


def attempt(path: Path, read: Callable[[], Result]) -> Result:
    """What `read` returns for this path, tried again after an error that may pass."""
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
            f"{path} cannot be read: {reason}. Nothing was changed; allow reading it "
            "and give the same command again."
        )
    count = f", tried {tries} times" if tries > 1 else ""
    return CannotRead(
        f"{path} cannot be read: {reason}{count}. Nothing was changed; give the same command "
        "again when the disk answers."
    )
