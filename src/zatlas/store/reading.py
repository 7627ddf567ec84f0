"""Reading files: a read error is tried again and then said, and is never taken for damage."""

import errno
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from zatlas.core.errors import CannotRead

TRIES = 3
PAUSE = 0.2  # seconds before the next try
PASSING = (errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT, errno.EINTR)
BLOCK = 1 << 20

T = TypeVar("T")


def read_bytes(path: Path) -> bytes:
    """All bytes of a file."""
    return attempt(path, path.read_bytes)


def digest(path: Path, size: int | None = None) -> str:
    """SHA-256 of a file, or of its first `size` bytes."""
    return attempt(path, lambda: _digest(path, size))


def attempt(path: Path, read: Callable[[], T]) -> T:
    """What `read` returns, tried again after a read error that may pass.

    A missing file is a `FileNotFoundError`, as ever; any other error becomes `CannotRead`.
    """
    for last in range(TRIES):
        try:
            return read()
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in PASSING and last < TRIES - 1:
                time.sleep(PAUSE)
                continue
            raise CannotRead(
                f"{path} cannot be read: {error.strerror or error}. Nothing was changed. Give the same "
                "command again when the disk answers, or check the rights of the file."
            ) from error
    raise AssertionError("the last try returns or raises")


def _digest(path: Path, size: int | None) -> str:
    if size is None:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    found, left = hashlib.sha256(), size
    with path.open("rb") as file:
        while left and (block := file.read(min(BLOCK, left))):
            found.update(block)
            left -= len(block)
    return found.hexdigest()
