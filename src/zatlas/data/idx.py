"""The idx format of MNIST's files, gzipped or not.

http://yann.lecun.com/exdb/mnist describes it: two zero bytes, a type, the number of axes, the
length of each as four bytes, and then the values.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

from zatlas.core.errors import BadData

UNSIGNED_BYTE = 8
MOST = 1 << 34  # bytes; no header is trusted to ask for more


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in an idx file; a file that is cut short or longer is named."""
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{path} cannot be unpacked: {error}. Fetch it again.") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTE or not 1 <= data[3] <= 4:
        raise BadData(
            f"{path} is no idx file of bytes: it begins with {data[:4].hex(' ') or 'nothing'}."
        )
    start = 4 + 4 * data[3]
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    wanted = 1
    for length in shape:
        wanted *= length
    if wanted > MOST or len(data) != start + wanted:
        sides = " x ".join(map(str, shape))
        raise BadData(
            f"{path} promises {sides} values, but {max(len(data) - start, 0):,} bytes follow. Fetch it again."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
