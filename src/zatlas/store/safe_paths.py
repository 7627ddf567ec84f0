"""Paths below an untrusted folder: safe names, no links, ordinary files only.

A run, a site or an export can come from anyone and can contain links. So this module builds every path
below one, and opens files without following links.
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
from zatlas.core.system import SYSTEM

TEMPORARY_PREFIX = ".side-"  # of unfinished files and folders
MAX_NAME_LENGTH = 150  # characters
MAX_PLAIN_LENGTH = 40  # characters of a name that stay in front of a digest
NAME = re.compile(rf"[A-Za-z0-9_]([A-Za-z0-9._=-]{{0,{MAX_NAME_LENGTH - 2}}}[A-Za-z0-9_=-])?")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows
COPY_HINT = "Replace it with a copy of the file."
NOT_A_FILE_ERRORS = (errno.ELOOP, errno.ENXIO, errno.EISDIR)  # what a link, a pipe or a folder gives


def path(root: Path, *names: str) -> Path:
    """Return the path of a file or folder below `root`, which need not exist; `names` may have slashes."""
    parts = split(root, *names)
    check_links(root, parts)
    return root.joinpath(*parts)


def check_links(root: Path, parts: Iterable[str]) -> None:
    """Raise `BadRun` if a path below `root` contains a link, a pipe or a device."""
    current = root
    for part in parts:
        current = current / part
        try:
            state = current.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise BadRun(f"{current} cannot be examined: {error.strerror}.") from error
        check_ordinary(current, state)


def split(root: Path, *names: str) -> list[str]:
    """Return the parts of a name below `root`; `BadRun` if one is not a safe name."""
    parts = "/".join(names).split("/")
    for part in parts:
        if not is_safe_name(part):
            raise BadRun(
                f"{root} names a file {'/'.join(names)[:200]!r}, which zatlas never writes and which could "
                "be outside this folder. It was not opened."
            )
    return parts


def is_safe_name(name: str) -> bool:
    """Return whether this can be the name of a file that zatlas writes."""
    return NAME.fullmatch(name) is not None and RESERVED.fullmatch(name) is None


def check_ordinary(path: Path, state: os.stat_result) -> None:
    """Raise `BadRun` unless this is a folder or a regular file with one name."""
    if stat.S_ISDIR(state.st_mode) or (stat.S_ISREG(state.st_mode) and state.st_nlink < 2):
        return
    if stat.S_ISREG(state.st_mode):
        kind = "a hard link (a file with a second name)"
    else:
        kind = "a link" if stat.S_ISLNK(state.st_mode) else "neither a file nor a folder"
    raise BadRun(
        f"{path} is {kind}. zatlas opens only ordinary files, so that it never reads, changes or removes "
        f"files outside this folder. {COPY_HINT}"
    )


def is_file(path: Path) -> bool:
    """Return whether an ordinary file exists; `BadRun` for a link, a pipe or a device."""
    try:
        state = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    check_ordinary(path, state)
    return stat.S_ISREG(state.st_mode)


def read_below(root: Path, *names: str, limit: int = -1) -> bytes:
    """Return at most `limit` bytes of a file below `root`; folders are opened one by one, without links."""
    *folders, name = split(root, *names)
    if not SYSTEM.opens_folders:
        return _read(open_ordinary(path(root, *names), os.O_RDONLY), limit)
    handle = SYSTEM.open_folder(root)
    try:
        for folder in folders:
            below = SYSTEM.open_folder(folder, links=False, dir_fd=handle)
            os.close(handle)
            handle = below
        return _read(open_ordinary(name, os.O_RDONLY, dir_fd=handle), limit)
    finally:
        os.close(handle)


def _read(handle: int, limit: int) -> bytes:
    with os.fdopen(handle, "rb") as file:
        return file.read(limit)


def open_in_place(path: Path, flags: int) -> int:
    """Return the descriptor of a file to write in place; `BadRun` for a link or a hard link."""
    with suppress(FileNotFoundError):
        check_ordinary(path, path.lstat())
    return open_ordinary(path, flags)


def file_name(text: str, suffix: str = "") -> str:
    """Return a safe file name for any text: the text itself if it is safe, else with a part of its digest."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", text)
    if plain == text and len(text) <= MAX_PLAIN_LENGTH and is_safe_name(text + suffix):
        return text + suffix
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{plain[:MAX_PLAIN_LENGTH].lstrip('-')}-{digest}{suffix}".lstrip("-")


def open_ordinary(path: Path | str, flags: int, dir_fd: int | None = None) -> int:
    """Return the descriptor of an ordinary file; links are not followed."""
    try:
        handle = SYSTEM.open_without_links(path, flags, dir_fd)
    except OSError as error:
        if error.errno in NOT_A_FILE_ERRORS:
            raise BadRun(f"{path} is a link or not a file, so it was not opened. {COPY_HINT}") from error
        raise
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise BadRun(f"{path} is a link or not a file, so it was not opened. {COPY_HINT}")
