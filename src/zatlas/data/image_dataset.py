"""Image datasets: pixels as bytes, with labels, attributes, a split and a fingerprint."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zatlas.core.arrays import Images, Labels, Pixels, Rows
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.seeds import stream
from zatlas.data.row_reader import RowReader

SPLITS = ("train", "valid", "test")
NO_LABEL = "unlabelled"
LARGE_BYTES = 64 << 20  # size of a mapped file from which its rows are read instead
MAX_VALID_IMAGES = 5000  # enough to compare two epochs

Split = UInt8[np.ndarray, "n"]
Column = np.ndarray  # bool, float32 (NaN is missing) or text ("" is missing), one value per image


@dataclass(frozen=True)
class ImageDataset:
    """Images as bytes, in memory or mapped from a file, with labels and attributes."""

    name: str
    pixels: Pixels
    split: Split  # an index into SPLITS
    labels: Labels | None  # an index into `classes`
    classes: tuple[str, ...]
    attributes: Mapping[str, Column]
    fingerprint: str  # SHA-256 of all fields above except the name
    report: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        return f"<ImageDataset {self.describe()}>"

    def __getstate__(self) -> dict[str, Any]:
        """The fields without caches; a mapped file is opened again by its name."""
        state: dict[str, Any] = {name: vars(self)[name] for name in self.__dataclass_fields__}
        if isinstance(self.pixels, np.memmap):
            mapped = self.pixels
            state["pixels"] = (str(mapped.filename), mapped.dtype, "r", mapped.offset, mapped.shape)
        return state | {"report": dict(self.report)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        pixels = state["pixels"]
        state["pixels"] = np.memmap(*pixels) if isinstance(pixels, tuple) else pixels
        self.__dict__.update(state)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def rows(self, split: str) -> Rows:
        """Return the row numbers of a split: "train", "valid" or "test"."""
        if split not in SPLITS:
            raise UnknownName("split", split, SPLITS)
        return np.flatnonzero(self.split == SPLITS.index(split))

    def kind_of(self, split: str) -> str:
        """Return what to call the images that stand for a split: "test", "held-out" or "training".

        Without test images, the validation images stand for them; without either, the training images.
        """
        if split == "test" and len(self.rows("test")):
            return "test"
        return "held-out" if split != "train" and len(self.rows("valid")) else "training"

    @cached_property
    def reader(self) -> RowReader | None:
        """The reader of rows of a large mapped file; None if the pixels are in memory."""
        mapped = self.pixels
        if isinstance(mapped, np.memmap) and mapped.nbytes > LARGE_BYTES:
            return RowReader(mapped)
        return None

    def read_pixels(self, rows: Rows) -> Pixels:
        """Return these rows as uint8 (n, c, h, w)."""
        return self.pixels[rows] if self.reader is None else self.reader.read(rows)

    def images(self, rows: Rows) -> Images:
        """Return these rows as float32 images in [0, 1]."""
        return np.divide(self.read_pixels(rows), np.float32(255), dtype=np.float32)

    def describe(self) -> str:
        """Return one line with the number of images, their shape, classes and splits."""
        channels, height, width = self.shape
        parts = ", ".join(f"{n:,} {name}" for name in SPLITS if (n := len(self.rows(name))))
        color = "grey" if channels == 1 else "colour"
        classes = f" in {len(self.classes)} classes" if self.classes else ""
        if self.labels is not None and NO_LABEL in self.classes:
            count = int((self.labels == self.classes.index(NO_LABEL)).sum())
            classes += f", {count:,} unlabelled,"
        return f"{self.name}: {len(self):,} {color} images {width}x{height}{classes} ({parts})"


def image_dataset(
    name: str,
    pixels: Pixels,
    *,
    labels: Sequence[Any] | np.ndarray | None = None,
    classes: Sequence[str] = (),
    attributes: Mapping[str, Column] | None = None,
    split: Split | None = None,
    fingerprint: str = "",
    report: Mapping[str, Any] | None = None,
) -> ImageDataset:
    """Return a checked dataset, with labels as class indices and a validation split.

    Labels are numbers or texts; with `classes`, they are indices into it. Missing labels (None, NaN, "" or
    negative) get the class "unlabelled".
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise BadData(f"{name}: pixels must be uint8 (n, c, h, w), not {pixels.dtype} {pixels.shape}.")
    if not len(pixels):
        raise BadData(f"{name} has no images.")
    indices, names = (None, ()) if labels is None else encode_labels(labels, classes)
    table = {key: normalize_column(column) for key, column in (attributes or {}).items()}
    for key, column in {"labels": indices, "split": split, **table}.items():
        if column is not None and len(column) != len(pixels):
            raise BadData(f"{name}: {len(pixels)} images, but {len(column)} values of {key!r}.")
    split = add_validation_split(np.zeros(len(pixels), np.uint8) if split is None else split)
    digest = hashlib.sha256(fingerprint.encode() or np.ascontiguousarray(pixels).data)
    for text, column in {"shape": np.array(pixels.shape), "split": split, "labels": indices, **table}.items():
        if column is not None:
            digest.update(text.encode() + np.ascontiguousarray(column).tobytes())
    digest.update("\0".join(names).encode())
    return ImageDataset(name, pixels, split, indices, names, table, digest.hexdigest(), report or {})


