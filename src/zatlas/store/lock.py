"""The lock of a run: only one process trains it. The operating system releases it when that process ends.

`.lock` is locked by the operating system, and contains the name of the process. Where the disk has no
locks (some network disks), `.lock-held` is created instead; one of a process that has ended is removed.

filelock locks the descriptor. Its `FileLock` would not do: it does not refuse hard links and pipes, and
names no holder.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor

from zatlas.core.errors import Busy
from zatlas.store import atomic, safe_paths
from zatlas.store.processes import is_alive

FILE, HELD = ".lock", ".lock-held"
UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
HOLDER = re.compile(r"process (\d{1,10}) on (\S{1,255})")
LONGEST = 300  # bytes of the holder's name
OFFSET = 1  # of the name: on Windows, nobody else can read the first byte of a locked file


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a folder as its only trainer."""
    path = folder / FILE
    with atomic.explained(path):
        handle = safe_paths.open_in_place(path, os.O_RDWR | os.O_CREAT)
    try:
        if not _locked(folder, handle):
            with _held_by_file(folder):
                yield
            return
        with atomic.explained(path):
            os.ftruncate(handle, 0)
            os.write(handle, b" " * OFFSET + _own_name())
        yield
    finally:
        os.close(handle)


def lock_holder(folder: Path) -> str | None:
    """The process that holds this folder; None where none does.

    Trying the lock would take it for a moment, and a training that begins just then would be refused;
    so it is only tried where the process that last held it is still alive.
    """
    for name in (FILE, HELD):
        path = folder / name
        if not safe_paths.is_file(path):
            continue
        handle = safe_paths.open_ordinary(path, os.O_RDONLY)
        try:
            text = _read_name(handle).decode(errors="replace").strip()
            if _is_dead(text):
                continue
            if name == HELD or _is_locked(handle):
                return text or "another process"
        finally:
            os.close(handle)
    return None


def _locked(folder: Path, handle: int) -> bool:
    """Lock the open file; False where this disk has no locks."""
    with atomic.explained(folder / FILE):
        try:
            locked = lock_descriptor(handle, blocking=False)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            return False
        if not locked:
            raise _busy(folder, _read_name(handle))
    return True


@contextmanager
def _held_by_file(folder: Path) -> Iterator[None]:
    path = folder / HELD
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with atomic.explained(path):
        if safe_paths.is_file(path) and _is_dead(path.read_bytes()[OFFSET:LONGEST].decode(errors="replace")):
            path.unlink(missing_ok=True)
        try:
            handle = safe_paths.open_in_place(path, flags)
        except FileExistsError:
            raise _busy(folder, path.read_bytes()[OFFSET:LONGEST]) from None
        os.write(handle, b" " * OFFSET + _own_name())
        os.close(handle)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _busy(folder: Path, name: bytes) -> Busy:
    holder = HOLDER.match(name.decode(errors="replace"))
    return Busy(
        f"{folder} is being trained by {holder[0] if holder else 'another process'}. "
        "Wait for it to end, or train another run with --out."
    )


def _read_name(handle: int) -> bytes:
    os.lseek(handle, OFFSET, os.SEEK_SET)
    return os.read(handle, LONGEST)


def _own_name() -> bytes:
    return f"process {os.getpid()} on {socket.gethostname()}\n".encode()


def _is_dead(name: str) -> bool:
    """Whether this is the name of a process of this machine that has ended."""
    result = HOLDER.match(name)
    return result is not None and result[2] == socket.gethostname() and not is_alive(int(result[1]))


def _is_locked(handle: int) -> bool:
    try:
        return not lock_descriptor(handle, blocking=False)
    except OSError:
        return False  # this disk has no locks: see HELD
