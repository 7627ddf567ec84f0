"""Open the dataset that a text names: a known name, a folder, an npz file or `hf:owner/name`."""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from zatlas.core.errors import BadPlugin, BadRecipe, CannotRead, DataMismatch, NotFound, TooLarge, UnknownName
from zatlas.core.registry import DATASETS
from zatlas.core.settings import checked_value
from zatlas.data import folder, hub, npz
from zatlas.data.image_dataset import ImageDataset
from zatlas.data.image_reader import NOT_READ
from zatlas.data.pixel_cache import discard_if_damaged, is_cached

_accept_depth = 0  # number of open `accept_changed_data` blocks
DRIVE = re.compile(r"[A-Za-z]:(?=[\\/])")  # of Windows
COMMA = re.compile(r",(?![^\[]*\])")  # not inside a list such as [64,64]
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def load(text: str, *, size: int | None = None, **options: Any) -> ImageDataset:
    """Return the dataset `text`: "faces", "faces:count=5000,correlated=true", "photos/" or "hf:owner/name".

    Options are part of the text or keyword arguments; each source has its own. With a size, images are
    centre-cropped and resized to size x size.
    """
    if size is not None and size < 1:
        raise BadRecipe(f"size must be positive, such as 64, not {size}.")
    name, given = parse(text)
    with _explain_errors(name):
        open_it = loader(name)
    given |= options
    types = option_types(open_it)
    for option, value in given.items():
        if option not in types:
            raise UnknownName(f"option of {name}", option, types)
        given[option] = checked_value(value, types[option], f"{name}:{option}")
    with _explain_errors(name):
        images = open_it(size=size, **given)
    if not isinstance(images, ImageDataset):
        raise BadPlugin(
            f"The dataset {name!r} loads an object of type {type(images).__name__}, and no ImageDataset. See "
            "docs/extending.md."
        )
    return images


def load_verified(text: str, *, size: int | None = None, **options: Any) -> ImageDataset:
    """Return the same dataset after comparing the SHA-256 of its cached files; rebuild it if damaged."""
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
    """Return the dataset of a run; `DataMismatch` if its fingerprint differs from the recorded one.

    A run of someone else could name a private folder. So data with another fingerprint is returned only with
    `data_changed`, or inside `accept_changed_data`. Synthetic images are not private and not compared.
    """
    consent = data_changed or _accept_depth
    if text.startswith("hf:") and not consent and not is_cached(fingerprint):
        raise DataMismatch(
            f"{run} uses the dataset {text}, which this machine has not used before. To download and use it, "
            "add --data-changed (in Python: data_changed=True)."
        )
    images = load(text, size=size, **options)
    if images.fingerprint == fingerprint or consent:
        return images
    name = parse(text)[0]
    if name in DATASETS.names() and DATASETS.get(name).synthetic:
        return images  # other processors round differently
    raise DataMismatch(
        f"{_difference_text(text, images, fingerprint, run)} It was not used. If you trust this source, add "
        "--data-changed (in Python: data_changed=True)."
    )


def unread_text(images: ImageDataset) -> str:
    """Return a sentence about the files that could not be read; an empty text if there are none."""
    unread = [file for file in images.report.get("skipped", ()) if file["reason"] == NOT_READ]
    if not unread:
        return ""
    return f" {len(unread):,} of its files {unread[0]['detail']} ({unread[0]['file']})."


@contextmanager
def accept_changed_data(enabled: bool = True) -> Iterator[None]:
    """Inside the block, accept datasets that differ from what a run records, if `enabled`."""
    global _accept_depth
    _accept_depth += enabled
    try:
        yield
    finally:
        _accept_depth -= enabled


def _difference_text(text: str, images: ImageDataset, fingerprint: object, run: Path) -> str:
    """Return a sentence that compares the recorded dataset with the current one."""
    if not isinstance(fingerprint, str) or not fingerprint:
        return f"{run} uses the dataset {text}, but records no fingerprint to compare it with."
    return (
        f"{run} was made with other data than {text} has now ({images.describe()}): the fingerprints "
        f"differ, {fingerprint[:8]} then and {images.fingerprint[:8]} now.{unread_text(images)}"
    )


@contextmanager
def _explain_errors(name: str) -> Iterator[None]:
    """Turn an OSError or a MemoryError into a `ZatlasError`."""
    try:
        yield
    except MemoryError as error:
        raise TooLarge(
            f"{name} does not fit into memory. Use smaller images, such as --size 64 (in Python: size=64), "
            "or fewer images."
        ) from error
    except OSError as error:
        raise CannotRead(
            f"{error.filename or name} cannot be read: {error.strerror or error}. Nothing was changed. "
            "Repeat the command when it can be read."
        ) from error


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split "faces:count=5000,correlated=true" into its name and its options."""
    drive = match[0] if (match := DRIVE.match(text)) else ""
    name, _, rest = text.removeprefix(drive).partition(":")
    name = drive + name
    if "=" not in rest or Path(text).exists():
        return text, {}
    if name == "hf":
        name, _, rest = text.rpartition(":")
        if name == "hf":
            return text, {}
    given = {}
    for part in COMMA.split(rest):
        key, equals, value = part.partition("=")
        if not equals:
            raise BadRecipe(f"{part!r} in {text!r} is not an option. Write it as name=value.")
        given[key.strip()] = value_of(value.strip())
    return name, given


def resolve(text: str) -> tuple[str, dict[str, Any]]:
    """Return name and options for a recipe, with absolute paths."""
    name, given = parse(text)
    if name not in DATASETS.names() and not name.startswith("hf:"):
        path = Path(name).expanduser()
        name = str(path.resolve()) if path.exists() else name
    if "root" in given:
        given["root"] = str(Path(str(given["root"])).expanduser().resolve())
    return name, given


def value_of(text: str) -> Any:
    """Parse a boolean, integer, float or list such as [64, 64]; return other texts unchanged."""
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


def parse_settings(texts: Sequence[str], form: str, example: str) -> dict[str, Any]:
    """Return the settings in texts NAME=VALUE; the error for another text shows a form and an example."""
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadRecipe(f"A setting has the form {form}, such as {example}, not {text!r}.")
        settings[key] = value_of(value)
    return settings


def loader(name: str) -> Callable[..., ImageDataset]:
    """Return the function that opens the dataset of this name."""
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
            f"{name} is not a dataset. Give a folder, a zip or tar file of images, an .npz or .npy file, "
            "hf:owner/name, or a name from `zatlas datasets`."
        )
    if re.search(r"[/\\.]", name):
        raise NotFound(
            f"There is no file or folder {name}. Give one, hf:owner/name, or a name from `zatlas datasets`."
        )
    raise UnknownName("dataset", name, DATASETS.names())


def option_names(open_it: Callable[..., ImageDataset]) -> list[str]:
    """Return the names of the options of a source, except the size."""
    parameters = inspect.signature(open_it).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "size"]


def option_types(open_it: Callable[..., ImageDataset]) -> dict[str, Any]:
    """Return the type of each option; text if a plugin has not annotated it."""
    inner = open_it.func if isinstance(open_it, partial) else open_it
    hints = get_type_hints(inner)
    return {option: hints.get(option, str) for option in option_names(open_it)}