def encode_labels(
    labels: Sequence[Any] | np.ndarray, classes: Sequence[str]
) -> tuple[Labels, tuple[str, ...]]:
    """Return labels as class indices, and the class names; missing labels become a class."""
    missing = np.array([_is_missing(label) for label in labels])
    if classes:
        names = list(classes)
        indices = np.array([-1 if skip else int(v) for skip, v in zip(missing, labels, strict=True)])
        if len(indices) and indices.max() >= len(names):
            raise BadData(f"A label is {indices.max()}, but there are only {len(names)} classes.")
    else:
        present = [label for skip, label in zip(missing, labels, strict=True) if not skip]
        values = sorted(set(present), key=_class_sort_key)
        index_of = {value: index for index, value in enumerate(values)}
        names = [_class_name(value) for value in values]
        indices = np.array([-1 if skip else index_of[v] for skip, v in zip(missing, labels, strict=True)])
    if missing.any():
        indices[missing] = len(names)
        names.append(NO_LABEL)
    return indices.astype(np.int64), tuple(names)


def normalize_column(column: Any) -> Column:
    """Return a column as boolean, float32 or text."""
    column = np.asarray(column)
    if column.dtype == bool or column.dtype.kind == "U":
        return column
    if column.dtype.kind in "iuf":
        return column.astype(np.float32)
    return np.array(["" if _is_missing(value) else str(value) for value in column], dtype=np.str_)


def add_validation_split(split: Split) -> Split:
    """Return the split with a validation part: 5% of the training part if there is none.

    Training never uses the test part, so the test part does not influence which epoch is saved.
    """
    train = np.flatnonzero(split == 0)
    if (split == 1).any() or len(train) < 4:
        return split.astype(np.uint8)
    count = min(max(len(train) // 20, 1), MAX_VALID_IMAGES)
    split = split.astype(np.uint8)
    split[stream(0, "valid").choice(train, count, replace=False)] = 1
    return split


def _is_missing(label: Any) -> bool:
    if label is None or label == "":
        return True
    if isinstance(label, (bool, np.bool_, str)):
        return False
    return bool(np.isnan(label) or label < 0)


def _class_sort_key(value: Any) -> tuple[int, Any]:
    """Sort numbers (and texts of digits) by value, then texts alphabetically."""
    text = str(value)
    return (0, float(text)) if text.lstrip("-").isdecimal() else (1, text)


def _class_name(value: Any) -> str:
    is_integer = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if is_integer else str(value)
