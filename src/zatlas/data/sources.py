"""From the words after `zatlas train` to a set: a name, a folder, an npz file or `hf:owner/name`."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from zatlas.core.errors import BadRecipe, CannotRead, DataMismatch, NotFound, TooLarge, UnknownName
from zatlas.core.registry import DATASETS
from zatlas.core.settings import checked_value
from zatlas.data import folder, hub, npz
from zatlas.data.image_dataset import ImageDataset
from zatlas.data.image_reader import NOT_READ
from zatlas.data.pixel_cache import discard_if_damaged, is_cached

_accepting = 0  # commands with --data-changed that run now
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def load(text: str, *, size: int | None = None, **options: Any) -> ImageDataset:
    """Open what `text` names, as "faces", "faces:count=5000,correlated=true", "photos/" or "hf:owner/name".

    Options stand in the text or are given as arguments; each source has its own. With a size,
    images are resized and centre-cropped to size x size.
    """
    if size is not None and size < 1:
        raise BadRecipe(f"Images cannot be {size} pixels wide; give a size such as 64.")
    name, given = parse(text)
    with _explained(name):
        open_it = loader(name)
    given |= options
    known = option_types(open_it)
    for option, value in given.items():
        if option not in known:
            raise UnknownName(f"option of {name}", option, known)
        given[option] = checked_value(value, known[option], f"{name}:{option}")
    with _explained(name):
        return open_it(size=size, **given)


def load_verified(text: str, *, size: int | None = None, **options: Any) -> ImageDataset:
    """The same, after every byte of a cached set was compared with its SHA-256.

    A damaged set is removed from the cache and built again from its source, which is said in one line.
    """
    images = load(text, size=size, **options)
    return load(text, size=size, **options) if discard_if_damaged(images) else images


def load_same(
    text: str,
    *,
    fingerprint: object,
    run: Path,
    data_changed: bool = False,
    size: int | None = None,
    **options: Any,
) -> ImageDataset:
    """The data of a run, if it has the fingerprint that the run records; else raise `OtherData`.

    A run names its source itself, so one that somebody else made may name a private folder. Nothing of
    data with another fingerprint is returned unless `data_changed` is set, or the call is made within
    `accepting`. Images that zatlas draws itself are never private, so they are not compared.
    """
    consent = data_changed or _accepting
    if text.startswith("hf:") and not consent and not is_cached(fingerprint):
        raise DataMismatch(
            f"{run} names {text} as its data, which was not used on this machine before. To fetch it from "
            "the hub and use it: --data-changed (in Python: data_changed=True)."
        )
    images = load(text, size=size, **options)
    if images.fingerprint == fingerprint or consent:
        return images
    name = parse(text)[0]
    if name in DATASETS.names() and DATASETS.get(name).synthetic:
        return images  # another processor rounds differently
    words = _difference(text, images, fingerprint, run)
    raise DataMismatch(
        f"{words} Nothing of it was used. If you know this source and want to use it as it is now: "
        "--data-changed (in Python: data_changed=True)."
    )


def unread_text(images: ImageDataset) -> str:
    """A sentence about the files of a set that could not be read this time; none where all were."""
    unread = [one for one in images.report.get("set_aside", ()) if one["reason"] == NOT_READ]
    if not unread:
        return ""
    return f" {len(unread):,} of its files {unread[0]['detail']} ({unread[0]['file']})."


@contextmanager
def accepting(given: bool = True) -> Iterator[None]:
    """Inside the block, data that differs from what a run records is accepted, if `given`."""
    global _accepting
    _accepting += given
    try:
        yield
    finally:
        _accepting -= given


def _difference(text: str, images: ImageDataset, fingerprint: object, run: Path) -> str:
    """What a run says of its data, and what its source holds now."""
    if not isinstance(fingerprint, str) or not fingerprint:
        return f"{run} names {text} as its data, and records no fingerprint to compare it with."
    return (
        f"{run} was made with other data than {text} holds now ({images.describe()}): the fingerprints "
        f"differ, {fingerprint[:8]} then and {images.fingerprint[:8]} now.{unread_text(images)}"
    )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn a read error or a lack of memory into one sentence; nothing is known to be damaged."""
    try:
        yield
    except MemoryError as error:
        raise TooLarge(
            f"{name} does not fit into memory. Give smaller images, as --size 64, or fewer of them."
        ) from error
    except OSError as error:
        raise CannotRead(
            f"{error.filename or name} cannot be read: {error.strerror or error}. Nothing was changed. "
            "Give the same command again when it can be read."
        ) from error


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


def resolve(text: str) -> tuple[str, dict[str, Any]]:
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


def loader(name: str) -> Callable[..., ImageDataset]:
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
        raise NotFound(
            f"{name} is a file that holds no set of images known here. Give a folder, a zip or tar "
            "of images, an .npz or .npy file, hf:owner/name, or a name from `zatlas datasets`."
        )
    if "/" in name or "." in name:
        raise NotFound(
            f"There is no file or folder {name}. Give one, hf:owner/name, or a name from `zatlas datasets`."
        )
    raise UnknownName("dataset", name, DATASETS.names())


def option_names(open_it: Callable[..., ImageDataset]) -> list[str]:
    """What a source lets one choose, besides the size."""
    parameters = inspect.signature(open_it).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "size"]


def option_types(open_it: Callable[..., ImageDataset]) -> dict[str, Any]:
    """What each option takes; one that a plugin has not annotated takes text."""
    inner = open_it.func if isinstance(open_it, partial) else open_it
    hints = get_type_hints(inner)
    return {option: hints.get(option, str) for option in option_names(open_it)}
