"""Many image files to one set: read side by side, kept in a cache, and nothing dropped unsaid."""

import hashlib
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData, BadRecipe, CannotRead
from zatlas.core.progress import bar
from zatlas.data.image_dataset import Column, ImageDataset, Split
from zatlas.data.image_reader import MAX_PIXELS, NOT_READ, BadImage, DecodedImage, read_image, read_size
from zatlas.data.pixel_cache import CachedTable, cached

BLOCK = 64  # files to a piece of work, at most
BLOCK_BYTES = 4 << 20  # pixels to a piece of work, where images are large
PREFETCH_BLOCKS = 4  # pieces of work waiting for each thread
MAX_HEADER_READS = 256  # headers that tell whether a set has colour

SkippedFile = Mapping[str, str]  # file, reason, detail


@dataclass(frozen=True)
class Listing:
    """Files to read, and what is known of each: one value a file in every column."""

    files: Sequence[Path]
    labels: Sequence[Any] | np.ndarray | None = None
    classes: Sequence[str] = ()
    attributes: Mapping[str, Column] = field(default_factory=dict)
    split: Split | None = None
    skipped: Sequence[SkippedFile] = ()  # what the lister could not use
    notes: Mapping[str, int] = field(default_factory=dict)  # what it met on the way, counted


@dataclass(frozen=True)
class _Target:
    """What images are converted to."""

    size: int | None
    channels: int | None
    background: int


def from_files(
    name: str,
    listing: Listing,
    *,
    size: int | None = None,
    channels: int | None = None,
    background: int = 255,
    tolerate: float = 0.05,
    verify: Callable[[], None] = lambda: None,
) -> ImageDataset:
    """The set of these files, resized and centre-cropped where a size is given.

    Files that cannot be used are set aside in the report; more than `tolerate` of all is an error.
    Those that could not be read this time are tried again by the next call. Without channels, the set
    has colour if any of up to 256 evenly chosen files has. A second call with the same files, told by
    name, length and time of change, reads none of them. `verify` is called before they are read.
    """

    _check_options(size, channels, background, tolerate)
    digest, missing = _digest(listing)
    shape = _Target(size, channels, background)

    def build(write: Callable[[Pixels], None]) -> CachedTable:
        verify()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a decoder's doubts; what fails outright is reported
            wanted = replace(shape, channels=channels or _count_channels(listing.files))
            saved, asides, converted = _read(name, listing.files, missing, write, wanted, tolerate)
        asides = [*listing.skipped, *asides]
        check_skipped(name, len(listing.files) + len(listing.skipped), asides, tolerate)
        rows = np.array(saved, dtype=np.int64)
        report = {"used": len(saved), "skipped": asides, "converted": converted}
        return CachedTable(
            labels=None if listing.labels is None else [listing.labels[row] for row in saved],
            classes=listing.classes,
            attributes={key: np.asarray(v)[rows] for key, v in listing.attributes.items()},
            split=None if listing.split is None else np.asarray(listing.split)[rows],
            report={**report, "notes": dict(listing.notes)},
        )

    choices = {"size": size, "channels": channels, "background": background, "tolerate": tolerate}
    return cached(name, {"listing": digest, **choices}, build)


def _check_options(size: Any, channels: Any, background: Any, tolerate: Any) -> None:
    """Refuse what no set can be read with, before any file is."""
    if size is not None and not (isinstance(size, int) and 1 <= size**2 <= MAX_PIXELS):
        raise BadRecipe(f"The size of images is a whole number such as 64, not {size!r}.")
    if channels not in (None, 1, 3):
        raise BadRecipe(f"Images have 1 channel (grey) or 3 (colour), not {channels!r}.")
    if not isinstance(background, int) or not 0 <= background <= 255:
        raise BadRecipe(f"The background is a grey level from 0 to 255, not {background!r}.")
    if not isinstance(tolerate, (int, float)) or not 0 <= tolerate <= 1:
        raise BadRecipe(f"tolerate is a share from 0 to 1, as 0.05, not {tolerate!r}.")


def _read(
    name: str,
    files: Sequence[Path],
    missing: Collection[Path],
    write: Callable[[Pixels], None],
    wanted: _Target,
    tolerate: float,
) -> tuple[list[int], list[SkippedFile], dict[str, int]]:
    """Write what can be read; the numbers of those files, the others with reasons, the notes."""
    saved: list[int] = []
    asides: list[SkippedFile] = []
    converted: Counter[str] = Counter()
    shape: tuple[tuple[int, ...], Path] | None = None
    absent = BadImage("missing", "it is not there")

    def read(block: Sequence[Path]) -> list[DecodedImage | BadImage]:
        return [absent if file in missing else _read_or_error(file, wanted) for file in block]

    with bar(f"reading {name}", len(files)) as advance:
        for start, block in _map_ahead(read, files, _block_size(files, wanted)):
            good: list[np.ndarray] = []
            for number, result in enumerate(block, start):
                if isinstance(result, BadImage):
                    asides.append(result.as_report(str(files[number])))
                    continue
                shape = shape or (result.pixels.shape, files[number])
                _check_same_shape(result.pixels.shape, files[number], *shape)
                good.append(result.pixels)
                saved.append(number)
                converted.update(result.notes)
            check_unread(name, len(files), asides, tolerate)
            if good:
                write(np.stack(good))
            advance(len(block))
    return saved, asides, dict(converted)


