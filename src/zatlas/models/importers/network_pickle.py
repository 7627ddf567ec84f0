"""Read the networks in a pickle of StyleGAN2-ADA or StyleGAN3, in a child process that runs nothing of it.

Such a pickle holds the source code of its networks, their attributes and their tensors. zatlas reads the
class names, the attributes that are plain values and the tensors; the source code is never run. Run as a
module, this file is the child process.
"""

import io
import json
import math
import mmap
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.system import SYSTEM
from zatlas.models.importers.pickle_content import BadPickle, Name, Recorded, content_of
from zatlas.models.importers.pickle_file import SECONDS, in_child

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
GENERATORS = ("G_ema", "G")  # keys, the preferred one first: the mean of the weights makes better images
DISCRIMINATOR = "D"  # its key
MAX_DEPTH = 12  # modules inside modules
MAX_MODULES = 5000
MAX_TEXT = 80  # characters of a name in a message


@dataclass(frozen=True)
class Network:
    """What a pickle says about a network, whose tensors are in a safetensors file."""

    key: str  # its name in the pickle
    kind: str  # its class
    arguments: Mapping[str, Any]  # of its constructor, without defaults
    attributes: Mapping[str, Mapping[str, Any]]  # plain values, by the path of the module
    discriminator: "Network | None" = None  # of the same file, if its tensors were asked for


def read_network(source: Path, into: Path, key: str | None, discriminator: Path | None = None) -> Network:
    """Write the tensors of a network as safetensors, and return the rest; default: the mean generator.

    The tensors of the discriminator are written to a second file, if the pickle has one.
    """
    second = None if discriminator is None else str(discriminator)
    return network_of(in_child(__name__, source, {"into": str(into), "key": key, "discriminator": second}))


def network_of(answer: Mapping[str, Any]) -> Network:
    """Return the network, perhaps with its discriminator, of the child's answer."""
    second = answer.get("discriminator")
    names = ("key", "kind", "arguments", "attributes")
    values = {name: answer[name] for name in names}
    return Network(**values, discriminator=None if second is None else network_of(second))


def main(request: Mapping[str, Any]) -> dict[str, Any]:
    """In the child process: write the tensors; return the rest, or an error."""
    import safetensors.torch  # noqa: F401  (before the limit of memory, which adds to what torch needs)

    SYSTEM.limit_process(int(request["memory"]), SECONDS)
    try:
        networks = _networks(request["source"])
        keys = [request["key"]] if request["key"] else [*GENERATORS, *networks]
        key = next((key for key in keys if key in networks), None)
        if key is None:
            return {"unknown": str(keys[0])[:MAX_TEXT], "names": [_short(name) for name in networks]}
        answer = _written(networks[key], key, request["into"])
        if DISCRIMINATOR in networks and key != DISCRIMINATOR and request.get("discriminator"):
            second = _written(networks[DISCRIMINATOR], DISCRIMINATOR, request["discriminator"])
            answer["discriminator"] = second
        return answer
    except BadPickle as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "asks for more memory than a network of its size needs. It is damaged or malicious."}
    except Exception as error:  # a damaged file can fail in any way
        return {"error": f"holds a network that cannot be read ({type(error).__name__}). Download it again."}


def _written(network: Recorded, key: str, into: str) -> dict[str, Any]:
    """Write the tensors of a network, and return what the pickle says about it."""
    import torch
    from safetensors.torch import save_file

    modules = list(_modules(network))
    tensors = {name: tensor for path, state in modules for name, tensor in _tensors(path, state, torch)}
    if not tensors:
        raise BadPickle(f"has a network {_short(key)} without tensors. Download it again.")
    save_file(tensors, into)
    _, first = modules[0]
    return {
        "key": _short(key),
        "kind": _short(_class_of(network)),
        "arguments": _plain(_items(first.get("_init_kwargs"))),
        "attributes": {path: _plain(state, depth=1) for path, state in modules},
    }


