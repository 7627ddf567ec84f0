"""Image datasets of the Hugging Face hub, or others that the package `datasets` can open."""

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData, BadRecipe, NotFound, UnknownName
from zatlas.core.extras import require
from zatlas.core.progress import bar
from zatlas.data.attribute_table import typed_column
from zatlas.data.files import check_skipped, check_unread
from zatlas.data.image_dataset import Column, ImageDataset
from zatlas.data.image_reader import BadImage, read_image
from zatlas.data.pixel_cache import CachedTable, cached
from zatlas.data.source import check_count, random_rows

SPLIT_NAMES = {"train": 0, "valid": 1, "validation": 1, "val": 1, "test": 2}
BLOCK = 256
MAX_HEADER_READS = 64  # images of each split, to find out whether a dataset has colour
LABELS = ("label", "labels", "fine_label", "class")


@dataclass(frozen=True)
class HubOptions:
    """Options for a dataset of the hub; see `load`."""

    size: int | None = None
    image: str | None = None
    label: str | None = None
    config: str | None = None
    count: int | None = None
    seed: int = 0
    channels: int | None = None
    tolerate: float = 0.05


@dataclass(frozen=True)
class HubColumns:
    """The names of the image, label and attribute columns."""

    image: str
    label: str | None
    classes: tuple[str, ...]
    value_names: Mapping[str, Sequence[str]]  # of the values of a class attribute
    attributes: tuple[str, ...]


def load(
    repository: str,
    *,
    size: int | None = None,
    image: str | None = None,
    label: str | None = None,
    config: str | None = None,
    count: int | None = None,
    seed: int = 0,
    channels: int | None = None,
    tolerate: float = 0.05,
) -> ImageDataset:
    """Return the images of a dataset; `image` and `label` are its columns, found by default.

    `config` selects a variant of the dataset. `count` takes that many random images of each split, and
    `seed` chooses which.
    """
    return fetch(repository, HubOptions(size, image, label, config, count, seed, channels, tolerate))


def fetch(
    repository: str, choices: HubOptions, *, name: str | None = None, classes: Sequence[str] = ()
) -> ImageDataset:
    """Return the images of a dataset, optionally with another name and other class names."""
    check_count(choices.count)
    if choices.channels not in (None, 1, 3):
        raise BadRecipe(f"channels must be 1 (grey) or 3 (colour), not {choices.channels!r}.")
    if not repository.strip("/ "):
        raise NotFound("Give the name of a dataset after hf: such as hf:ylecun/mnist.")
    require("hub", f"hf:{repository}")
    parts, notes = _open(repository, choices)
    columns = _columns(repository, next(iter(parts.values())).features, choices, tuple(classes))
    for column in _unused_columns(next(iter(parts.values())).features, columns):
        notes[f"column {column} left out"] += 1

    def build(write: Callable[[Pixels], None]) -> CachedTable:
        return _read(repository, parts, columns, choices, notes, write)

    fingerprints = {part: rows._fingerprint for part, rows in parts.items()}
    key = {"hub": repository, "fingerprints": fingerprints, "classes": columns.classes, **asdict(choices)}
    return cached(name or repository.rstrip("/").rpartition("/")[2], key, build)


def _unused_columns(features: Mapping[str, Any], columns: HubColumns) -> list[str]:
    """Return the columns that are not the image, the label or an attribute."""
    return [n for n in features if n not in (columns.image, columns.label, *columns.attributes)]


def _open(repository: str, choices: HubOptions) -> tuple[dict[str, Any], Counter[str]]:
    """Return the splits of the dataset that zatlas knows, and counts of what is left out."""
    import datasets

    with warnings.catch_warnings(), _without_log("huggingface_hub"):
        warnings.simplefilter("ignore")
        try:
            dataset = datasets.load_dataset(repository, choices.config)
        except Exception as error:  # many types: of the package, the network and the file formats
            why = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
            raise NotFound(
                f"hf:{repository} could not be downloaded: {why}. Check the name and the network, or "
                "give a folder of images."
            ) from error
    parts = {part: dataset[part] for part in dataset if part in SPLIT_NAMES}
    parts = parts or {"train": dataset[next(iter(dataset))]}
    unused = [part for part in dataset if not any(dataset[part] is rows for rows in parts.values())]
    notes = Counter({f"split {part} left out": len(dataset[part]) for part in unused})
    if choices.count is not None:
        parts = {
            part: rows.select(random_rows(len(rows), choices.count, choices.seed))
            for part, rows in parts.items()
        }
    return parts, notes


