"""Atomic writes: a file or folder is complete on the disk, or it does not exist.

zatlas writes under a temporary name, calls `fsync`, and renames. A folder also gets `MANIFEST.json` with
the size and SHA-256 of each file; `digests.jsonl` has the same for single files of a run. A power cut, a
kill or a full disk leaves the old state, and later damage is found on reading. Links are not followed.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zatlas.core.errors import BadRun, CannotWrite, Damaged
from zatlas.core.system import SYSTEM
from zatlas.store import digests, retry, safe_paths
from zatlas.store.safe_paths import TEMPORARY_PREFIX

MANIFEST = "MANIFEST.json"


def write_file(path: Path, data: bytes, *, grows: bool = False) -> Path:
    """Write these bytes to this path atomically; `grows` if lines are appended later."""
    with file(path, need=len(data), grows=grows) as side:
        _write(side, data)
    return path


@contextmanager
def file(path: Path, *, need: int = 0, grows: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to; it is renamed to `path` if the block raises nothing."""
    digests.check_path(path)
    with explain_errors(path, need):
        path.parent.mkdir(parents=True, exist_ok=True)
        side = _temporary_path(path)
        try:
            yield side
            SYSTEM.sync_file(side)
            digests.record(path, side, grows=grows)
            SYSTEM.replace(side, path)
        except BaseException:
            side.unlink(missing_ok=True)
            raise
        SYSTEM.sync_folder(path.parent)


def as_json(value: object) -> bytes:
    """Return this value as indented JSON."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet, inside the block of `folder`."""
    _write(path, data)


def unused_path(path: Path) -> Path:
    """Return this path, or the first of path-2, path-3 ... that does not exist."""
    number, candidate = 2, path
    while candidate.exists():
        candidate = path.with_name(f"{path.name}-{number}")
        number += 1
    return candidate


def append_line(path: Path, line: str) -> int:
    """Append one line, call `fsync`, and return the new size of the file in bytes."""
    digests.check_path(path)
    data = line.encode() + b"\n"
    with explain_errors(path, need=len(data)):
        handle = safe_paths.open_in_place(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            _write_all(handle, data)
            os.fsync(handle)
            size = os.fstat(handle).st_size
        finally:
            os.close(handle)
        digests.record(path, path, grows=True)
        return size


def remove_file(path: Path) -> None:
    """Remove a file, if it exists, and its record."""
    digests.check_path(path)
    with explain_errors(path):
        if os.path.lexists(path):
            path.unlink()
            digests.forget(path)


@contextmanager
def folder(
    path: Path, *, need: int = 0, sealed: bool = True, recorded: bool = False, replace: bool = False
) -> Iterator[Path]:
    """Yield a temporary folder to fill; it is renamed to `path` if the block raises nothing.

    `need` is the number of bytes to write, if known; `CannotWrite` is raised if fewer are free.
    `sealed` adds a manifest: leave it off if files are added later. `recorded` starts `digests.jsonl`, as a
    run has. With `replace`, an existing folder is removed at the end; otherwise it is an error.
    """
    digests.check_path(path)
    with explain_errors(path, need):
        path.parent.mkdir(parents=True, exist_ok=True)
        if need > (free := shutil.disk_usage(path.parent).free):
            raise CannotWrite(_disk_full_text(path, need, free))
        side = _temporary_path(path)
        side.mkdir()
    try:
        with explain_errors(path, need):
            yield side
            if recorded:
                digests.start(side)
            _sync_files(side, sealed)
            if replace and path.exists():
                remove(path)
            SYSTEM.replace(side, path)
            SYSTEM.sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(side, ignore_errors=True)
        raise


def verify(path: Path) -> None:
    """Raise `Damaged` unless every file of a folder matches its manifest.

    A read error is not damage: it raises `CannotRead`.
    """
    safe_paths.is_file(path / MANIFEST)  # refuses a link or a pipe in its place
    try:
        safe_paths.check_links(path, [MANIFEST])
        manifest = json.loads(retry.read_bytes(path / MANIFEST))
        files = {str(name): (int(f["size"]), str(f["sha256"])) for name, f in manifest.items()}
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        RecursionError,
        BadRun,
    ) as error:
        raise Damaged(f"The manifest of {path} cannot be used ({error}).") from error
    present = set(retry.names(path)) - {MANIFEST}
    if present != set(files):
        names = ", ".join(sorted(present ^ set(files)))
        raise Damaged(f"{path} does not match its manifest; missing or unexpected: {names}.")
    for name, (size, digest) in files.items():
        file = path / name
        try:
            safe_paths.check_links(path, [name])
            same = retry.attempt(file, file.stat).st_size == size
            same = same and retry.digest(file) == digest
        except (OSError, BadRun) as error:
            raise Damaged(f"{file} is not the file that zatlas wrote ({error}).") from error
        if not same:
            raise Damaged(f"{file} has changed since zatlas wrote it.")


