"""The cache of datasets: pixels, labels and attributes as memory-mapped files.

Each dataset is a folder with a `MANIFEST.json`: size, time and SHA-256 of every file. Opening a dataset
compares sizes and times, and the SHA-256 if those differ; `verify_cache(thorough=True)` compares all. A
damaged dataset is removed and built again from its source. So is one whose skipped files can be read now.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData, CannotRead, CannotWrite, Damaged, NotFound
from zatlas.core.logs import LOG
from zatlas.core.system import SYSTEM
from zatlas.data.image_dataset import Column, ImageDataset, Split, image_dataset
from zatlas.data.image_reader import NOT_READ
from zatlas.data.npy import read_npy
from zatlas.store import atomic, retry, safe_paths
from zatlas.store.atomic import MANIFEST

FORMAT = 3  # increase it if the files, or the decoding of images, change
DESCRIPTION_FILE = "description.json"
ABANDONED_SECONDS = 60.0  # age at which an unlocked temporary folder is removed
UNLOCKED_ABANDONED_SECONDS = 7 * 86400.0  # the same where folders cannot be locked, as on Windows


@dataclass(frozen=True)
class CachedTable:
    """Labels and attributes from a source, with one value for each image that it has written."""

    labels: Sequence[Any] | np.ndarray | None = None
    classes: Sequence[str] = ()
    attributes: Mapping[str, Column] = field(default_factory=dict)
    split: Split | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


Build = Callable[[Callable[[Pixels], None]], CachedTable]


def cached(name: str, key: Mapping[str, Any], build: Build) -> ImageDataset:
    """Return the dataset of this key from the cache; build and cache it if needed.

    `build` gets a function that writes blocks of pixels, so that a dataset may be larger than memory, and
    returns the table. The key must contain everything that the result depends on.
    """
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True, default=str)
    folder = SYSTEM.cache_folder() / hashlib.sha256(f"{name} {text}".encode()).hexdigest()[:24]
    remove_abandoned(folder.parent)
    for other in sorted(folder.parent.glob(f"{folder.name}*")):
        if (images := _open_intact(name, other)) is not None:
            return images
    if SYSTEM.locks_mapped_files:  # this process may have mapped a damaged one, which could not be removed
        folder = atomic.unused_path(folder)
    try:
        with ExitStack() as until_renamed, atomic.folder(folder, sealed=False) as side:
            until_renamed.enter_context(mark_in_use(side))
            _build_files(name, side, build)
            _write_manifest(side)
    except CannotWrite:
        if not folder.exists():  # else another process has just built it
            raise
    return _open(name, folder)


def cache_folder_of(images: ImageDataset) -> Path | None:
    """Return the cache folder of a dataset; None if it is not cached."""
    mapped = images.pixels
    if not isinstance(mapped, np.memmap) or mapped.filename is None:
        return None
    folder = Path(mapped.filename).parent
    return folder if (folder / MANIFEST).is_file() else None


def verify_cache(folder: Path, *, thorough: bool = False) -> None:
    """Raise `Damaged` if a cached dataset has changed since it was written.

    Compares sizes and times, and the SHA-256 of files whose time differs; with `thorough` of all files.
    """
    files = _read_manifest(folder)
    present = {file.name for file in retry.attempt(folder, lambda: list(folder.iterdir()))}
    if difference := sorted(present - {MANIFEST} ^ files.keys()):
        raise Damaged(f"{folder} does not match its manifest: {', '.join(difference)}")
    for name, (size, mtime, digest) in files.items():
        file = folder / name
        state = retry.attempt(file, file.stat)
        if state.st_size == size and state.st_mtime_ns == mtime and not thorough:
            continue
        if state.st_size != size or retry.digest(file) != digest:
            raise Damaged(f"{file} has changed since zatlas wrote it")
        if state.st_mtime_ns != mtime:  # probably copied; avoids another digest next time
            with suppress(OSError):
                os.utime(file, ns=(state.st_atime_ns, mtime))


def discard_if_damaged(images: ImageDataset) -> bool:
    """Compare the SHA-256 of all files of a cached dataset; remove it and return True if one differs."""
    folder = cache_folder_of(images)
    if folder is None:
        return False
    try:
        verify_cache(folder, thorough=True)
    except (Damaged, FileNotFoundError) as error:
        _discard(images.name, folder, str(error))
        return True
    return False


def discard_damaged(fingerprint: object) -> list[str]:
    """Remove damaged cached datasets with this fingerprint, and return their names.

    A dataset with a damaged description could have any fingerprint, so it is removed, too.
    """
    removed = []
    for folder in _cached_folders():
        name = folder.name
        try:
            if (match := _name_if_matching(folder, fingerprint)) is not None:
                name = match
                verify_cache(folder, thorough=True)
        except (Damaged, FileNotFoundError) as error:
            _discard(name, folder, str(error))
            removed.append(name)
    return removed


def is_cached(fingerprint: object) -> bool:
    """Return whether a dataset with this fingerprint is in the cache."""
    for folder in _cached_folders():
        with suppress(Damaged, FileNotFoundError):
            if _name_if_matching(folder, fingerprint) is not None:
                return True
    return False


def _cached_folders() -> list[Path]:
    return sorted(file.parent for file in SYSTEM.cache_folder().glob(f"*/{DESCRIPTION_FILE}"))


def _name_if_matching(folder: Path, fingerprint: object) -> str | None:
    """Return the name of a cached dataset if it has this fingerprint, else None."""
    files = _read_manifest(folder)
    data = retry.read_bytes(folder / DESCRIPTION_FILE)
    if DESCRIPTION_FILE not in files or hashlib.sha256(data).hexdigest() != files[DESCRIPTION_FILE][2]:
        raise Damaged(f"{folder / DESCRIPTION_FILE} has changed since zatlas wrote it")
    description = json.loads(data)
    return str(description["name"]) if description["fingerprint"] == fingerprint else None


@contextmanager
def mark_in_use(folder: Path) -> Iterator[bool]:
    """Lock a folder while the block runs; the system releases the lock if the process dies.

    Yields False if another process has removed or replaced the folder in the meantime.
    """
    if not SYSTEM.opens_folders:
        yield folder.exists()
        return
    handle = SYSTEM.open_folder(folder)
    try:
        with suppress(OSError):  # without locks, `remove_abandoned` removes no folder
            SYSTEM.lock(handle, wait=True)
        yield folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())
    finally:
        os.close(handle)


def remove_abandoned(root: Path) -> None:
    """Remove the temporary folders of processes that were killed while they filled them."""
    for side in root.glob(f"{safe_paths.TEMPORARY_PREFIX}*"):
        with suppress(OSError):  # another process may remove it at the same time
            age = time.time() - side.lstat().st_mtime
            if age < (ABANDONED_SECONDS if SYSTEM.opens_folders else UNLOCKED_ABANDONED_SECONDS):
                continue
            if not SYSTEM.opens_folders:
                shutil.rmtree(side)
                continue
            handle = SYSTEM.open_folder(side, links=False)
            try:
                if SYSTEM.lock(handle):
                    shutil.rmtree(side)
            finally:
                os.close(handle)


def _open_intact(name: str, folder: Path) -> ImageDataset | None:
    """Return the cached dataset; None if it does not exist or must be built again."""
    if not folder.exists():
        return None
    try:
        verify_cache(folder)
        images = _open(name, folder)
    except (FileNotFoundError, NotFound) as error:
        if folder.exists():  # else another process has just removed it
            _discard(name, folder, str(error))
        return None
    except (Damaged, BadData, ValueError, KeyError, TypeError) as error:
        _discard(name, folder, str(error))
        return None
    if not _readable_now(images.report):
        return images
    LOG.info(f"Images of {name} that could not be read before can be read now. All are read again.")
    remove_cached(folder)
    return None


def _readable_now(report: Mapping[str, Any]) -> bool:
    """Return whether a file that could not be read when the dataset was built can be read now."""
    for entry in report.get("skipped", ()):
        if entry["reason"] == NOT_READ:
            if "path" not in entry:  # too little memory, or not a file: try to build it again
                return True
            with suppress(CannotRead, FileNotFoundError):
                retry.read_bytes(Path(entry["path"]))
                return True
    return False


def _discard(name: str, folder: Path, why: str) -> None:
    LOG.warning(f"The cached images of {name} are damaged ({why}). They are read again from their source.")
    remove_cached(folder)


def remove_cached(folder: Path) -> None:
    """Remove a cached dataset, unless another process removes it at the same time.

    A system that lets no mapped file go keeps it without a manifest; it is removed when it is opened again.
    """
    with suppress(FileNotFoundError), mark_in_use(folder) as current:
        if current:
            try:
                atomic.remove(folder)
            except CannotWrite:
                if not SYSTEM.locks_mapped_files:
                    raise
                (folder / MANIFEST).unlink(missing_ok=True)


def _read_manifest(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return size, modification time and SHA-256 of each file of a cached dataset."""
    try:
        table = json.loads(retry.read_bytes(folder / MANIFEST))
        return {str(n): (int(e["size"]), int(e["mtime"]), str(e["sha256"])) for n, e in table.items()}
    except FileNotFoundError:
        if not folder.exists():
            raise
        raise Damaged(f"{folder} has no manifest") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{folder} has no readable manifest: {error}") from error