def _networks(source: str) -> dict[str, Recorded]:
    """Return the networks of a file by their keys; `BadPickle` if there are none."""
    with Path(source).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        content = content_of(data)
    if isinstance(content, Recorded) and _is_network(content):
        return {GENERATORS[0]: content}
    networks = {key: value for key, value in _items(content).items() if _is_network(value)}
    if networks:
        return networks
    names = sorted({_class_of(part) for part in _parts(content)})
    if any("tflib" in name for name in names):
        raise BadPickle(
            "was saved by the TensorFlow version of StyleGAN. Convert it with legacy.py of "
            "stylegan2-ada-pytorch, and import the result."
        )
    reason = (
        f" It asks for {', '.join(_short(name) for name in names[:3])}, which was not run." if names else ""
    )
    raise BadPickle(
        f"holds no network of StyleGAN2-ADA or StyleGAN3.{reason} Save the weights as safetensors, or the "
        "model as ONNX."
    )


def _is_network(value: Any) -> bool:
    return isinstance(value, Recorded) and isinstance(_state(value).get("_modules"), (dict, Recorded))


def _parts(content: Any) -> list[Recorded]:
    """Return the recorded objects at the top of a content that is no network."""
    values = [content, *_items(content).values(), *(content if isinstance(content, (list, tuple)) else ())]
    return [value for value in values if isinstance(value, Recorded)]


def _class_of(part: Recorded) -> str:
    meta = _meta(part)
    return str(meta["class_name"]) if isinstance(meta.get("class_name"), str) else part.name


def _meta(part: Recorded) -> dict[str, Any]:
    """Return what a persistent object says about itself; {} for other objects."""
    args = part.args if isinstance(part.args, tuple) else ()
    return _items(args[0]) if part.name == PERSISTENT and args else {}


def _state(part: Recorded) -> dict[str, Any]:
    return _items(_meta(part).get("state")) or _items(part.state)


def _items(value: Any) -> dict[str, Any]:
    """Return the pairs of a dictionary or of an object like one."""
    return value.items if isinstance(value, Recorded) else value if isinstance(value, dict) else {}


def _modules(network: Recorded, path: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the attributes of a network and of the modules in it."""
    left = [(path, network, depth)]
    count = 0
    while left:
        path, module, depth = left.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_MODULES:
            raise BadPickle("holds more modules in each other than a network has.")
        state = _state(module)
        yield path, state
        for name, inner in _items(state.get("_modules")).items():
            if isinstance(inner, Recorded):
                left.append((f"{path}.{name}" if path else name, inner, depth + 1))


def _tensors(path: str, state: Mapping[str, Any], torch: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and value of the parameters and buffers of a module."""
    for group in ("_parameters", "_buffers"):
        for name, value in _items(state.get(group)).items():
            if isinstance(value, Recorded):
                yield (f"{path}.{name}" if path else name), _tensor(value, torch)


def _tensor(value: Recorded, torch: Any) -> Any:
    """Return a copy of a recorded tensor; `BadPickle` if it reaches beyond its data."""
    args = value.args
    if value.name == "torch._utils._rebuild_parameter":
        return _tensor(args[0], torch)
    if value.name != "torch._utils._rebuild_tensor_v2":
        raise BadPickle(f"has a tensor of an unknown kind, {_short(value.name)}, which was not run.")
    storage, offset, size, stride = args[:4]
    data = storage.args[0]
    if storage.name != "torch.storage._load_from_bytes" or data[:2] == b"PK":
        raise BadPickle("has a tensor whose data are in another file, or compressed. Save it again.")
    flat = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    flat = torch.empty(0, dtype=flat.dtype).set_(flat)
    if math.prod(size) > flat.numel():
        raise BadPickle("has a tensor that claims more numbers than it has. It is damaged or malicious.")
    return flat.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)


def _plain(values: Mapping[str, Any], depth: int = 4) -> dict[str, Any]:
    """Return the values that are text, numbers or tables and lists of them, down to this depth."""
    return {
        key[:MAX_TEXT]: plain
        for key, value in list(values.items())[:200]
        if (plain := _plain_value(value, depth - 1)) is not None
    }


def _plain_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT] if len(value) <= MAX_TEXT else None
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > 0 and isinstance(value, (list, tuple)):
        return [_plain_value(item, depth - 1) for item in value[:200]]
    if depth > 0 and (isinstance(value, dict) or (isinstance(value, Recorded) and value.items)):
        return _plain(_items(value), depth)
    return None


def _short(name: Any) -> str:
    """Return a name as text for a message of one line."""
    text = name.text if isinstance(name, Name) else str(name)
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:MAX_TEXT]


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201  (the parent reads it)
