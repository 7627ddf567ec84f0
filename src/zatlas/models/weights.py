"""Read and write weights as safetensors files, with a description as metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from zatlas.core.errors import BadRun, Damaged, ZatlasError
from zatlas.core.settings import fill
from zatlas.core.system import SYSTEM
from zatlas.store import atomic, digests
from zatlas.store.headers import check_header, parse_description

T = TypeVar("T")


def write(path: Path, key: str, about: Mapping[str, Any], state: Mapping[str, Tensor]) -> Path:
    """Write a file of these weights, with the description `about` under this key."""
    return atomic.write_file(path, to_bytes(key, about, state))


def to_bytes(key: str, about: Mapping[str, Any], state: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of such a file; equal weights give equal bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return save(tensors, metadata={key: json.dumps(about, sort_keys=True)})


def read(path: Path, key: str, kind: str, newest: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description and the weights of such a file; `newest` is the newest supported format."""
    if path.exists():
        digests.verify(path)
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(key)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if SYSTEM.locks_mapped_files:  # tensors map the file
            state = {name: tensor.clone() for name, tensor in state.items()}
    except FileNotFoundError:
        raise BadRun(f"There is no {kind} at {path}.") from None
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise Damaged(f"{path} cannot be read as safetensors: {error}.") from error
    return parse_description(path, text, kind, newest), state


def fields_of(kind: type[T], about: Mapping[str, Any], path: Path) -> T:
    """Return the description as this dataclass; `BadRun` if a value is missing or has the wrong type."""
    try:
        fields: T = fill(kind, about, "description")
    except (ZatlasError, TypeError, ArithmeticError) as error:
        raise BadRun(f"{path} has a description that zatlas did not write: {error}") from error
    return fields
