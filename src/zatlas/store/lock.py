"""The lock of a run: only one process trains it, and the system releases the lock if that process dies.

The operating system locks the file `.lock`. On disks without locks (some network disks), zatlas creates
`.lock-held` instead, and removes it if its process on this machine has ended.

filelock locks the open file. Its `FileLock` would open hard links and pipes, and it names no holder.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zatlas.core.errors import Busy
from zatlas.core.system import SYSTEM
from zatlas.store import atomic, safe_paths

FILE, HELD_FILE = ".lock", ".lock-held"
UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
HOLDER = re.compile(r"process (\d{1,10}) on (\S{1,255})")
MAX_NAME_BYTES = 300  # of the holder's name
OFFSET = 1  # of the name: on Windows, no other process can read the first byte of a locked file


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a run for training; `Busy` if another process holds the lock."""
    path = folder / FILE
    with atomic.explain_errors(path):
        handle = safe_paths.open_in_place(path, os.O_RDWR | os.O_CREAT)
    try:
        if not _try_lock(folder, handle):
            with _held_by_file(folder):
                yield
            return
        with atomic.explain_errors(path):
            os.ftruncate(handle, 0)
            os.write(handle, _own_name())
        yield
    finally:
        os.close(handle)


def lock_holder(folder: Path) -> str | None:
    """Return the process that holds the lock of this folder; None if no process does.

    Testing the lock takes it for a moment, and a training that starts then would fail. So it is tested only
    if the process that last held it is alive.
    """
    for name in (FILE, HELD_FILE):
        path = folder / name
        if not safe_paths.is_file(path):
            continue
        handle = safe_paths.open_ordinary(path, os.O_RDONLY)
        try:
            text = _read_name(handle)
            if _is_dead(text):
                continue
            if name == HELD_FILE or _is_locked(handle):
                return text or "another process"
        finally:
            os.close(handle)
    return None


def _try_lock(folder: Path, handle: int) -> bool:
    """Lock the open file; return False if this disk has no locks."""
    with atomic.explain_errors(folder / FILE):
        try:
            locked = SYSTEM.lock(handle)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            return False
        if not locked:
            raise _busy_error(folder, _read_name(handle))
    return True


@contextmanager
def _held_by_file(folder: Path) -> Iterator[None]:
    path = folder / HELD_FILE
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with atomic.explain_errors(path):
        if safe_paths.is_file(path) and _is_dead(_decode(path.read_bytes())):
            path.unlink(missing_ok=True)
        try:
            handle = safe_paths.open_in_place(path, flags)
        except FileExistsError:
            raise _busy_error(folder, _decode(path.read_bytes())) from None
        os.write(handle, _own_name())
        os.close(handle)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _busy_error(folder: Path, name: str) -> Busy:
    holder = HOLDER.match(name)
    return Busy(
        f"{folder} is being trained by {holder[0] if holder else 'another process'}. "
        "Wait for it to end, or train another run: --out FOLDER (in Python: out=)"
    )


def _own_name() -> bytes:
    return f" process {os.getpid()} on {socket.gethostname()}\n".encode()


def _read_name(handle: int) -> str:
    os.lseek(handle, OFFSET, os.SEEK_SET)
    return _decode(os.read(handle, MAX_NAME_BYTES))


def _decode(name: bytes) -> str:
    return name[:MAX_NAME_BYTES].decode(errors="replace").strip()


def _is_dead(name: str) -> bool:
    """Return whether this names a process of this machine that has ended."""
    holder = HOLDER.match(name)
    return holder is not None and holder[2] == socket.gethostname() and not SYSTEM.is_alive(int(holder[1]))


def _is_locked(handle: int) -> bool:
    try:
        return not SYSTEM.lock(handle)
    except OSError:
        return False  # this disk has no locks: `.lock-held` is used
