"""State dicts of torch: read in a process of their own, weights only, and written again as safetensors.

A pickle can ask for anything to be run. torch's reader of weights refuses all that is not a weight,
and it works in a child process that may take only so much memory, time and disk. Run as a module,
this file is that child.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadData, UnknownName
from zatlas.models.bring.zips import refuse_bombs

SECONDS = 300
MEMORY = 2 << 30  # bytes beyond thrice the file
LISTED = 8


def state_of(source: Path, into: Path, key: str | None) -> str:
    """Write the weights under a key as safetensors; which key it was ("" for the whole)."""
    size = source.stat().st_size
    refuse_bombs(source)
    limit = MEMORY + 3 * size
    asked = json.dumps({"source": str(source), "into": str(into), "key": key, "memory": limit})
    # -P: what lies in the current folder is no module of ours.
    command = [sys.executable, "-P", "-W", "ignore", "-m", __name__, asked]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BadData(f"{source} was not read within {SECONDS} seconds, so it is refused.") from None
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise BadData(
            f"{source} could not be read within {limit / 1e9:.1f} GB of memory, three times its size "
            "and 2 GB more: it is damaged, or made to fill the memory. Nothing of it was used."
        )
    answer = json.loads(lines[-1])
    if "unknown" in answer:
        raise UnknownName("key with weights", answer["unknown"], answer["known"])
    if "error" in answer:
        raise BadData(f"{source} {answer['error']}")
    found: str = answer["key"]
    return found


def main(asked: Mapping[str, Any]) -> dict[str, Any]:
    """In the child: read, choose, write; what came of it."""
    import torch
    from safetensors.torch import save_file

    memory = int(asked["memory"])
    _limit(memory)
    try:
        whole = torch.load(asked["source"], map_location="cpu", weights_only=True)
        tables = _tables(whole)
        key = asked["key"]
        if key is None:
            if len(tables) != 1:
                return {"error": _how_many(whole, list(tables))}
            (key,) = tables
        state = tables.get(key) or _below(tables.get("", {}), key)
        if not state:
            return {"unknown": key, "known": [*tables, *_beginnings(tables.get("", {}))]}
        save_file({name: value.detach().contiguous().clone() for name, value in state.items()}, asked["into"])
    except Exception as error:  # a damaged file can fail in any way
        return {"error": _why(error, memory)}
    return {"key": key}


def _limit(memory: int) -> None:
    """Limit memory (beyond torch's own), file size and time. Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    status = Path("/proc/self/status")
    now = 0
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        now = int(lines["VmData"].split()[0]) << 10
    for kind, most in (
        (resource.RLIMIT_DATA, now + memory),
        (resource.RLIMIT_FSIZE, memory),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _tables(found: Any, name: str = "", depth: int = 0) -> dict[str, dict[str, Any]]:
    """Every table of tensors in what was read, by the keys that lead to it."""
    from torch import Tensor

    if not isinstance(found, Mapping) or depth > 3:
        return {}
    tensors = {str(key): value for key, value in found.items() if isinstance(value, Tensor)}
    if tensors:
        return {name: tensors}
    tables: dict[str, dict[str, Any]] = {}
    for key, inner in found.items():
        # An optimizer's state has tables of tensors too, but under numbers.
        if isinstance(key, str) and not key.startswith("optim"):
            tables |= _tables(inner, f"{name}.{key}" if name else key, depth + 1)
    return tables


def _below(state: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The part of a model, by the beginning of its names."""
    start = f"{key}."
    return {name.removeprefix(start): one for name, one in state.items() if name.startswith(start)}


def _beginnings(state: Mapping[str, Any]) -> list[str]:
    return sorted({name.partition(".")[0] for name in state if "." in name})


def _how_many(whole: Any, names: list[str]) -> str:
    if names:
        listed = ", ".join(names[:LISTED])
        return f"holds several tables of weights: {listed}. Choose one with --key."
    return f"holds no weights: it is a {type(whole).__name__} without tensors."


def _why(error: Exception, memory: int) -> str:
    """One sentence on what is wrong with a file."""
    text = str(error)
    named = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"class '?([\w.]+)", text)
    if type(error).__name__ == "UnpicklingError" and named:
        return (
            f"is more than weights: to be read, it asks for {named[1]}, which was not run. Where the "
            "model was made, save its weights alone: torch.save(model.state_dict(), FILE)."
        )
    if isinstance(error, MemoryError) or "alloc" in text:
        return (
            f"asks for more memory than the {memory / 1e9:.1f} GB it may take, three times its size "
            "and 2 GB more: it is damaged, or made to fill the memory."
        )
    text = text.rpartition("WeightsUnpickler error:")[2]  # before it stands how to take the risk
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"cannot be read as torch's weights: {(lines or [type(error).__name__])[0][:300].rstrip('.')}."


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201  (the parent reads it)
