"""Unpack archives of images safely into a folder of the cache."""

import errno
import hashlib
import json
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, cast

from zatlas.core.errors import BadData, CannotRead, CannotWrite, Damaged
from zatlas.core.logs import LOG
from zatlas.core.system import SYSTEM
from zatlas.data.image_reader import EXTENSIONS
from zatlas.data.pixel_cache import mark_in_use, remove_abandoned, remove_cached
from zatlas.store import atomic, retry

IMAGE_ENTRIES = (*EXTENSIONS, ".txt", ".csv", ".parquet")
DIGESTS = ".digests.jsonl"  # name and SHA-256 of each unpacked file
MAX_ENTRIES = 5_000_000
MAX_BYTES = 1 << 40
MAX_GROWTH = 200  # unpacked bytes for each byte of the archive; images compress less
MIN_CHECKED_BYTES = 100 << 20  # unpacked bytes that any archive may have
READ_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    NotImplementedError,
    struct.error,
)


def unpacked_folder(archive: Path) -> Path:
    """Return the folder of the cache with the files of this archive; unpack it if needed."""
    state = archive.stat()
    key = os.fsencode(archive.resolve()) + f" {state.st_size} {state.st_mtime_ns}".encode()
    folder = SYSTEM.cache_folder() / f"archive-{hashlib.sha256(key).hexdigest()[:20]}"
    remove_abandoned(folder.parent)
    if not folder.is_dir():
        try:
            unpack(archive, folder)
        except CannotWrite:
            if not folder.is_dir():  # else another process has just unpacked it
                raise
    return folder


def verify_unpacked(archive: Path) -> None:
    """Raise `Damaged` if an unpacked file of this archive has changed."""
    folder = unpacked_folder(archive)
    try:
        lines = retry.read_bytes(folder / DIGESTS).splitlines()
        digests = {str(name): str(digest) for name, digest in map(json.loads, lines)}
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise Damaged(f"{folder} has no readable list of its files") from error
    for name, digest in digests.items():
        try:
            intact = retry.digest(folder / name) == digest
        except FileNotFoundError:
            intact = False
        if not intact:
            raise Damaged(f"{folder / name} has changed since it was unpacked")


def discard_unpacked(archive: Path, why: str) -> None:
    """Remove the unpacked files of an archive; the next use unpacks it again."""
    LOG.warning(f"The unpacked files of {archive} are damaged ({why}). The archive is unpacked again.")
    remove_cached(unpacked_folder(archive))


def unpack(archive: Path, into: Path) -> Path:
    """Unpack the images and tables of a zip or tar file atomically into a new folder.

    `BadData` if the archive has links, devices, or names that lead out of the folder. Other files are
    ignored.
    """
    with ExitStack() as until_renamed, atomic.folder(into, sealed=False) as side:
        until_renamed.enter_context(mark_in_use(side))
        try:
            _unpack_files(side, archive)
            SYSTEM.sync_all()  # `atomic.folder` syncs only the top level
        except (BadData, CannotRead):
            raise
        except (*READ_ERRORS, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # errors of decoders have no errno
                raise
            why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":.")
            raise BadData(f"{archive} cannot be unpacked: {why}.") from error
    return into


def _unpack_files(side: Path, archive: Path) -> None:
    limit = min(max(MAX_GROWTH * archive.stat().st_size, MIN_CHECKED_BYTES), MAX_BYTES)
    written, names, digests = 0, set[str](), dict[str, str]()
    for count, (name, stream) in enumerate(_entries(archive)):
        if count >= MAX_ENTRIES:
            raise BadData(f"{archive} has more than {MAX_ENTRIES:,} entries.")
        inner = _safe_path(archive, name)
        if inner.suffix.lower() not in IMAGE_ENTRIES:
            continue
        if str(inner).casefold() in names:
            raise BadData(f"{archive} has two files named {name!r}.")
        names.add(str(inner).casefold())
        with _open_new(side / inner, archive, name) as file:
            size, digests[str(inner)] = _copy(stream, file, limit - written, archive)
            written += size
    lines = (json.dumps(entry) for entry in digests.items())
    (side / DIGESTS).write_text("\n".join(lines), encoding="utf-8")


def _open_new(target: Path, archive: Path, name: str) -> IO[bytes]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise BadData(f"{archive} has a file and a folder with the same name: {name!r}.") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise BadData(f"A file name in {archive} is too long: {name[:60]!r}...") from error
        raise


def _entries(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name and content of every regular file of an archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                kind = info.external_attr >> 28  # the Unix file type, where there is one
                if kind not in (0, 4, 8):
                    raise BadData(f"{info.filename!r} in {archive} is a link or a device.")
                if not info.is_dir():
                    with packed.open(info) as stream:
                        yield info.orig_filename, stream
        return
    with tarfile.open(archive, "r:*") as rolled:
        for member in rolled:
            if not member.isfile() and not member.isdir():
                raise BadData(f"{member.name!r} in {archive} is a link or a device.")
            content = rolled.extractfile(member)
            if content is not None:
                yield member.name, content
        _copy(
            cast(IO[bytes], rolled.fileobj), None, MIN_CHECKED_BYTES, archive
        )  # a gzip ends in its checksum


def _safe_path(archive: Path, name: str) -> PurePosixPath:
    """Return the name as a path inside the folder; `BadData` if it could lead out of it."""
    path = PurePosixPath(name)
    unsafe = path.is_absolute() or not path.parts or any(part == ".." for part in path.parts)
    if unsafe or "\\" in name or ":" in name or any(ord(letter) < 32 for letter in name):
        raise BadData(f"The name {name!r} in {archive} could lead out of its folder.")
    return path


def _read(stream: IO[bytes], archive: Path) -> bytes:
    try:
        return stream.read(1 << 20)
    except OSError as error:
        if not error.errno:  # errors of decoders have no errno
            raise
        raise CannotRead(
            f"{archive} cannot be read: {error.strerror}. Nothing was changed. Repeat the command when the "
            "file can be read."
        ) from error


def _copy(stream: IO[bytes], file: IO[bytes] | None, limit: int, archive: Path) -> tuple[int, str]:
    """Copy the stream; return the number of bytes and their SHA-256."""
    count, digest = 0, hashlib.sha256()
    while block := _read(stream, archive):
        count += len(block)
        if count > limit:
            raise BadData(f"{archive} unpacks to implausibly many bytes. It may be a decompression bomb.")
        digest.update(block)
        if file is not None:
            file.write(block)
    return count, digest.hexdigest()
