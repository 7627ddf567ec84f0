"""The lock of a run: only one process trains it, and the system releases the lock if that process dies.

The operating system locks the file `.lock`. On disks without locks (some network disks), zatlas creates
`.lock-held` instead, and removes it if its process on this machine has ended.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zatlas.core.errors import Busy
from zatlas.store import atomic, safe_paths
from zatlas.store.system_lock import is_alive, lock

FILE, HELD_FILE = ".lock", ".lock-held"
UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
HOLDER = re.compile(r"process (\d{1,10}) on (\S{1,255})")
MAX_NAME_BYTES = 300  # of the holder's name


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
            text = os.read(handle, MAX_NAME_BYTES).decode(errors="replace").strip()
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
            lock(handle)
        except BlockingIOError:
            raise _busy_error(folder, os.read(handle, MAX_NAME_BYTES)) from None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            return False
    return True


@contextmanager
def _held_by_file(folder: Path) -> Iterator[None]:
    path = folder / HELD_FILE
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with atomic.explain_errors(path):
        if safe_paths.is_file(path) and _is_dead(path.read_bytes()[:MAX_NAME_BYTES].decode(errors="replace")):
            path.unlink(missing_ok=True)
        try:
            handle = safe_paths.open_in_place(path, flags)
        except FileExistsError:
            raise _busy_error(folder, path.read_bytes()[:MAX_NAME_BYTES]) from None
        os.write(handle, _own_name())
        os.close(handle)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _busy_error(folder: Path, name: bytes) -> Busy:
    holder = HOLDER.match(name.decode(errors="replace"))
    return Busy(
        f"{folder} is being trained by {holder[0] if holder else 'another process'}. "
        "Wait for it to end, or train another run: --out FOLDER"
    )


def _own_name() -> bytes:
    return f"process {os.getpid()} on {socket.gethostname()}\n".encode()


def _is_dead(name: str) -> bool:
    """Return whether this names a process of this machine that has ended."""
    holder = HOLDER.match(name)
    return holder is not None and holder[2] == socket.gethostname() and not is_alive(int(holder[1]))


def _is_locked(handle: int) -> bool:
    try:
        lock(handle, shared=True)
    except BlockingIOError:
        return True
    except OSError:
        return False  # this disk has no locks: `.lock-held` is used
    return False