@contextmanager
def _without_log(name: str) -> Iterator[None]:
    """Inside the block, this package logs nothing: its failures raise an error."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _columns(
    repository: str, features: Mapping[str, Any], choices: HubOptions, classes: tuple[str, ...]
) -> HubColumns:
    for column in (choices.image, choices.label):
        if column is not None and column not in features:
            raise UnknownName(f"column of hf:{repository}", column, features)
    images = [name for name, feature in features.items() if _feature_kind(feature) == "Image"]
    if not images and choices.image is None:
        raise BadData(
            f"hf:{repository} has no column of images. Its columns are {', '.join(features)}. Choose one: "
            f"hf:{repository}:image=COLUMN"
        )
    image = choices.image or images[0]
    plain = [name for name, feature in features.items() if name != image and _is_scalar(feature)]
    if choices.label is not None and choices.label not in plain:
        raise BadData(
            f"The column {choices.label!r} of hf:{repository} does not have one value per image. "
            f"Possible labels: {', '.join(plain) or 'none'}."
        )
    named = {n: features[n].names for n in plain if _feature_kind(features[n]) == "ClassLabel"}
    guesses = [name for name in plain if name.lower() in LABELS]
    label = choices.label or next(iter(guesses or (named if len(named) == 1 else ())), None)
    classes = classes or tuple(named.get(label, ()) if label else ())
    others = tuple(name for name in plain if name != label)
    return HubColumns(image, label, classes, {n: named[n] for n in others if n in named}, others)


def _read(
    repository: str,
    parts: Mapping[str, Any],
    columns: HubColumns,
    choices: HubOptions,
    notes: Counter[str],
    write: Callable[[Pixels], None],
) -> CachedTable:
    skipped: list[dict[str, str]] = []
    converted: Counter[str] = Counter()
    table: dict[str, list[Any]] = {n: [] for n in (columns.label, *columns.attributes) if n is not None}
    split: list[int] = []
    channels = choices.channels or _channels(repository, parts, columns.image)
    total = sum(len(rows) for rows in parts.values())
    if not total:
        raise BadData(f"hf:{repository} has no images.")
    with bar(f"reading {repository}", total) as advance:
        for part, block in _blocks(repository, parts, [columns.image, *table]):
            pixels = []
            for number, cell in block:
                advance(1)
                try:
                    data = _image_source(cell[columns.image])
                    image = read_image(data, channels=channels, size=choices.size)
                except BadImage as error:
                    skipped.append(error.as_report(f"{part}/{number}"))
                    continue
                pixels.append(image.pixels)
                converted.update(image.notes)
                split.append(SPLIT_NAMES[part])
                for column, values in table.items():
                    values.append(cell[column])
            _write_block(repository, pixels, write)
    check_unread(f"hf:{repository}", total, skipped, choices.tolerate)
    check_skipped(f"hf:{repository}", total, skipped, choices.tolerate)
    labels = table.pop(columns.label) if columns.label else None
    report = {"used": len(split), "skipped": skipped, "converted": dict(converted)}
    return CachedTable(
        labels=None if labels is None else [_as_label(value) for value in labels],
        classes=columns.classes if labels is not None else (),
        attributes={n: _as_attribute(values, columns.value_names.get(n)) for n, values in table.items()},
        split=np.array(split, np.uint8),
        report={**report, "notes": dict(notes)},
    )


def _blocks(
    repository: str, parts: Mapping[str, Any], selected: list[str]
) -> Iterator[tuple[str, list[tuple[int, dict[str, Any]]]]]:
    """Yield rows block by block, numbered within their split; images are undecoded bytes."""
    import datasets

    for part, rows in parts.items():
        try:
            raw = rows.select_columns(selected).cast_column(selected[0], datasets.Image(decode=False))
        except Exception as error:  # of Arrow or the package, depending on the column
            raise BadData(
                f"The column {selected[0]!r} of hf:{repository} has {rows.features[selected[0]]}, not images."
            ) from error
        for start in range(0, len(raw), BLOCK):
            chosen = raw.select(range(start, min(start + BLOCK, len(raw))))
            yield part, list(enumerate(chosen, start))


def _channels(repository: str, parts: Mapping[str, Any], image: str) -> int:
    """Return 3 if any of the sampled images has colour, else 1."""
    sampled = {
        part: rows.select(range(0, len(rows), max(len(rows) // MAX_HEADER_READS, 1)))
        for part, rows in parts.items()
    }
    for _, block in _blocks(repository, sampled, [image]):
        for _, cell in block:
            with suppress(BadImage):  # reported when it is read again
                if len(read_image(_image_source(cell[image])).pixels) == 3:
                    return 3
    return 1


def _image_source(cell: Mapping[str, Any] | None) -> bytes | Path:
    if cell is None or not (cell.get("bytes") or cell.get("path")):
        raise BadImage("empty", "no image in this row")
    return bytes(cell["bytes"]) if cell.get("bytes") else Path(cell["path"])


def _write_block(repository: str, images: list[np.ndarray], write: Callable[[Pixels], None]) -> None:
    if not images:
        return
    shapes = {pixels.shape for pixels in images}
    if len(shapes) > 1:
        sides = " and ".join(f"{w}x{h}" for _, h, w in sorted(shapes)[:2])
        raise BadData(
            f"The images of hf:{repository} have different sizes: {sides}. Add --size 64 "
            "(in Python: size=64)."
        )
    write(np.stack(images))


def _feature_kind(feature: Any) -> str:
    return type(feature).__name__


def _is_scalar(feature: Any) -> bool:
    """Return whether a column has one value per image, not a list, a record or bytes."""
    return _feature_kind(feature) == "ClassLabel" or (
        _feature_kind(feature) == "Value" and "binary" not in feature.dtype
    )


def _as_label(value: Any) -> Any:
    """Return a label as a number or text; other types, such as dates, as text."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _as_attribute(values: Sequence[Any], names: Sequence[str] | None) -> Column:
    """Return a column of values; class indices become names, and missing ones empty text."""
    if names is None:
        return typed_column(values)
    texts = ["" if value is None or value < 0 else names[value] for value in values]
    return np.array(texts, np.str_)
