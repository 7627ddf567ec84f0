"""Check the header of a safetensors file before it is read, and parse its description."""

import json
import os
import struct
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadRun, Damaged
from zatlas.core.system import SYSTEM
from zatlas.store import retry

MAX_BYTES = 8 << 20  # of a header; 20,000 tensors take about 2 MB
MAX_TENSORS = 20_000


def check_header(path: Path) -> None:
    """Raise `Damaged` if the header or the number of tensors is implausibly large."""
    size, length, header = retry.attempt(path, lambda: _header(path))
    if length > MAX_BYTES:
        raise Damaged(
            f"{path} has a header of {length:,} bytes, but the limit is {MAX_BYTES:,}. The file is damaged "
            "or malicious."
        )
    names = header.count(b'"data_offsets"')
    if names > MAX_TENSORS:
        raise Damaged(f"{path} has {names:,} tensors, but the limit is {MAX_TENSORS:,}.")
    if size > (free := SYSTEM.free_memory()):
        raise BadRun(
            f"{path} has {size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB of memory are free. "
            "Close other programs, or use a machine with more memory."
        )


def _header(path: Path) -> tuple[int, int, bytes]:
    """Return the size of a file, the stated length of its header, and the header."""
    with path.open("rb") as file:
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
        return os.fstat(file.fileno()).st_size, length, file.read(min(length, MAX_BYTES))


def parse_description(path: Path, text: str | None, kind: str, max_format: int) -> dict[str, Any]:
    """Return the description in a file's metadata without its format; `BadRun` if that is too new."""
    if text is None:
        raise BadRun(f"{path} is a safetensors file, but not a {kind}.")
    try:
        about = json.loads(text)
        number = about.pop("format")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise Damaged(f"{path} does not describe its {kind} ({type(error).__name__}).") from error
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise Damaged(f"{path} has the format {str(number)[:40]!r}, which is not a positive integer.")
    if number > max_format:
        raise BadRun(f"{path} was written by a newer zatlas. Update: pip install -U zatlas")
    return about
