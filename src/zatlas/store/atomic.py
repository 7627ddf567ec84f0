"""The only writer: a file or a folder is there whole and safe on the disk, or it is not there at all.

Everything is written beside its final name, forced to the disk (`fsync`), and renamed. A folder
also carries `MANIFEST.json`, written last: the size and SHA-256 of every file in it. So a power
cut, a kill or a full disk leaves the old state, and damage that comes later is found on reading.
Of a single file in a run, `digests.jsonl` has the same. Nothing is written through a link.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zatlas.core.errors import BadRun, CannotWrite, Damaged
from zatlas.store import digests, retry, safe_paths
from zatlas.store.safe_paths import TEMPORARY_PREFIX

MANIFEST = "MANIFEST.json"
REPLACE_TRIES = 10  # of a replacement that Windows refuses because a reader has the file open


def write_file(path: Path, data: bytes, *, grows: bool = False) -> Path:
    """Put these bytes at this path in one step; `grows` where lines are appended later."""
    with file(path, need=len(data), grows=grows) as side:
        _write(side, data)
    return path


@contextmanager
def file(path: Path, *, need: int = 0, grows: bool = False) -> Iterator[Path]:
    """A side file to write, for what is too long to hold; it takes its name when the block ends well."""
    digests.check_path(path)
    with explain_errors(path, need):
        path.parent.mkdir(parents=True, exist_ok=True)
        side = _temporary_path(path)
        try:
            yield side
            _sync_file(side)
            digests.record(path, side, grows=grows)
            _replace(side, path)
        except BaseException:
            side.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def as_json(value: object) -> bytes:
    """This value as JSON that a person can read."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def write_new(path: Path, data: bytes) -> None:
    """Fill a file of a side folder; the folder's end makes it safe."""
    _write(path, data)


def unused_path(path: Path) -> Path:
    """This path, or the first of path-2, path-3 ... that is not taken."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.name}-{number}")
        number += 1
    return free


def append_line(path: Path, line: str) -> int:
    """Add one line and force it to the disk; the length of the file after it, in bytes."""
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
    """Remove a file, if it is there, and its record."""
    digests.check_path(path)
    with explain_errors(path):
        if os.path.lexists(path):
            path.unlink()
            digests.forget(path)


@contextmanager
def folder(
    path: Path, *, need: int = 0, sealed: bool = True, recorded: bool = False, replace: bool = False
) -> Iterator[Path]:
    """A side folder to fill; it takes its name when the block ends well, else it is gone.

    `need` is how many bytes will be written, if known: too little room is then refused first.
    A folder that others go on writing to is not `sealed` by a manifest; that of a run is `recorded`:
    `digests.jsonl` in it names every file. With `replace`, a folder of that name gives way at the
    end; else it is an error.
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
            os.rename(side, path)
            _sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(side, ignore_errors=True)
        raise


def verify(path: Path) -> None:
    """Raise `Damaged` unless every file of a folder is as its manifest says.

    A file that cannot be read now is no damage: that raises `CannotRead`.
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
        raise Damaged(f"{path} has no manifest that can be used ({error}).") from error
    result = set(retry.names(path)) - {MANIFEST}
    if result != set(files):
        odd = ", ".join(sorted(result ^ set(files)))
        raise Damaged(f"{path} does not hold the files of its manifest: {odd}.")
    for name, (size, digest) in files.items():
        file = path / name
        try:
            safe_paths.check_links(path, [name])
            same = retry.attempt(file, file.stat).st_size == size
            same = same and retry.digest(file) == digest
        except (OSError, BadRun) as error:
            raise Damaged(f"{file} is not the file that was written ({error}).") from error
        if not same:
            raise Damaged(f"{file} is not as it was written: its bytes have changed.")


def remove(path: Path) -> None:
    """Remove a folder: out of sight in one step, then file by file. Links in it are not followed."""
    digests.check_path(path)
    trash = _temporary_path(path)
    with explain_errors(path):
        os.rename(path, trash)
        digests.forget(path)
        shutil.rmtree(trash)


def remove_leftovers(parent: Path) -> None:
    """Clear what an interrupted write or removal left in this folder."""
    for left in parent.glob(TEMPORARY_PREFIX + "*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


@contextmanager
def explain_errors(path: Path, need: int = 0) -> Iterator[None]:
    """Turn the system's refusal to write into one sentence with numbers."""
    try:
        yield
    except OSError as error:
        where = _nearest_existing(path)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = shutil.disk_usage(where).free
            raise CannotWrite(_disk_full_text(path, need, free)) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise CannotWrite(
                f"{path} cannot be written: {error.strerror}. Choose a place that you may write."
            ) from error
        raise CannotWrite(
            f"{path} cannot be written: {error.strerror or error}. What was there is untouched."
        ) from error


def is_writable(path: Path) -> bool:
    """Whether something can be written at this path, or where the path is still to be made."""
    return os.access(_nearest_existing(path), os.W_OK)


def check_writable(folder: Path, advice: str) -> None:
    """Refuse to begin work that ends by writing into a folder that is read-only."""
    if not is_writable(folder):
        raise CannotWrite(f"{folder} is read-only, so the result could not be saved. {advice}")


def _nearest_existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    for where in (path, *path.parents):
        with suppress(OSError):  # a name that is too long is not there
            if where.exists():
                return where
    return Path()


def _disk_full_text(path: Path, need: int, free: int) -> str:
    asked = f"{need:,} bytes are needed" if need else "more is needed"
    return (
        f"No room for {path}: {asked}, {free:,} are free. What was there is untouched; "
        "free some space and give the same command again."
    )


def _temporary_path(path: Path) -> Path:
    # Long names stay legal: only the first bytes of the final name are repeated.
    start = os.fsencode(path.name)[:60].decode("utf-8", "ignore")
    return path.parent / f"{TEMPORARY_PREFIX}{start}-{os.getpid()}-{secrets.token_hex(4)}"


def _sync_files(side: Path, sealed: bool) -> None:
    files = sorted(side.iterdir())
    for entry in files:
        (_sync_folder if entry.is_dir() else _sync_file)(entry)
    if sealed:
        manifest = {f.name: {"size": f.stat().st_size, "sha256": _digest(f)} for f in files}
        _write(side / MANIFEST, json.dumps(manifest, indent=1).encode())
    _sync_folder(side)


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | safe_paths.BINARY, 0o666)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _sync_file(path: Path) -> None:
    # Windows flushes only what is open for writing.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    if not safe_paths.DIRECTORY:  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY | safe_paths.DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(side: Path, path: Path) -> None:
    """Rename a file over another; on Windows, wait up to a second for readers of the other to close it."""
    for left in reversed(range(REPLACE_TRIES)):
        try:
            os.replace(side, path)
            return
        except PermissionError:
            if os.name != "nt" or not left:
                raise
            time.sleep(0.1)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
