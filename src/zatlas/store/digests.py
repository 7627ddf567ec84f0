"""`digests.jsonl`: size, modification time and SHA-256 of each file that zatlas wrote, to detect damage.

A line is added before the file is renamed into place. A file is intact if its size and time match a line,
or else its SHA-256. A file that grows (`metrics.jsonl`) is compared up to the size in its last line.
Digests detect damage. They do not stop an attacker, who can write new digests.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from zatlas.core.errors import Damaged
from zatlas.core.shell import shell_command
from zatlas.store import retry, safe_paths

FILE = "digests.jsonl"
MAX_DEPTH = 5  # number of parent folders that are searched for the record
REMOVED = -1  # size that marks a file which zatlas has removed
COMPARE_TRIES = 3  # a file may be replaced while it is compared


@dataclass(frozen=True)
class DigestEntry:
    """The state of a file when it was written; `grows` if lines are appended later."""

    file: str  # relative to the folder, with slashes
    size: int
    mtime: int  # nanoseconds
    sha256: str
    grows: bool = False


def start(folder: Path) -> None:
    """Record every file of a new folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != FILE)
    _append(folder, [_entry(folder, file, file) for file in files], new=True)


def ensure(folder: Path) -> None:
    """Create a folder if needed, and start a record in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        _append(folder, [], new=True)


def record(path: Path, content: Path, *, grows: bool = False) -> None:
    """Record that `path` will have the bytes of `content`. Outside a run, record nothing."""
    root = check_path(path)
    if root is not None:
        _append(root, [_entry(root, path, content, grows)])


def forget(path: Path) -> None:
    """Record that a file, or a folder with all its files, is removed."""
    root = root_of(path)
    if root is None:
        return
    name = name_of(root, path)
    removed = [file for file in entries(root) if file == name or file.startswith(f"{name}/")]
    if removed:
        _append(root, [DigestEntry(file, REMOVED, 0, "") for file in removed])


def verify(path: Path, *, thorough: bool = False) -> None:
    """Raise `Damaged` unless a file is as it was written; `thorough` always compares the SHA-256.

    Files outside a run are not checked.
    """
    root = check_path(path)
    if root is None:
        return
    if path.is_dir():
        raise Damaged(f"{path} is a folder, but zatlas writes a file there. Move the folder away.")
    for _ in range(COMPARE_TRIES):
        if _is_intact(root, path, thorough):
            return
        time.sleep(0.01)  # it may just be replaced
    name = name_of(root, path)
    if name in entries(root):
        raise Damaged(
            f"{path} has changed since zatlas wrote it, so it was not used. Check and repair the run: "
            f"{shell_command('check', root)}"
        )
    raise Damaged(
        f"{path} was not written by zatlas, or its record is lost, so it was not used. If it is yours: "
        f"{shell_command('check', root, '--accept', name)}"
    )


def entries(root: Path) -> Mapping[str, Sequence[DigestEntry]]:
    """Return the entries of each file, oldest first; lines that cannot be parsed are ignored."""
    try:
        state = (root / FILE).lstat()
    except FileNotFoundError:
        return {}
    safe_paths.check_ordinary(root / FILE, state)
    return _parse_record(root, (state.st_ino, state.st_size, state.st_mtime_ns))


def recorded_in(root: Path, folder: Path) -> list[Path]:
    """Return the ordinary files below a folder that are recorded."""
    start = name_of(root, folder) + "/"
    names = [
        name
        for name, history in entries(root).items()
        if name.startswith(start) and history[-1].size != REMOVED
    ]
    return [path for path in (safe_paths.path(root, name) for name in names) if safe_paths.is_file(path)]


def matches(entry: DigestEntry, data: bytes) -> bool:
    """Return whether these bytes match the entry; only the recorded size, if the file grows."""
    recorded = data[: entry.size] if entry.grows else data
    return hashlib.sha256(recorded).hexdigest() == entry.sha256


def accept_files(root: Path, files: Iterable[tuple[Path, bool]]) -> None:
    """Record the current state of these files, given as (path, whether it grows)."""
    ensure(root)
    _append(root, [_entry(root, path, path, grows) for path, grows in files])


def read(path: Path) -> bytes:
    """Return the bytes of a file after verifying it; links are not followed."""
    verify(path)
    root = root_of(path)
    if root is None:
        return retry.read_bytes(path)
    return retry.attempt(path, lambda: safe_paths.read_below(root, name_of(root, path)))


def root_of(path: Path) -> Path | None:
    """Return the nearest parent folder that has a record; None if there is none."""
    parents = Path(os.path.abspath(path)).parents  # does not resolve links  # noqa: PTH100
    return next((parent for parent in parents[:MAX_DEPTH] if os.path.lexists(parent / FILE)), None)


def name_of(root: Path, path: Path) -> str:
    """Return the path of a file relative to its root, with slashes."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100
    return PurePosixPath(*absolute.relative_to(os.path.abspath(root)).parts).as_posix()  # noqa: PTH100


