"""Sets kept between starts: pixels, labels and every attribute as files that are mapped, not read.

Each set is a folder with a `MANIFEST.json`: size, time and SHA-256 of every file. Opening a set compares
sizes and times, and bytes where those differ; `verify_cache(thorough=True)` compares all bytes. A damaged
set is removed and built again from its source. A set that lacks images which could not be read is cached
with their names, and is built again as soon as one of them can be read.
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
from filelock import lock_descriptor

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData, CannotRead, CannotWrite, Damaged, NotFound
from zatlas.core.progress import console
from zatlas.data.image_dataset import Column, ImageDataset, Split, image_dataset
from zatlas.data.image_reader import NOT_READ
from zatlas.data.npy import read_npy
from zatlas.store import atomic, retry, safe_paths
from zatlas.store.atomic import MANIFEST

FORMAT = 2  # raise it when what is kept, or the way images are read, changes
MANIFEST_FILE = "about.json"  # the description of a cached set
ABANDONED_SECONDS = 60.0  # seconds after which a side folder that no process holds is removed
UNLOCKED_ABANDONED_SECONDS = 7 * 86400.0  # the same where folders cannot be locked, as on Windows


@dataclass(frozen=True)
class CachedTable:
    """What a source knows of its images besides their pixels: one value for each it has written."""

    labels: Sequence[Any] | np.ndarray | None = None
    classes: Sequence[str] = ()
    attributes: Mapping[str, Column] = field(default_factory=dict)
    split: Split | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


Build = Callable[[Callable[[Pixels], None]], CachedTable]


def cached(name: str, key: Mapping[str, Any], build: Build) -> ImageDataset:
    """The set of this key: opened if it was built before and is undamaged, else built and cached.

    `build` is handed a function that takes pixels block by block, so that a set may be larger
    than memory, and returns the table. The key must name all that the result depends on.
    """
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True, default=str)
    place = cache_root() / hashlib.sha256(f"{name} {text}".encode()).hexdigest()[:24]
    remove_abandoned(place.parent)
    if (result := _usable(name, place)) is not None:
        return result
    try:
        with ExitStack() as until_renamed, atomic.folder(place, sealed=False) as side:
            until_renamed.enter_context(hold(side))
            _keep(name, side, build)
            _seal(side)
    except CannotWrite:
        if not place.exists():  # else another process has just built the same
            raise
    return _open(name, place)


def cache_root() -> Path:
    """Where sets are kept: $ZATLAS_CACHE, else the user's cache folder."""
    if place := os.environ.get("ZATLAS_CACHE"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zatlas"


def folder_of(images: ImageDataset) -> Path | None:
    """The folder of the cache that holds this set; None for a set that is not cached."""
    mapped = images.pixels
    if not isinstance(mapped, np.memmap) or mapped.filename is None:
        return None
    place = Path(mapped.filename).parent
    return place if (place / MANIFEST).is_file() else None


def verify_cache(place: Path, *, thorough: bool = False) -> None:
    """Raise `Damaged` unless a cached set is as it was written.

    Sizes and times are compared, and the SHA-256 of a file whose time differs; `thorough` compares the
    SHA-256 of every file.
    """
    files = _manifest(place)
    present = {file.name for file in retry.attempt(place, lambda: list(place.iterdir()))}
    if odd := sorted(present - {MANIFEST} ^ files.keys()):
        raise Damaged(f"{place} does not hold the files of its manifest: {', '.join(odd)}")
    for name, (size, mtime, digest) in files.items():
        file = place / name
        state = retry.attempt(file, file.stat)
        if state.st_size == size and state.st_mtime_ns == mtime and not thorough:
            continue
        if state.st_size != size or retry.digest(file) != digest:
            raise Damaged(f"{file} is not as it was written")
        if state.st_mtime_ns != mtime:  # copied, perhaps; the next opening need not hash it
            with suppress(OSError):
                os.utime(file, ns=(state.st_atime_ns, mtime))


def discard_if_damaged(images: ImageDataset) -> bool:
    """Compare every byte of a cached set with its SHA-256; remove it and return True if one differs."""
    place = folder_of(images)
    if place is None:
        return False
    try:
        verify_cache(place, thorough=True)
    except (Damaged, FileNotFoundError) as error:
        _discard(images.name, place, str(error))
        return True
    return False


def discard_damaged(fingerprint: object) -> list[str]:
    """Compare every byte of the cached sets with this fingerprint; the names of those that were removed.

    A set whose description is damaged could be any, so it is removed as well.
    """
    removed = []
    for place in _places():
        name = place.name
        try:
            described = _described(place, fingerprint)
            if described is not None:
                name = described
                verify_cache(place, thorough=True)
        except (Damaged, FileNotFoundError) as error:
            _discard(name, place, str(error))
            removed.append(name)
    return removed


def is_cached(fingerprint: object) -> bool:
    """Whether a set with this fingerprint was built on this machine."""
    for place in _places():
        with suppress(Damaged, FileNotFoundError):
            if _described(place, fingerprint) is not None:
                return True
    return False


def _places() -> list[Path]:
    return sorted(about.parent for about in cache_root().glob(f"*/{MANIFEST_FILE}"))


def _described(place: Path, fingerprint: object) -> str | None:
    """The name of this cached set, if it has this fingerprint; `Damaged` if its description has changed."""
    files = _manifest(place)
    data = retry.read_bytes(place / MANIFEST_FILE)
    if MANIFEST_FILE not in files or hashlib.sha256(data).hexdigest() != files[MANIFEST_FILE][2]:
        raise Damaged(f"{place / MANIFEST_FILE} is not as it was written")
    about = json.loads(data)
    return str(about["name"]) if about["fingerprint"] == fingerprint else None


@contextmanager
def hold(folder: Path) -> Iterator[bool]:
    """Mark a folder as in use while the block runs; a process that dies releases it.

    False where another process has removed or replaced the folder while this one waited.
    """
    if not safe_paths.DIRECTORY:  # Windows opens no folders
        yield folder.exists()
        return
    handle = os.open(folder, os.O_RDONLY | safe_paths.DIRECTORY)
    try:
        with suppress(OSError):  # without locks, no folder is ever taken for abandoned
            lock_descriptor(handle)
        yield folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())
    finally:
        os.close(handle)


