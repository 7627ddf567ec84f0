"""Datasets from arrays in one .npz or .npy file."""

import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData
from zatlas.data import npy
from zatlas.data.attribute_table import typed_array
from zatlas.data.image_dataset import Column, ImageDataset, image_dataset
from zatlas.data.image_reader import crop_and_resize

IMAGES = ("images", "x", "data", "pixels", "arr_0")
LABELS = ("labels", "y", "label", "targets")
CLASSES = ("classes", "class_names", "label_names")
SPLIT_CODES = {"train": 0, "valid": 1, "val": 1, "test": 2}


def load(path: Path, *, size: int | None = None, classes: tuple[str, ...] = ()) -> ImageDataset:
    """Return the arrays x_train, y_train, x_test and y_test, or images and labels, as a dataset.

    Pixels are bytes, booleans, or floats in [0, 1], [-1, 1] or [0, 255], of shape (n, h, w), (n, h, w, c) or
    (n, c, h, w). `classes` are the names of the labels 0, 1, 2 ..., instead of an array `classes` in the
    file. Other arrays with one value per image become attributes.
    """
    arrays = _read_arrays(path)
    parts = [part for part in SPLIT_CODES if f"x_{part}" in arrays]
    parts = [part for part in parts if arrays[f"x_{part}"].shape[:1] != (0,)] or parts
    names = [f"x_{part}" for part in parts] or [name for name in IMAGES if name in arrays][:1]
    if not names:
        raise BadData(
            f"{path} has no array named x_train or {', '.join(IMAGES)}. It has "
            f"{', '.join(arrays) or 'nothing'}."
        )
    notes: Counter[str] = Counter()
    pixels = concatenate_parts(path, {name: arrays[name] for name in names}, size, notes)
    counts = [len(arrays[name]) for name in names]
    split = np.repeat(np.array([SPLIT_CODES[part] for part in parts], np.uint8), counts)
    label_names = [f"y_{part}" for part in parts] or [name for name in LABELS if name in arrays][:1]
    labels = _read_labels(path, arrays, label_names, counts)
    named_by, class_names = _class_names(path, arrays, labels, classes)
    columns = {}
    for name, column in arrays.items():
        if name not in (*names, *label_names, named_by) and column.shape == (len(pixels),):
            if (plain := _plain_column(column)) is not None:
                columns[name] = typed_array(plain)
            else:
                notes["column-left-out"] += 1
    report = {"used": len(pixels), "skipped": [], "converted": dict(notes)}
    return image_dataset(
        path.stem,
        pixels,
        labels=labels,
        classes=class_names,
        attributes=columns,
        split=split if parts else None,
        report=report,
    )


def concatenate_parts(
    path: Path, parts: Mapping[str, np.ndarray], size: int | None, notes: Counter[str]
) -> Pixels:
    """Return the parts of a dataset as one uint8 array (n, c, h, w), resized if a size is given."""
    shaped = {name: _as_nchw(images, f"The array {name!r} of {path}") for name, images in parts.items()}
    blocks: dict[str, Pixels] = {}
    for name, images in shaped.items():
        # Parts of the same dtype share their range: a small test part may lack the extreme values.
        same_type = [other for other in shaped.values() if other.dtype == images.dtype and other.size]
        low = min((float(other.min()) for other in same_type), default=0.0)
        high = max((float(other.max()) for other in same_type), default=0.0)
        block = _to_bytes(images, low, high, f"The array {name!r} of {path}", notes)
        blocks[name] = block if size is None else resize_pixels(block, size)
    first, shape = next((name, block.shape[1:]) for name, block in blocks.items())
    for name, block in blocks.items():
        if block.shape[1:] != shape:
            raise BadData(
                f"The parts of {path} differ in shape (channels, height, width): {first} has {shape}, {name} "
                f"has {block.shape[1:]}. "
                + (
                    "Add --size 64 (in Python: size=64)."
                    if block.shape[1] == shape[0]
                    else "Use the same channels in both."
                )
            )
    return np.concatenate(list(blocks.values()))


def resize_pixels(pixels: Pixels, size: int) -> Pixels:
    """Return the centre square of each image, resized to size x size."""
    result = np.empty((len(pixels), pixels.shape[1], size, size), np.uint8)
    for index, image in enumerate(pixels):
        flat = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        small = np.asarray(crop_and_resize(Image.fromarray(flat), size))
        result[index] = small[None] if small.ndim == 2 else small.transpose(2, 0, 1)
    return result