def remove(path: Path) -> None:
    """Remove a folder: rename it first, so that it disappears at once. Links in it are not followed."""
    digests.check_path(path)
    trash = _temporary_path(path)
    with explain_errors(path):
        SYSTEM.replace(path, trash)
        digests.forget(path)
        shutil.rmtree(trash)


def remove_leftovers(parent: Path) -> None:
    """Remove the temporary files and folders that an interrupted write or removal left here."""
    for path in parent.glob(TEMPORARY_PREFIX + "*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def explain_errors(path: Path, need: int = 0) -> Iterator[None]:
    """Turn an OSError of a write into `CannotWrite` with the path, the reason and free bytes."""
    try:
        yield
    except OSError as error:
        where = _nearest_existing(path)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = shutil.disk_usage(where).free
            raise CannotWrite(_disk_full_text(path, need, free)) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise CannotWrite(
                f"{path} cannot be written: {error.strerror}. Choose a folder that you can write to."
            ) from error
        raise CannotWrite(
            f"{path} cannot be written: {error.strerror or error}. Existing files are unchanged."
        ) from error


def is_writable(path: Path) -> bool:
    """Return whether this path, or its nearest existing parent, can be written."""
    return os.access(_nearest_existing(path), os.W_OK)


def check_writable(folder: Path, advice: str) -> None:
    """Raise `CannotWrite` before work whose result belongs into a read-only folder."""
    if not is_writable(folder):
        raise CannotWrite(f"{folder} is read-only, so the result cannot be saved there. {advice}")


def _nearest_existing(path: Path) -> Path:
    """Return the path, or the nearest parent that exists."""
    for candidate in (path, *path.parents):
        with suppress(OSError):  # a name that is too long
            if candidate.exists():
                return candidate
    return Path()


def _disk_full_text(path: Path, need: int, free: int) -> str:
    size = f"{need:,} bytes are needed" if need else "more space is needed"
    return (
        f"No room for {path}: {size}, {free:,} bytes are free. Existing files are unchanged. "
        "Free some space and repeat the command."
    )


def _temporary_path(path: Path) -> Path:
    # Only the start of the final name is repeated, so that the name does not become too long.
    start = os.fsencode(path.name)[:60].decode("utf-8", "ignore")
    return path.parent / f"{TEMPORARY_PREFIX}{start}-{os.getpid()}-{secrets.token_hex(4)}"


def _sync_files(side: Path, sealed: bool) -> None:
    files = sorted(side.iterdir())
    for entry in files:
        (SYSTEM.sync_folder if entry.is_dir() else SYSTEM.sync_file)(entry)
    if sealed:
        manifest = {f.name: {"size": f.stat().st_size, "sha256": _digest(f)} for f in files}
        _write(side / MANIFEST, json.dumps(manifest, indent=1).encode())
    SYSTEM.sync_folder(side)


def _write(path: Path, data: bytes) -> None:
    handle = SYSTEM.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