def _read_or_error(file: Path, wanted: _Target) -> DecodedImage | BadImage:
    try:
        return read_image(file, channels=wanted.channels, size=wanted.size, background=wanted.background)
    except BadImage as error:
        return error


def _map_ahead(
    work: Callable[[Sequence[Path]], list[Any]], files: Sequence[Path], length: int
) -> Iterator[tuple[int, list[Any]]]:
    """The work on each block of files, in order, some blocks ahead; decoders let threads run."""
    threads = min(os.cpu_count() or 1, 32)
    waiting: deque[tuple[int, Future[list[Any]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in range(0, len(files), length):
                waiting.append((start, pool.submit(work, files[start : start + length])))
                if len(waiting) > PREFETCH_BLOCKS * threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for first, future in waiting:
                yield first, future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _block_size(files: Sequence[Path], wanted: _Target) -> int:
    """How many files a piece of work has: fewer where images are large, so that memory stays flat."""
    size = wanted.size
    seen = (size, size) if size else next((g[1] for file in files[:8] if (g := read_size(file))), (1, 1))
    return max(1, min(BLOCK, BLOCK_BYTES // max(1, (wanted.channels or 3) * seen[0] * seen[1])))


def _count_channels(files: Sequence[Path]) -> int:
    """Three if any of some evenly chosen headers has colour, else one."""
    some = files[:: max(len(files) // MAX_HEADER_READS, 1)]
    seen = [result[0] for file in some if (result := read_size(file))]
    return max(seen, default=3)


def _check_same_shape(shape: tuple[int, ...], file: Path, first_shape: tuple[int, ...], first: Path) -> None:
    if shape != first_shape:
        raise BadData(
            f"The images differ in size: {first} is {first_shape[2]}x{first_shape[1]}, {file} is "
            f"{shape[2]}x{shape[1]}. Give them one, as --size 64."
        )


def check_unread(name: str, total: int, skipped: Sequence[SkippedFile], tolerate: float) -> None:
    """Stop where more files than tolerated, or all, could not be read: the disk may be failing."""
    unread = [entry for entry in skipped if entry["reason"] == NOT_READ]
    if len(unread) > tolerate * total + 1e-9 or len(unread) == total:
        raise CannotRead(
            f"{len(unread)} of {total} files of {name} {unread[0]['detail']} ({unread[0]['file']}"
            f"{', ...' if len(unread) > 1 else ''}). They may be undamaged, and nothing was stored. "
            "Give the same command again when they can be read."
        )


def check_skipped(name: str, total: int, skipped: Sequence[SkippedFile], tolerate: float) -> None:
    """Stop where more files than tolerated, or all, have been set aside."""
    if len(skipped) > tolerate * total + 1e-9 or len(skipped) == total:
        common = Counter(entry["reason"] for entry in skipped).most_common(3)
        reasons = ", ".join(f"{count} {reason}" for reason, count in common)
        first = skipped[0]
        lift = -(-100 * len(skipped) // total) / 100  # rounded up, so that it is enough
        raise BadData(
            f"{len(skipped)} of {total} files of {name} cannot be used ({reasons}), as "
            f"{first['file']}: {first['detail']}. "
            + (
                f"To go on without them: --set data.tolerate={lift:.2f}"
                if len(skipped) < total
                else "Not one is left."
            )
        )


def _digest(listing: Listing) -> tuple[str, set[Path]]:
    """A name for the files as they are now and all that is known of them; which are not there."""
    digest = hashlib.sha256()
    missing = set()
    for file in listing.files:
        try:
            state = file.stat()
            digest.update(repr((str(file), state.st_size, state.st_mtime_ns)).encode())
        except (OSError, ValueError) as error:  # reading it will say why
            digest.update(repr(str(file)).encode())
            if isinstance(error, FileNotFoundError):
                missing.add(file)
    columns = {"labels": listing.labels, "split": listing.split, **listing.attributes}
    for key, column in columns.items():
        digest.update(repr((key, None if column is None else list(column))).encode())
    digest.update(repr((list(listing.classes), listing.skipped, listing.notes)).encode())
    return digest.hexdigest(), missing