def _write_manifest(side: Path) -> None:
    """Write the manifest of a dataset, after all other files."""
    files = {}
    for file in sorted(side.iterdir()):
        state = file.stat()
        digest = retry.digest(file)
        files[file.name] = {"size": state.st_size, "mtime": state.st_mtime_ns, "sha256": digest}
    (side / MANIFEST).write_text(json.dumps(files, indent=1), encoding="utf-8")


def _build_files(name: str, side: Path, build: Build) -> None:
    with (side / "pixels.npy").open("wb") as file:
        writer = _PixelWriter(file)
        table = build(writer.append)
        writer.finish(name)
    images = image_dataset(
        name,
        np.load(side / "pixels.npy", mmap_mode="r"),
        labels=table.labels,
        classes=table.classes,
        attributes=table.attributes,
        split=table.split,
        fingerprint=writer.digest.hexdigest(),
    )
    np.save(side / "split.npy", images.split)
    if images.labels is not None:
        np.save(side / "labels.npy", images.labels)
    for number, column in enumerate(images.attributes.values()):
        np.save(side / f"attribute-{number}.npy", column)  # its name may not be a file name
    description = {
        "name": name,
        "classes": images.classes,
        "attributes": list(images.attributes),
        "fingerprint": images.fingerprint,
        "report": table.report,
    }
    (side / DESCRIPTION_FILE).write_text(json.dumps(description), encoding="utf-8")


