"""The idx format of MNIST's files, gzipped or not.

http://yann.lecun.com/exdb/mnist describes it: two zero bytes, a type, the number of axes, the
length of each as four bytes, and then the values.
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
MAX_BYTES = 1 << 32  # bytes; no header is trusted to ask for more
MAX_GROWTH = 1032  # bytes for each byte of a deflated file, at most


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in an idx file; a file that is cut short or longer is named."""
    data = npy.attempt(path, path.read_bytes)
    with io.BytesIO(data) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.GzipFile(fileobj=raw) if packed else raw as file:
                head = file.read(4)
                axes = _dimensions(path, head)
                lengths = file.read(4 * axes)
                shape = [int.from_bytes(lengths[i : i + 4], "big") for i in range(0, 4 * axes, 4)]
                wanted = math.prod(shape)
                npy.check_memory(path, min(wanted, MAX_GROWTH * len(data)))
                values = _read_up_to(file, min(wanted, MAX_BYTES) + 1)  # one more than there should be
        except (OSError, EOFError, zlib.error) as error:
            raise BadData(f"{path} cannot be unpacked: {error}. Fetch it again.") from error
    if len(values) != wanted or len(lengths) != 4 * axes:
        sides = " x ".join(map(str, shape))
        follow = "more" if len(values) > wanted else f"{len(values):,}"
        raise BadData(f"{path} promises {sides} values, but {follow} follow. Fetch it again.")
    try:
        return np.frombuffer(values, np.uint8).reshape(shape)
    except ValueError as error:  # no values at all, of sides that numpy cannot count
        raise BadData(f"{path} promises an impossible shape: {shape}. Fetch it again.") from error


def _read_up_to(file: BufferedIOBase, count: int) -> bytes:
    """Up to so many bytes, with no room taken before they are there."""
    result = bytearray()
    while len(result) < count and (piece := file.read(min(READ_BYTES, count - len(result)))):
        result += piece
    return bytes(result)


def _dimensions(path: Path, head: bytes) -> int:
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] != UNSIGNED_BYTE or not 1 <= head[3] <= 4:
        raise BadData(f"{path} is no idx file of bytes: it begins with {head.hex(' ') or 'nothing'}.")
    return head[3]
