"""The idx format of the MNIST files, optionally gzipped.

Two zero bytes, a type, the number of dimensions, the size of each as four bytes, and then the values
(http://yann.lecun.com/exdb/mnist).
"""

import gzip
import io
import math
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from zatlas.core.errors import BadData
from zatlas.data import npy

UNSIGNED_BYTE = 8
READ_BYTES = 1 << 24
MAX_BYTES = 1 << 32  # of values that are read, whatever the header states
MAX_GROWTH = 1032  # unpacked bytes for each byte of a deflated file, at most


def read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of an idx file; `BadData` if the file is too short or too long."""
    data = npy.attempt(path, path.read_bytes)
    with io.BytesIO(data) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.GzipFile(fileobj=raw) if packed else raw as file:
                head = file.read(4)
                ndim = _dimensions(path, head)
                lengths = file.read(4 * ndim)
                shape = [int.from_bytes(lengths[i : i + 4], "big") for i in range(0, 4 * ndim, 4)]
                count = math.prod(shape)
                npy.check_memory(path, min(count, MAX_GROWTH * len(data)))
                values = _read_up_to(file, min(count, MAX_BYTES) + 1)  # one more, to detect a longer file
        except (OSError, EOFError, zlib.error) as error:
            raise BadData(f"{path} cannot be unpacked: {error}. Download it again.") from error
    if len(values) != count or len(lengths) != 4 * ndim:
        sides = " x ".join(map(str, shape))
        actual = "more" if len(values) > count else f"{len(values):,}"
        raise BadData(f"{path} should have {sides} values, but has {actual}. Download it again.")
    try:
        return np.frombuffer(values, np.uint8).reshape(shape)
    except ValueError as error:  # a size of 0 next to sizes that are too large for numpy
        raise BadData(f"{path} has an impossible shape: {shape}. Download it again.") from error


def _read_up_to(file: BufferedIOBase, count: int) -> bytes:
    """Return up to `count` bytes; memory grows only with the bytes that exist."""
    result = bytearray()
    while len(result) < count and (piece := file.read(min(READ_BYTES, count - len(result)))):
        result += piece
    return bytes(result)


def _dimensions(path: Path, head: bytes) -> int:
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != UNSIGNED_BYTE or not 1 <= head[3] <= 4:
        raise BadData(f"{path} is not an idx file of bytes: it begins with {head.hex(' ') or 'nothing'}.")
    return head[3]