def _open(name: str, folder: Path) -> ImageDataset:
    description = json.loads(retry.read_bytes(folder / DESCRIPTION_FILE))

    def column(file: str) -> np.ndarray:
        return read_npy(folder / file, mapped=True)

    images = ImageDataset(
        name=name,
        pixels=column("pixels.npy"),
        split=column("split.npy"),
        labels=column("labels.npy") if (folder / "labels.npy").exists() else None,
        classes=tuple(description["classes"]),
        attributes={key: column(f"attribute-{i}.npy") for i, key in enumerate(description["attributes"])},
        fingerprint=description["fingerprint"],
        report=description["report"],
    )
    _ = images.reader  # opens the file of pixels before another process can replace it
    return images


class _PixelWriter:
    """Appends rows to a .npy file whose length is unknown until the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.shape: tuple[int, ...] = ()
        self.count = 0
        self.digest = hashlib.sha256()

    def append(self, block: Pixels) -> None:
        if not self.count:
            self.shape = block.shape[1:]
            self._header()
        if block.dtype != np.uint8 or block.shape[1:] != self.shape:
            raise BadData(f"Images of shape {block.shape[1:]} do not fit a dataset of {self.shape}.")
        data = np.ascontiguousarray(block).data
        self.digest.update(data)
        self.file.write(data)
        self.count += len(block)

    def finish(self, name: str) -> None:
        if not self.count:
            raise BadData(f"{name} has no image that can be used.")
        self.file.seek(0)
        self._header()  # numpy pads the header, so it has the same length as before

    def _header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)
