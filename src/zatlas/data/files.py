"""Build a dataset from image files: decoded by threads, cached, and skipped files reported."""

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
from zatlas.core.shell import how_to_set
from zatlas.data.image_dataset import Column, ImageDataset, Split
from zatlas.data.image_reader import MAX_PIXELS, NOT_READ, BadImage, DecodedImage, read_image, read_size
from zatlas.data.pixel_cache import CachedTable, cached

BLOCK = 64  # maximum number of files in a block
BLOCK_BYTES = 4 << 20  # maximum size of a block of large images
PREFETCH_BLOCKS = 4  # waiting blocks for each thread
MAX_HEADER_READS = 256  # to find out whether a dataset has colour

SkippedFile = Mapping[str, str]  # with the keys file, reason and detail


@dataclass(frozen=True)
class Listing:
    """Files to read, with one value for each file in every column."""

    files: Sequence[Path]
    labels: Sequence[Any] | np.ndarray | None = None
    classes: Sequence[str] = ()
    attributes: Mapping[str, Column] = field(default_factory=dict)
    split: Split | None = None
    skipped: Sequence[SkippedFile] = ()  # files that could not be listed
    notes: Mapping[str, int] = field(default_factory=dict)  # counts for the report


@dataclass(frozen=True)
class _Target:
    """The size and channels that images are converted to."""

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
    """Return the dataset of these files, resized and centre-cropped if a size is given.

    Files that cannot be used are skipped and listed in the report; a share above `tolerate` is an error.
    Files that could not be read are tried again by the next call. Without `channels`, the dataset has colour
    if any of up to 256 sampled files has. The result is cached by the name, size and modification time of
    the files. `verify` is called before they are read.
    """
    _check_options(size, channels, background, tolerate)
    digest, missing = _digest(listing)
    target = _Target(size, channels, background)

    def build(write: Callable[[Pixels], None]) -> CachedTable:
        verify()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of decoders; failures are reported
            target_format = replace(target, channels=channels or _count_channels(listing.files))
            used, skipped, converted = _read(name, listing.files, missing, write, target_format, tolerate)
        skipped = [*listing.skipped, *skipped]
        check_skipped(name, len(listing.files) + len(listing.skipped), skipped, tolerate)
        rows = np.array(used, dtype=np.int64)
        report = {"used": len(used), "skipped": skipped, "converted": converted}
        return CachedTable(
            labels=None if listing.labels is None else [listing.labels[row] for row in used],
            classes=listing.classes,
            attributes={key: np.asarray(v)[rows] for key, v in listing.attributes.items()},
            split=None if listing.split is None else np.asarray(listing.split)[rows],
            report={**report, "notes": dict(listing.notes)},
        )

    choices = {"size": size, "channels": channels, "background": background, "tolerate": tolerate}
    return cached(name, {"listing": digest, **choices}, build)


def _check_options(size: Any, channels: Any, background: Any, tolerate: Any) -> None:
    """Raise `BadRecipe` for invalid options."""
    if size is not None and not (isinstance(size, int) and 1 <= size**2 <= MAX_PIXELS):
        raise BadRecipe(f"The size of images must be a positive integer such as 64, not {size!r}.")
    if channels not in (None, 1, 3):
        raise BadRecipe(f"channels must be 1 (grey) or 3 (colour), not {channels!r}.")
    if not isinstance(background, int) or not 0 <= background <= 255:
        raise BadRecipe(f"background must be a grey level from 0 to 255, not {background!r}.")
    if not isinstance(tolerate, (int, float)) or not 0 <= tolerate <= 1:
        raise BadRecipe(f"tolerate must be a share from 0 to 1 such as 0.05, not {tolerate!r}.")


def _read(
    name: str,
    files: Sequence[Path],
    missing: Collection[Path],
    write: Callable[[Pixels], None],
    target: _Target,
    tolerate: float,
) -> tuple[list[int], list[SkippedFile], dict[str, int]]:
    """Write the images that can be read; return their indices, the skipped files and conversion counts."""
    used: list[int] = []
    skipped: list[SkippedFile] = []
    converted: Counter[str] = Counter()
    shape: tuple[tuple[int, ...], Path] | None = None
    not_found = BadImage("missing", "the file does not exist")

    def read(block: Sequence[Path]) -> list[DecodedImage | BadImage]:
        return [not_found if file in missing else _read_or_error(file, target) for file in block]

    with bar(f"reading {name}", len(files)) as advance:
        for start, block in _map_ahead(read, files, _block_size(files, target)):
            pixels: list[np.ndarray] = []
            for number, result in enumerate(block, start):
                if isinstance(result, BadImage):
                    skipped.append(result.as_report(str(files[number])))
                    continue
                shape = shape or (result.pixels.shape, files[number])
                _check_same_shape(result.pixels.shape, files[number], *shape)
                pixels.append(result.pixels)
                used.append(number)
                converted.update(result.notes)
            check_unread(name, len(files), skipped, tolerate)
            if pixels:
                write(np.stack(pixels))
            advance(len(block))
    return used, skipped, dict(converted)