def check_path(path: Path) -> Path | None:
    """Return the root of this file; `BadRun` if the path below it contains a link or a pipe."""
    root = root_of(path)
    if root is not None:
        safe_paths.check_links(root, name_of(root, path).split("/"))
    return root


def _is_intact(root: Path, path: Path, thorough: bool) -> bool:
    state = path.stat()
    history = entries(root).get(name_of(root, path), ())
    if not thorough and any((e.size, e.mtime) == (state.st_size, state.st_mtime_ns) for e in history):
        return True
    if not history or (last := history[-1]).size == REMOVED:
        return False
    if last.grows:
        return last.size <= state.st_size and retry.digest(path, last.size) == last.sha256
    digest = retry.digest(path)
    # Read the entries again: a file that was just replaced was recorded first.
    return any(entry.sha256 == digest for entry in entries(root)[name_of(root, path)])


def _entry(root: Path, path: Path, content: Path, grows: bool = False) -> DigestEntry:
    state = content.stat()
    digest = retry.digest(content, state.st_size)
    return DigestEntry(name_of(root, path), state.st_size, state.st_mtime_ns, digest, grows)


def _append(root: Path, added: Iterable[DigestEntry], *, new: bool = False) -> None:
    """Append lines in one write; start a new line if the last one is incomplete."""
    data = b"".join(_line(entry) for entry in added)
    flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_EXCL if new else 0)
    handle = safe_paths.open_in_place(root / FILE, flags)
    try:
        length = os.fstat(handle).st_size
        if length:
            os.lseek(handle, length - 1, os.SEEK_SET)  # O_APPEND still writes at the end
            if os.read(handle, 1) != b"\n":
                data = b"\n" + data
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _line(entry: DigestEntry) -> bytes:
    table = asdict(entry)
    if not entry.grows:
        del table["grows"]
    return json.dumps(table).encode() + b"\n"


@lru_cache(maxsize=16)
def _parse_record(root: Path, state: tuple[int, int, int]) -> Mapping[str, Sequence[DigestEntry]]:
    result: dict[str, list[DigestEntry]] = {}
    for line in retry.read_bytes(root / FILE).split(b"\n"):
        entry = _parse_line(line)
        if entry is not None:
            result.setdefault(entry.file, []).append(entry)
    return result


def _parse_line(line: bytes) -> DigestEntry | None:
    """Return the entry of a line; None if the line is not valid."""
    try:
        table = json.loads(line)
        entry = DigestEntry(**table)
    except (ValueError, TypeError, RecursionError):
        return None
    kinds = (str, int, int, str, bool)
    values = (entry.file, entry.size, entry.mtime, entry.sha256, entry.grows)
    return entry if all(type(v) is k for v, k in zip(values, kinds, strict=True)) else None
