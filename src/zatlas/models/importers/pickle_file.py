"""Convert state dicts of torch to safetensors, in a child process that reads only weights.

A pickle can execute arbitrary code. `torch.load(weights_only=True)` refuses everything but tensors, and
it runs in a child process with limits on memory, time and disk. Run as a module, this file is that child.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadData, UnknownName
from zatlas.core.system import SYSTEM
from zatlas.models.importers.zips import refuse_bombs

SECONDS = 300
MEMORY = 2 << 30  # bytes, in addition to three times the file size
MAX_LISTED = 8
DISCRIMINATOR = "d"  # key of the discriminator beside the mean weights
MEAN = "g_ema"  # key of the mean weights of a generator, which is chosen by default
# Keys to take among several, the first first: of Lightning, and of averaged generators.
PREFERRED = ("state_dict", MEAN, "generator_smooth")


def state_of(
    source: Path, into: Path, key: str | None, discriminator: Path | None = None
) -> tuple[str, list[str]]:
    """Write the weights under a key as safetensors; return that key and their order.

    The weights of a discriminator beside those of a mean generator are written to a second file.
    """
    refuse_bombs(source)
    second = None if discriminator is None else str(discriminator)
    answer = in_child(__name__, source, {"into": str(into), "key": key, "discriminator": second})
    return str(answer["key"]), list(answer["names"])


def in_child(module: str, source: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Run this module in a child process with limits, and return its answer; an error becomes `BadData`."""
    limit = MEMORY + 3 * source.stat().st_size
    text = json.dumps({"source": str(source), "memory": limit, **request})
    # -P: do not import modules from the current folder.
    command = [sys.executable, "-P", "-W", "ignore", "-m", module, text]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BadData(
            f"Reading {source} took longer than {SECONDS} seconds. Save its weights as safetensors."
        ) from None
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise BadData(
            f"Reading {source} needs more than {limit / 1e9:.1f} GB of memory (three times its size plus "
            "2 GB). It is damaged or malicious; zatlas used nothing of it."
        )
    return checked(json.loads(lines[-1]), source)


def checked(answer: dict[str, Any], source: Path) -> dict[str, Any]:
    """Return the answer of the child process; raise its error."""
    if "unknown" in answer:
        raise UnknownName("key with weights", answer["unknown"], answer["names"])
    if "error" in answer:
        raise BadData(f"{source} {answer['error']}")
    return answer


def main(request: Mapping[str, Any]) -> dict[str, Any]:
    """In the child process: read, select and write weights; return the key or an error."""
    import torch

    memory = int(request["memory"])
    SYSTEM.limit_process(memory, SECONDS)
    try:
        # Training scripts save their options as a Namespace, which only holds values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(request["source"], map_location="cpu", weights_only=True)
        key = request["key"]
        tables = _mean_weights(content) if key in (None, MEAN) else {}
        tables = tables or _tables(content)
        if key is None:
            key = _usual(tables)
            if key is None:
                return {"error": _choice_error(content, list(tables))}
        state = tables.get(key) or _part(tables, key)
        if not state:
            return {"unknown": key, "names": [*tables, *_prefixes(tables.get("", {}))]}
        _save(state, request["into"])
        if key == MEAN and request.get("discriminator"):
            second = content.get(DISCRIMINATOR)
            if isinstance(second, Mapping):
                _save(second, request["discriminator"])
    except Exception as error:  # a damaged file can fail in any way
        return {"error": _reason(error, memory)}
    return {"key": key, "names": list(state)}


def _save(state: Mapping[str, Any], into: str) -> None:
    """Write the tensors of a table as safetensors."""
    from safetensors.torch import save_file
    from torch import Tensor

    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if tensors:
        save_file({name: value.detach().contiguous().clone() for name, value in tensors.items()}, into)


def _mean_weights(content: Any) -> dict[str, dict[str, Any]]:
    """Return the mean of a generator's weights over the training, and beside it the mean w of a StyleGAN."""
    from torch import Tensor

    weights = content.get(MEAN) if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping):
        return {}
    tensors = {**weights, **{name: content[name] for name in ("latent_avg",) if name in content}}
    return {MEAN: {str(name): value for name, value in tensors.items() if isinstance(value, Tensor)}}


def _tables(content: Any, name: str = "", depth: int = 0) -> dict[str, dict[str, Any]]:
    """Return every mapping of tensors in the content, by its path of keys."""
    from torch import Tensor

    if not isinstance(content, Mapping) or depth > 3:
        return {}
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        return {name: tensors}
    tables: dict[str, dict[str, Any]] = {}
    for key, inner in content.items():
        # The state of an optimizer contains tensors too, but it is not the model.
        if isinstance(key, str) and not key.startswith("optim"):
            tables |= _tables(inner, f"{name}.{key}" if name else key, depth + 1)
    return tables


def _usual(tables: Mapping[str, Any]) -> str | None:
    """Return the key of the only state dict, or of one with a usual name; None if the user must choose."""
    if len(tables) == 1:
        return next(iter(tables))
    for name in PREFERRED:
        keys = [key for key in tables if key.rpartition(".")[2] == name]
        if len(keys) == 1:
            return keys[0]
    return None


def _part(tables: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, Any]:
    """Return the tensors under a key that goes on into the names of a state dict, as state_dict.model."""
    for name, state in tables.items():
        if not name or key.startswith(f"{name}."):
            return _below(state, key.removeprefix(f"{name}.") if name else key)
    return {}


def _below(state: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the tensors whose names start with `key`, without that prefix."""
    start = f"{key}."
    return {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}


def _prefixes(state: Mapping[str, Any]) -> list[str]:
    return sorted({name.partition(".")[0] for name in state if "." in name})


def _choice_error(content: Any, names: list[str]) -> str:
    if names:
        listed = ", ".join(names[:MAX_LISTED])
        return f"holds several state dicts: {listed}. Choose one with --key (in Python: key=)."
    return f"holds no weights: it is a {type(content).__name__} without tensors. Save model.state_dict()."


def _reason(error: Exception, memory: int) -> str:
    """Return the end of an error message about a file."""
    text = str(error)
    named = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"class '?([\w.]+)", text)
    if type(error).__name__ == "UnpicklingError" and named:
        return (
            f"contains more than weights: it asks for {named[1]}, which was not run. Save only the "
            "weights of the model: torch.save(model.state_dict(), FILE)."
        )
    if isinstance(error, MemoryError) or "alloc" in text:
        return (
            f"asks for more memory than the limit of {memory / 1e9:.1f} GB (three times its size plus 2 GB). "
            "It is damaged or malicious."
        )
    text = text.rpartition("WeightsUnpickler error:")[2]  # the text before it recommends weights_only=False
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"cannot be read as weights of torch: {(lines or [type(error).__name__])[0][:300].rstrip('.')}."


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201  (the parent reads it)
