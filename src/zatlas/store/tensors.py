"""Arrays in a safetensors file, with a JSON description as metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.errors import BadRun, Damaged
from zatlas.store import atomic, digests
from zatlas.store.headers import check_header, parse_description

Arrays = dict[str, Any]  # float32 and int64, unless another program wrote them


def write(path: Path, key: str, text: str, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write these arrays to one file, with the JSON `text` as metadata under `key`."""
    from safetensors.numpy import save

    kinds = {name: np.int64 if array.dtype.kind in "iu" else np.float32 for name, array in arrays.items()}
    contiguous = {name: np.ascontiguousarray(array, kinds[name]) for name, array in arrays.items()}
    return atomic.write_file(path, save(contiguous, metadata={key: text}))


def read(path: Path, key: str, kind: str, max_format: int) -> tuple[dict[str, Any], Arrays]:
    """Return the description and the arrays of a file; `BadRun` if its format is newer than `max_format`."""
    from safetensors import SafetensorError, safe_open

    if path.exists():
        digests.verify(path)
    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(key)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise BadRun(f"There is no {kind} at {path}.") from None
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"{path} cannot be read as a {kind}: {error}.") from error
    return parse_description(path, text, kind, max_format), arrays
