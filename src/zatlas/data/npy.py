"""Read arrays from .npy and .npz files; headers are checked before memory is allocated."""

import io
import math
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from zatlas.core.errors import BadData, NotFound, TooLarge, ZatlasError, first_line
from zatlas.core.system import SYSTEM
from zatlas.store import retry

MAX_HEADER = 10_000  # bytes
MAX_AXES = 32
MEMORY_COPIES = 3  # copies of an array in memory during conversion
MAX_COMPRESSION = 1032  # unpacked bytes for each byte of a deflated file, at most
PICKLE_MESSAGE = "it contains pickled Python objects, which are not allowed"
LENGTHS = {1: "<H", 2: "<I", 3: "<I"}  # of the header, by version

T = TypeVar("T")


@dataclass(frozen=True)
class Header:
    """Shape and dtype of an array file, and the offset of its values."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int

    @property
    def nbytes(self) -> int:
        """The size of all values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path, *, mapped: bool = False) -> np.ndarray:
    """Return the array of a .npy file, read into memory or memory-mapped."""

    def read() -> np.ndarray:
        with path.open("rb") as file:
            header = read_header(file, path.stat().st_size)
        if not header.nbytes:
            return np.zeros(header.shape, header.dtype)
        if mapped:  # copy-on-write, because torch needs a writable array
            return np.load(path, mmap_mode="c", allow_pickle=False)
        check_memory(path, header.nbytes)
        return np.load(path, allow_pickle=False)

    return attempt(path, read)


def npz_headers(path: Path) -> dict[str, Header]:
    """Return the header of each array in an .npz file, by name."""

    def read() -> dict[str, Header]:
        result: dict[str, Header] = {}
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.file_size > MAX_COMPRESSION * size:
                    raise BadData(f"{size:,} bytes cannot unpack to {entry.file_size:,} of {entry.filename}")
                with archive.open(entry) as file:
                    result[entry.filename.removesuffix(".npy")] = read_header(file, entry.file_size)
        return result

    return attempt(path, read)


def read_npz(path: Path, is_needed: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """The arrays of an .npz file whose names `is_needed` accepts; `TooLarge` if memory cannot hold them."""
    headers = {name: header for name, header in npz_headers(path).items() if is_needed(name)}
    check_memory(path, sum(header.nbytes for header in headers.values()))

    def read() -> dict[str, np.ndarray]:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in headers}

    return attempt(path, read)


def read_header(file: IO[bytes], size: int) -> Header:
    """Return the header of an array file of `size` bytes; `BadData` if it needs more bytes."""
    start = file.read(8)
    if start[:6] != np.lib.format.MAGIC_PREFIX or len(start) < 8 or start[6] not in LENGTHS:
        raise BadData("it is not a .npy file")
    form = LENGTHS[start[6]]
    packed = file.read(struct.calcsize(form))
    length = struct.unpack(form, packed)[0] if len(packed) == struct.calcsize(form) else 0
    text = file.read(length) if length <= MAX_HEADER else b""
    if not length or len(text) != length:
        raise BadData(f"its header is cut short, or longer than {MAX_HEADER:,} bytes")
    shape, dtype = _parse_header(start[6], packed + text)
    header = Header(shape, dtype, len(start) + len(packed) + length)
    if header.nbytes > size - header.offset:
        raise BadData(
            f"its header states {header.nbytes:,} bytes of values, but the file has {size - header.offset:,}"
        )
    return header


def check_memory(path: Path, size: int, copies: int = MEMORY_COPIES) -> None:
    """Raise `TooLarge` if `copies` of `size` bytes do not fit into the free memory."""
    free = SYSTEM.free_memory()
    if size * copies > free:
        raise TooLarge(
            f"{path} has {size:,} bytes of values. Converting them needs about {copies * size:,} bytes of "
            f"memory, but {free:,} are free. Split the file, or use a machine with more memory."
        )


def _parse_header(version: int, packed: bytes) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype from a header of numpy."""
    read = np.lib.format.read_array_header_1_0 if version == 1 else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for headers of Python 2
            shape, _, dtype = read(io.BytesIO(packed), max_header_size=MAX_HEADER)
    except Exception as error:  # numpy parses it as Python, which raises many types
        raise BadData(f"its header is not valid ({type(error).__name__})") from error
    if dtype.hasobject:
        raise BadData(PICKLE_MESSAGE)
    if len(shape) > MAX_AXES or any(side < 0 for side in shape):
        raise BadData("its header has an impossible shape")
    return shape, dtype


def attempt(path: Path, read: Callable[[], T]) -> T:
    """Return the result of `read`; errors become a `ZatlasError` that names the file."""

    def guarded() -> T:
        try:
            return read()
        except BadData as error:
            raise error if str(path) in str(error) else BadData(_message(path, error)) from error
        except ZatlasError:
            raise
        except MemoryError as error:
            raise TooLarge(f"{path} does not fit into memory.") from error
        except OSError as error:
            if error.errno:  # errors of decoders have no errno
                raise
            raise BadData(_message(path, error)) from error
        except Exception as error:  # zip, zlib, gzip and numpy raise many types for broken bytes
            raise BadData(_message(path, error)) from error

    try:
        return retry.attempt(path, guarded)
    except FileNotFoundError as error:
        raise NotFound(f"{path} no longer exists.") from error
    except OSError as error:  # of the path: a folder, or a link to itself
        raise BadData(_message(path, error)) from error


def _message(path: Path, error: Exception) -> str:
    return f"{path} cannot be read as arrays: {first_line(error)}."