def _read_or_error(file: Path, target: _Target) -> DecodedImage | BadImage:
    try:
        return read_image(file, channels=target.channels, size=target.size, background=target.background)
    except BadImage as error:
        return error


def _map_ahead(
    work: Callable[[Sequence[Path]], list[Any]], files: Sequence[Path], length: int
) -> Iterator[tuple[int, list[Any]]]:
    """Yield the start and the result of each block in order; threads work on the next blocks."""
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


def _block_size(files: Sequence[Path], target: _Target) -> int:
    """Return the number of files in a block: fewer if images are large, to bound memory."""
    sizes = (header[1] for file in files[:8] if (header := read_size(file)))
    width, height = (target.size, target.size) if target.size else next(sizes, (1, 1))
    return max(1, min(BLOCK, BLOCK_BYTES // max(1, (target.channels or 3) * width * height)))


def _count_channels(files: Sequence[Path]) -> int:
    """Return 3 if any of the sampled headers has colour, else 1."""
    sampled = files[:: max(len(files) // MAX_HEADER_READS, 1)]
    return max((header[0] for file in sampled if (header := read_size(file))), default=3)


def _check_same_shape(shape: tuple[int, ...], file: Path, first_shape: tuple[int, ...], first: Path) -> None:
    if shape != first_shape:
        raise BadData(
            f"The images have different sizes: {first} is {first_shape[2]}x{first_shape[1]}, {file} is "
            f"{shape[2]}x{shape[1]}. Resize all to one size: --size 64 (in Python: size=64)"
        )


def check_unread(name: str, total: int, skipped: Sequence[SkippedFile], tolerate: float) -> None:
    """Raise `CannotRead` if a share above `tolerate`, or all files, could not be read."""
    unread = [entry for entry in skipped if entry["reason"] == NOT_READ]
    if len(unread) > tolerate * total + 1e-9 or len(unread) == total:
        raise CannotRead(
            f"{len(unread)} of {total} files of {name} {unread[0]['detail']} ({unread[0]['file']}"
            f"{', ...' if len(unread) > 1 else ''}). They may be undamaged, and nothing was stored. "
            "Repeat the command when they can be read."
        )


def check_skipped(name: str, total: int, skipped: Sequence[SkippedFile], tolerate: float) -> None:
    """Raise `BadData` if a share above `tolerate`, or all files, were skipped."""
    if len(skipped) > tolerate * total + 1e-9 or len(skipped) == total:
        common = Counter(entry["reason"] for entry in skipped).most_common(3)
        reasons = ", ".join(f"{count} {reason}" for reason, count in common)
        first = skipped[0]
        skip = how_to_set("data.tolerate", -(-100 * len(skipped) // total) / 100)  # rounded up
        advice = "No file is left." if len(skipped) == total else f"To skip them: {skip}"
        raise BadData(
            f"{len(skipped)} of {total} files of {name} cannot be used ({reasons}), such as "
            f"{first['file']}: {first['detail']}. {advice}"
        )


def _digest(listing: Listing) -> tuple[str, set[Path]]:
    """Return a digest of the files and their columns, and the files that do not exist."""
    digest = hashlib.sha256()
    missing = set()
    for file in listing.files:
        try:
            state = file.stat()
            digest.update(repr((str(file), state.st_size, state.st_mtime_ns)).encode())
        except (OSError, ValueError) as error:  # reading the file reports the reason
            digest.update(repr(str(file)).encode())
            if isinstance(error, FileNotFoundError):
                missing.add(file)
    columns = {"labels": listing.labels, "split": listing.split, **listing.attributes}
    for key, column in columns.items():
        digest.update(repr((key, None if column is None else list(column))).encode())
    digest.update(repr((list(listing.classes), listing.skipped, listing.notes)).encode())
    return digest.hexdigest(), missing
