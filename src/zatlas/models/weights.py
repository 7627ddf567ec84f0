"""Weights with what they belong to: a safetensors file whose metadata is its description."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from zatlas.core.errors import BadRun, Damaged
from zatlas.store import atomic, digests


def write(path: Path, key: str, about: Mapping[str, Any], state: Mapping[str, Tensor]) -> Path:
    """One file of these weights, described under this key."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    text = json.dumps(about, sort_keys=True)
    return atomic.write_file(path, save(tensors, metadata={key: text}))


def read(path: Path, key: str, kind: str, newest: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description and the weights of such a file, whose format this version knows."""
    if path.exists():
        digests.verify(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(key)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise BadRun(f"There is no {kind} at {path}.") from None
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{path} cannot be read as safetensors: {error}.") from error
    if text is None:
        raise BadRun(f"{path} holds weights, but not those of a {kind}.")
    about = json.loads(text)
    if about["format"] > newest:
        raise BadRun(f"{path} was written by a newer zatlas. Update: pip install -U zatlas")
    return about, state


def fill(path: Path, net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give the net the weights of the file."""
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise Damaged(f"{path} does not hold the weights that it describes: {error}") from error
