"""`digests.jsonl`: what every file of a folder held when zatlas wrote it, so that damage is found.

One line a file, added before the file takes its name: its size, its time and its SHA-256. A file is
whole if it has the size and time of such a line, or else the bytes. A file that grows (`metrics.jsonl`)
is whole up to the length of its last line here. Digests find damage; they do not stop a forger, who can
write them too.
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
MAX_DEPTH = 5  # folders between a file and the folder of its run
REMOVED = -1  # the size of a file that zatlas has removed
COMPARE_TRIES = 3  # a file may be replaced while it is compared


@dataclass(frozen=True)
class DigestEntry:
    """One file as it was written; `grows` where more is added to its end."""

    file: str  # from the folder, with slashes
    size: int
    mtime: int  # nanoseconds
    sha256: str
    grows: bool = False


def start(folder: Path) -> None:
    """Record every file that is in a new folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != FILE)
    _append(folder, [_entry(folder, file, file) for file in files], new=True)


def ensure(folder: Path) -> None:
    """Begin to record what is written below a folder of zatlas's own, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        _append(folder, [], new=True)


def record(path: Path, content: Path, *, grows: bool = False) -> None:
    """Note that `path` will hold what `content` holds. Outside of a run, note nothing."""
    root = check_path(path)
    if root is not None:
        _append(root, [_entry(root, path, content, grows)])


def forget(path: Path) -> None:
    """Note that a file is removed, or a folder with all that is in it."""
    root = root_of(path)
    if root is None:
        return
    name = name_of(root, path)
    gone = [one for one in entries(root) if one == name or one.startswith(f"{name}/")]
    if gone:
        _append(root, [DigestEntry(one, REMOVED, 0, "") for one in gone])


def verify(path: Path, *, thorough: bool = False) -> None:
    """Raise `Damaged` unless a file is as it was written; `thorough` compares bytes, whatever its time.

    A file that belongs to no run is not looked at.
    """
    root = check_path(path)
    if root is None:
        return
    if path.is_dir():
        raise Damaged(f"{path} is a folder where zatlas writes a file, so it was not used. Move it away.")
    for _ in range(COMPARE_TRIES):
        if _is_intact(root, path, thorough):
            return
        time.sleep(0.01)  # it may just be replaced
    name = name_of(root, path)
    if name in entries(root):
        raise Damaged(
            f"{path} has changed since zatlas wrote it, so it was not used. See what can be repaired: "
            f"{shell_command('check', root)}"
        )
    raise Damaged(
        f"{path} was not written by zatlas, or its record is lost, so it was not used. If it is yours: "
        f"{shell_command('check', root, '--accept', name)}"
    )


def entries(root: Path) -> Mapping[str, Sequence[DigestEntry]]:
    """The entries of each file, oldest first; a line that cannot be read counts for nothing."""
    try:
        result = (root / FILE).lstat()
    except FileNotFoundError:
        return {}
    safe_paths.check_ordinary(root / FILE, result)
    return _parse_record(root, (result.st_ino, result.st_size, result.st_mtime_ns))


def recorded_in(root: Path, folder: Path) -> list[Path]:
    """The ordinary files below a folder that zatlas wrote and recorded."""
    start = name_of(root, folder) + "/"
    names = [
        name
        for name, result in entries(root).items()
        if name.startswith(start) and result[-1].size != REMOVED
    ]
    return [path for path in (safe_paths.path(root, name) for name in names) if safe_paths.is_file(path)]


def matches(entry: DigestEntry, data: bytes) -> bool:
    """Whether these are the bytes of the entry; of a file that grows, those it began with."""
    begun = data[: entry.size] if entry.grows else data
    return hashlib.sha256(begun).hexdigest() == entry.sha256


def accept_files(root: Path, files: Iterable[tuple[Path, bool]]) -> None:
    """Record these files as they are now, each with whether it grows; earlier entries stay."""
    ensure(root)
    _append(root, [_entry(root, path, path, grows) for path, grows in files])


def read(path: Path) -> bytes:
    """The bytes of a file, if they are those that were written; no link is followed on the way."""
    verify(path)
    root = root_of(path)
    if root is None:
        return retry.read_bytes(path)
    return retry.attempt(path, lambda: safe_paths.read_below(root, name_of(root, path)))


def root_of(path: Path) -> Path | None:
    """The folder that records this file: the nearest above it that has a record."""
    parents = Path(os.path.abspath(path)).parents  # links stay as they are named  # noqa: PTH100
    return next((one for one in parents[:MAX_DEPTH] if os.path.lexists(one / FILE)), None)


def name_of(root: Path, path: Path) -> str:
    """The name of a file from its root."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100
    return PurePosixPath(*whole.relative_to(os.path.abspath(root)).parts).as_posix()  # noqa: PTH100


def check_path(path: Path) -> Path | None:
    """The root of this file; refused where a path of a run leads through a link, or to a pipe."""
    root = root_of(path)
    if root is not None:
        safe_paths.check_links(root, name_of(root, path).split("/"))
    return root


def _is_intact(root: Path, path: Path, thorough: bool) -> bool:
    state = path.stat()
    result = entries(root).get(name_of(root, path), ())
    if not thorough and any((one.size, one.mtime) == (state.st_size, state.st_mtime_ns) for one in result):
        return True
    if not result or result[-1].size == REMOVED:
        return False
    if result[-1].grows:
        return result[-1].size <= state.st_size and retry.digest(path, result[-1].size) == result[-1].sha256
    digest = retry.digest(path)
    # Read the entries again: a file that was just replaced was recorded first.
    return any(one.sha256 == digest for one in entries(root)[name_of(root, path)])


def _entry(root: Path, path: Path, content: Path, grows: bool = False) -> DigestEntry:
    state = content.stat()
    digest = retry.digest(content, state.st_size)
    return DigestEntry(name_of(root, path), state.st_size, state.st_mtime_ns, digest, grows)


def _append(root: Path, added: Iterable[DigestEntry], *, new: bool = False) -> None:
    """Add lines in one write, on a line of their own whatever was cut off before."""
    data = b"".join(_line(one) for one in added)
    flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_EXCL if new else 0)
    handle = safe_paths.open_in_place(root / FILE, flags)
    try:
        length = os.fstat(handle).st_size
        if length:
            os.lseek(handle, length - 1, os.SEEK_SET)  # O_APPEND writes at the end all the same
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
    """The entry of a line; None for one that is not whole."""
    try:
        table = json.loads(line)
        entry = DigestEntry(**table)
    except (ValueError, TypeError, RecursionError):
        return None
    kinds = (str, int, int, str, bool)
    values = (entry.file, entry.size, entry.mtime, entry.sha256, entry.grows)
    return entry if all(type(v) is k for v, k in zip(values, kinds, strict=True)) else None
