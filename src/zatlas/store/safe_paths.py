"""The paths below a folder that may be a stranger's: plain names, no links, ordinary files only.

A run, a site or an export can come from anyone, and archives carry links. So every path below one
is built here, and every file that is read or written in place is opened without following a link.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zatlas.core.errors import BadRun

TEMPORARY_PREFIX = ".side-"  # prefix of a file or folder that is not finished
MAX_NAME_LENGTH = 150  # letters of a name
MAX_PLAIN_LENGTH = 40  # letters of a name that keep their place in front of a digest
NAME = re.compile(rf"[A-Za-z0-9_]([A-Za-z0-9._=-]{{0,{MAX_NAME_LENGTH - 2}}}[A-Za-z0-9_=-])?")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows
COPY_HINT = "Put a copy of your own in its place."
NOT_A_FILE_ERRORS = (errno.ELOOP, errno.ENXIO, errno.EISDIR)  # what a link, a pipe or a folder gives
DIRECTORY = getattr(os, "O_DIRECTORY", 0)
BINARY = getattr(os, "O_BINARY", 0)  # on Windows, newlines would be translated without it
# A link is refused, and a pipe does not block, on every system that knows how.
CAN_OPEN_BELOW = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | BINARY
)


def path(root: Path, *names: str) -> Path:
    """The path of a file or folder below `root`, which need not exist; `names` may hold slashes."""
    parts = split(root, *names)
    check_links(root, parts)
    return root.joinpath(*parts)


def check_links(root: Path, parts: Iterable[str]) -> None:
    """Refuse a path below `root` that leads through a link, or to what is no file and no folder."""
    result = root
    for part in parts:
        result = result / part
        try:
            state = result.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise BadRun(f"{result} cannot be looked at: {error.strerror}.") from error
        check_ordinary(result, state)


def split(root: Path, *names: str) -> list[str]:
    """The parts of a name below `root`, each of plain letters."""
    parts = "/".join(names).split("/")
    for part in parts:
        if not is_safe_name(part):
            raise BadRun(
                f"{root} names a file {'/'.join(names)[:200]!r}, which zatlas never writes: it could lie "
                "outside this folder. Nothing was opened."
            )
    return parts


def is_safe_name(name: str) -> bool:
    """Whether this can be the name of a file that zatlas writes."""
    return NAME.fullmatch(name) is not None and RESERVED.fullmatch(name) is None


def check_ordinary(path: Path, state: os.stat_result) -> None:
    """Refuse a link, a pipe or a device where a file or a folder should be, and a file with two names."""
    if stat.S_ISDIR(state.st_mode) or (stat.S_ISREG(state.st_mode) and state.st_nlink < 2):
        return
    if stat.S_ISREG(state.st_mode):
        kind = "a file with a second name (a hard link)"
    else:
        kind = "a link" if stat.S_ISLNK(state.st_mode) else "neither a file nor a folder"
    raise BadRun(
        f"{path} is {kind}. zatlas opens ordinary files only, so that nothing outside this folder "
        f"is read, changed or removed. {COPY_HINT}"
    )


def is_file(path: Path) -> bool:
    """Whether an ordinary file is there; a link, a pipe or a device is refused."""
    try:
        state = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    check_ordinary(path, state)
    return stat.S_ISREG(state.st_mode)


def read_below(root: Path, *names: str, limit: int = -1) -> bytes:
    """The bytes of a file below `root`, opened folder by folder, so that no link is followed.

    `most` limits how many bytes are read.
    """
    *folders, name = split(root, *names)
    if os.open not in os.supports_dir_fd:
        return _read(open_ordinary(path(root, *names), os.O_RDONLY), limit)
    handle = os.open(root, os.O_RDONLY | DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | DIRECTORY | CAN_OPEN_BELOW, dir_fd=handle)
            os.close(handle)
            handle = below
        return _read(open_ordinary(name, os.O_RDONLY, dir_fd=handle), limit)
    finally:
        os.close(handle)


def _read(handle: int, most: int) -> bytes:
    with os.fdopen(handle, "rb") as file:
        return file.read(most)


def open_in_place(path: Path, flags: int) -> int:
    """The descriptor of a file to write in place; a link, or a file with a second name, is refused."""
    with suppress(FileNotFoundError):
        check_ordinary(path, path.lstat())
    return open_ordinary(path, flags)


def file_name(text: str, suffix: str = "") -> str:
    """A plain name for any text: the text itself where that is plain, else with a part of its digest."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", text)
    if plain == text and len(text) <= MAX_PLAIN_LENGTH and is_safe_name(text + suffix):
        return text + suffix
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{plain[:MAX_PLAIN_LENGTH].lstrip('-')}-{digest}{suffix}".lstrip("-")


def open_ordinary(path: Path | str, flags: int, dir_fd: int | None = None) -> int:
    """The descriptor of an ordinary file; a link is not followed."""
    try:
        handle = os.open(path, flags | CAN_OPEN_BELOW, 0o666, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in NOT_A_FILE_ERRORS:
            raise BadRun(f"{path} is a link or no file, and was not opened. {COPY_HINT}") from error
        raise
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise BadRun(f"{path} is a link or no file, and was not opened. {COPY_HINT}")
