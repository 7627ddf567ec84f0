"""Weights with what they belong to: a safetensors file whose metadata is its description."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from zatlas.core.errors import BadRun, Damaged, ZatlasError
from zatlas.core.fields import fill
from zatlas.store import atomic, digests
from zatlas.store.headers import check_header, described

T = TypeVar("T")


def write(path: Path, key: str, about: Mapping[str, Any], state: Mapping[str, Tensor]) -> Path:
    """One file of these weights, described under this key."""
    return atomic.write_file(path, to_bytes(key, about, state))


def to_bytes(key: str, about: Mapping[str, Any], state: Mapping[str, Tensor]) -> bytes:
    """The bytes of such a file, always the same for the same weights."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return save(tensors, metadata={key: json.dumps(about, sort_keys=True)})


def read(path: Path, key: str, kind: str, newest: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description and the weights of such a file, whose format this version knows."""
    if path.exists():
        digests.verify(path)
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(key)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if os.name == "nt":  # tensors map the file, and Windows cannot replace a mapped file
            state = {name: tensor.clone() for name, tensor in state.items()}
    except FileNotFoundError:
        raise BadRun(f"There is no {kind} at {path}.") from None
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise Damaged(f"{path} cannot be read as safetensors: {error}.") from error
    return described(path, text, kind, newest), state


def fields_of(kind: type[T], about: Mapping[str, Any], path: Path) -> T:
    """The description as this dataclass: every value is there and of its type, or it is refused."""
    try:
        found: T = fill(kind, about, "description")
    except (ZatlasError, TypeError, ArithmeticError) as error:
        raise BadRun(f"{path} is not described as zatlas does: {error}") from error
    return found
