"""From the words after `zatlas train` to a set: a name, a folder, an npz file or `hf:owner/name`."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from zatlas.core.errors import BadRecipe, NotHere, UnknownName
from zatlas.core.fields import fit
from zatlas.core.registry import DATASETS
from zatlas.data import folder, hub, npz
from zatlas.data.imageset import ImageSet

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def load(text: str, *, size: int | None = None, **options: Any) -> ImageSet:
    """Open what `text` names, as "faces", "faces:count=5000,correlated=true", "photos/" or "hf:owner/name".

    Options stand in the text or are given as arguments; each source has its own. With a size,
    images are resized and centre-cropped to size x size.
    """
    if size is not None and size < 1:
        raise BadRecipe(f"Images cannot be {size} pixels wide; give a size such as 64.")
    name, given = parse(text)
    open_it = opener(name)
    given |= options
    known = option_types(open_it)
    for option, value in given.items():
        if option not in known:
            raise UnknownName(f"option of {name}", option, known)
        given[option] = fit(value, known[option], f"{name}:{option}")
    return open_it(size=size, **given)


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split "faces:count=5000,correlated=true" into its name and its options."""
    name, _, rest = text.partition(":")
    if "=" not in rest or Path(text).exists():
        return text, {}
    if name == "hf":
        name, _, rest = text.rpartition(":")
        if name == "hf":
            return text, {}
    given = {}
    for part in rest.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise BadRecipe(f"{part!r} in {text!r} is no option; write it as name=value.")
        given[key.strip()] = value_of(value.strip())
    return name, given


def settle(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options as a recipe keeps them: true wherever it is read, so paths are absolute."""
    name, given = parse(text)
    if name not in DATASETS.names() and not name.startswith("hf:"):
        path = Path(name).expanduser()
        name = str(path.resolve()) if path.exists() else name
    if "root" in given:
        given["root"] = str(Path(str(given["root"])).expanduser().resolve())
    return name, given


def value_of(text: str) -> Any:
    """true and false, whole numbers, decimals, lists of them as [64, 64], else the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.startswith("[") and text.endswith("]"):
        return [value_of(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def opener(name: str) -> Callable[..., ImageSet]:
    """The function that opens what goes by this name."""
    if name in DATASETS.names():
        return DATASETS.get(name).load
    if name.startswith("hf:"):
        return partial(hub.load, name.removeprefix("hf:"))
    path = Path(name).expanduser()
    if path.suffix.lower() in (".npz", ".npy") and path.is_file():
        return partial(npz.load, path)
    if path.is_dir() or (path.is_file() and path.name.lower().endswith(ARCHIVES)):
        return partial(folder.load, path)
    if path.is_file():
        raise NotHere(
            f"{name} is a file that holds no set of images known here. Give a folder, a zip or tar "
            "of images, an .npz or .npy file, hf:owner/name, or a name from `zatlas datasets`."
        )
    if "/" in name or "." in name:
        raise NotHere(
            f"There is no file or folder {name}. Give one, hf:owner/name, or a name from "
            "`zatlas datasets`."
        )
    raise UnknownName("dataset", name, DATASETS.names())


def option_names(open_it: Callable[..., ImageSet]) -> list[str]:
    """What a source lets one choose, besides the size."""
    parameters = inspect.signature(open_it).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "size"]


def option_types(open_it: Callable[..., ImageSet]) -> dict[str, Any]:
    """What each option takes; one that a plugin has not annotated takes text."""
    inner = open_it.func if isinstance(open_it, partial) else open_it
    hints = get_type_hints(inner)
    return {option: hints.get(option, str) for option in option_names(open_it)}