def _as_nchw(images: np.ndarray, name: str) -> np.ndarray:
    """Return the images as (n, c, h, w)."""
    shape = images.shape
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise BadData(
            f"{name} has the shape {shape}; images are (n, h, w), (n, h, w, c) or (n, c, h, w) "
            "with 1 or 3 channels. Remove an alpha channel first."
        )
    if images.dtype.kind not in "biuf":
        raise BadData(f"{name} has the dtype {images.dtype}, which cannot be pixels.")
    if images.dtype.kind == "f" and (invalid := int((~np.isfinite(images)).sum())):
        raise BadData(f"{name} has {invalid:,} values that are NaN or infinite.")
    return images


def _to_bytes(images: np.ndarray, low: float, high: float, name: str, notes: Counter[str]) -> Pixels:
    """Return pixels of any usual range as bytes, and count the conversions."""
    is_float = images.dtype.kind == "f"
    scaled: Any
    if not is_float and low == 0 and high == 1:  # black and white as 0 and 1
        notes["truth-scaled"] += len(images)
        scaled = images.astype(np.uint8) * np.uint8(255)
    elif images.dtype == np.uint8:
        scaled = images
    elif is_float and low >= 0 and high <= 1:
        notes["0..1-scaled"] += len(images)
        scaled = np.rint(images * 255)
    elif is_float and low >= -1 and high <= 1:
        notes["-1..1-scaled"] += len(images)
        scaled = np.rint((images + 1) * 127.5)
    elif low >= 0 and high <= 255:
        notes["0..255-rounded"] += len(images)
        scaled = np.rint(images)
    else:
        raise BadData(f"{name} has values from {low:.4g} to {high:.4g}. Scale them to [0, 1] or [0, 255].")
    return np.ascontiguousarray(scaled, dtype=np.uint8)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file; its content decides whether it is npz or npy."""
    if not zipfile.is_zipfile(path):
        return {"images": npy.read_npy(path)}
    return npy.read_npz(path)


def _read_labels(
    path: Path, arrays: Mapping[str, np.ndarray], names: list[str], counts: list[int]
) -> np.ndarray | None:
    """Return the labels of all parts; a part without labels is unlabelled."""
    if not any(name in arrays for name in names):
        return None
    columns = []
    for name, count in zip(names, counts, strict=True):
        column = arrays.get(name, np.full(count, None, dtype=object))
        if column.shape not in ((count,), (count, 1)):
            raise BadData(
                f"{name} in {path} has the shape {column.shape}, but {count} images need one number or text "
                "each. Convert one-hot rows to indices."
            )
        plain = _plain_column(column.reshape(-1)) if name in arrays else column
        if plain is None:
            raise BadData(f"{name} in {path} has the dtype {column.dtype}; labels are numbers or texts.")
        columns.append(plain)
    return np.concatenate(columns)


def _class_names(
    path: Path, arrays: Mapping[str, np.ndarray], labels: np.ndarray | None, given: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """Return the array of class names and the names; "" and () where labels have no names.

    The option wins over the array. An array names only labels that are whole numbers.
    """
    array = next((name for name in CLASSES if name in arrays and arrays[name].ndim == 1), "")
    texts = _plain_column(arrays[array]) if array else None
    count = 0 if labels is None else _label_count(labels)
    if given:
        if not count:
            raise BadData(f"{path} has no labels from 0 that `classes` could name.")
        names = tuple(given)
    elif labels is None or not count or texts is None or texts.dtype.kind != "U":
        return "", ()
    elif len(set(texts)) < len(texts) == len(labels):
        return "", ()  # a text of each image: an attribute
    else:
        names = tuple(texts.tolist())
    if len(names) < count or len(set(names)) < len(names) or "" in names:
        raise BadData(
            f"The labels of {path} go from 0 to {count - 1}, and `classes` has {len(set(names) - {''})} "
            "different names. Give one name for each label, in the order of the labels."
        )
    return array, names


def _label_count(labels: np.ndarray) -> int:
    """Return the largest label plus one, if labels are whole numbers; else 0."""
    numbers = [label for label in labels.tolist() if label is not None and label == label]
    if not numbers or not all(isinstance(n, (int, float)) and float(n).is_integer() for n in numbers):
        return 0
    return max(int(max(numbers)) + 1, 0)


def _plain_column(column: np.ndarray) -> Column | None:
    """Return a column as booleans, numbers or text; None for other types."""
    if column.dtype.kind == "S":
        return np.char.decode(column, "utf-8", "replace")
    if column.dtype.kind == "M":
        return np.where(np.isnat(column), "", np.datetime_as_string(column))
    return column if column.dtype.kind in "biufU" else None