def remove_abandoned(root: Path) -> None:
    """Remove the side folders that processes have left which were killed while they filled them."""
    for side in root.glob(f"{safe_paths.TEMPORARY_PREFIX}*"):
        with suppress(OSError):  # another process may remove it, too
            age = time.time() - side.lstat().st_mtime
            if age < (ABANDONED_SECONDS if safe_paths.DIRECTORY else UNLOCKED_ABANDONED_SECONDS):
                continue
            if not safe_paths.DIRECTORY:
                shutil.rmtree(side)
                continue
            handle = os.open(side, os.O_RDONLY | safe_paths.DIRECTORY | safe_paths.CAN_OPEN_BELOW)
            try:
                if lock_descriptor(handle, blocking=False):
                    shutil.rmtree(side)
            finally:
                os.close(handle)


def _usable(name: str, place: Path) -> ImageDataset | None:
    """The cached set; None where there is none, or where it has to be built again."""
    if not place.exists():
        return None
    try:
        verify_cache(place)
        result = _open(name, place)
    except (FileNotFoundError, NotFound):  # another process has just removed it
        return None
    except (Damaged, BadData, ValueError, KeyError, TypeError) as error:
        _discard(name, place, str(error))
        return None
    if not _readable_now(result.report):
        return result
    console().print(
        f"Images of {name} that could not be read before can be read now; all are read again.", soft_wrap=True
    )
    remove_cached(place)
    return None


def _readable_now(report: Mapping[str, Any]) -> bool:
    """Whether any image that could not be read when the set was built can be read."""
    for entry in report.get("set_aside", ()):
        if entry["reason"] == NOT_READ:
            if "path" not in entry:  # memory was short, or it is no file: only building will tell
                return True
            with suppress(CannotRead, FileNotFoundError):
                retry.read_bytes(Path(entry["path"]))
                return True
    return False


def _discard(name: str, place: Path, why: str) -> None:
    console().print(
        f"The cached images of {name} are damaged ({why}), so they are read again from their source.",
        soft_wrap=True,
        markup=False,
    )
    remove_cached(place)


def remove_cached(place: Path) -> None:
    """Remove a cached set; one that another process removes at the same time is left to that."""
    with suppress(FileNotFoundError), hold(place) as current:
        if current:
            atomic.remove(place)


def _manifest(place: Path) -> dict[str, tuple[int, int, str]]:
    """Size, time of change and SHA-256 of each file of a cached set."""
    try:
        table = json.loads(retry.read_bytes(place / MANIFEST))
        return {
            str(name): (int(one["size"]), int(one["mtime"]), str(one["sha256"]))
            for name, one in table.items()
        }
    except FileNotFoundError:
        if not place.exists():
            raise
        raise Damaged(f"{place} has no manifest") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{place} has no readable manifest: {error}") from error


def _seal(side: Path) -> None:
    """Write the manifest of a set, after all its other files."""
    files = {}
    for file in sorted(side.iterdir()):
        state = file.stat()
        digest = retry.digest(file)
        files[file.name] = {"size": state.st_size, "mtime": state.st_mtime_ns, "sha256": digest}
    (side / MANIFEST).write_text(json.dumps(files, indent=1))


def _keep(name: str, side: Path, build: Build) -> None:
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
        np.save(side / f"attribute-{number}.npy", column)  # its name may be no file name
    about = {
        "name": name,
        "classes": images.classes,
        "attributes": list(images.attributes),
        "fingerprint": images.fingerprint,
        "report": table.report,
    }
    (side / "about.json").write_text(json.dumps(about))


def _open(name: str, place: Path) -> ImageDataset:
    about = json.loads(retry.read_bytes(place / "about.json"))

    def column(file: str) -> np.ndarray:
        return read_npy(place / file, mapped=True)

    images = ImageDataset(
        name=name,
        pixels=column("pixels.npy"),
        split=column("split.npy"),
        labels=column("labels.npy") if (place / "labels.npy").exists() else None,
        classes=tuple(about["classes"]),
        attributes={key: column(f"attribute-{number}.npy") for number, key in enumerate(about["attributes"])},
        fingerprint=about["fingerprint"],
        report=about["report"],
    )
    _ = images.reader  # opens the file of pixels, before another process may replace it
    return images


class _PixelWriter:
    """Rows appended to a .npy file whose length is not known before the end."""

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
            raise BadData(f"Images of {block.shape[1:]} cannot join a set of {self.shape}.")
        data = np.ascontiguousarray(block).data
        self.digest.update(data)
        self.file.write(data)
        self.count += len(block)

    def finish(self, name: str) -> None:
        if not self.count:
            raise BadData(f"{name} holds no image that can be used.")
        self.file.seek(0)
        self._header()  # numpy leaves room for the count to grow, so this is as long as before

    def _header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)
