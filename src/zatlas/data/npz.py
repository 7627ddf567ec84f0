"""Arrays of images in one .npz or .npy file."""

import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData
from zatlas.data import npy
from zatlas.data.image_dataset import Column, ImageDataset, image_dataset
from zatlas.data.image_reader import crop_and_resize

IMAGES = ("images", "x", "data", "pixels", "arr_0")
LABELS = ("labels", "y", "label", "targets")
SPLIT_CODES = {"train": 0, "valid": 1, "val": 1, "test": 2}


def load(path: Path, *, size: int | None = None) -> ImageDataset:
    """Images under x_train, y_train, x_test and y_test, or under one name, as images and labels.

    Bytes, floats in [0, 1], [-1, 1] or [0, 255] and truth values are taken, as (n, h, w) or with
    the channels last or first. Other columns as long as the images become attributes.
    """
    result = _read_arrays(path)
    parts = [part for part in SPLIT_CODES if f"x_{part}" in result]
    parts = [part for part in parts if result[f"x_{part}"].shape[:1] != (0,)] or parts
    names = [f"x_{part}" for part in parts] or [name for name in IMAGES if name in result][:1]
    if not names:
        raise BadData(
            f"{path} has no images under x_train or {', '.join(IMAGES)}; "
            f"it has {', '.join(result) or 'nothing'}."
        )
    notes: Counter[str] = Counter()
    pixels = concatenate_parts(path, {name: result[name] for name in names}, size, notes)
    counts = [len(result[name]) for name in names]
    split = np.repeat(np.array([SPLIT_CODES[part] for part in parts], np.uint8), counts)
    asked = [f"y_{part}" for part in parts] or [name for name in LABELS if name in result][:1]
    labels = _read_labels(path, result, asked, counts)
    columns = {}
    for name, column in result.items():
        if name not in (*names, *asked) and column.shape == (len(pixels),):
            if (plain := _plain_column(column)) is not None:
                columns[name] = plain
            else:
                notes["column-left-out"] += 1
    report = {"used": len(pixels), "skipped": [], "converted": dict(notes)}
    return image_dataset(
        path.stem, pixels, labels=labels, attributes=columns, split=split if parts else None, report=report
    )


def concatenate_parts(
    path: Path, parts: Mapping[str, np.ndarray], size: int | None, notes: Counter[str]
) -> Pixels:
    """The parts of a set as one array of bytes (n, c, h, w), of the size that is asked for."""
    shaped = {name: _as_nchw(images, f"{name} of {path}") for name, images in parts.items()}
    blocks: dict[str, Pixels] = {}
    for name, images in shaped.items():
        # Parts of one type are scaled alike: a small test part may lack the darkest values.
        alike = [other for other in shaped.values() if other.dtype == images.dtype and other.size]
        low = min((float(other.min()) for other in alike), default=0.0)
        high = max((float(other.max()) for other in alike), default=0.0)
        block = _to_bytes(images, low, high, f"{name} of {path}", notes)
        blocks[name] = block if size is None else resize_pixels(block, size)
    first, shape = next((name, block.shape[1:]) for name, block in blocks.items())
    for name, block in blocks.items():
        if block.shape[1:] != shape:
            raise BadData(
                f"The parts of {path} differ: an image of {first} is {shape}, one of {name} "
                f"{block.shape[1:]} (channels, height, width). "
                + ("Give a size, as --size 64." if block.shape[1] == shape[0] else "Make them alike.")
            )
    return np.concatenate(list(blocks.values()))


def resize_pixels(pixels: Pixels, size: int) -> Pixels:
    """The middle square of each image, size x size."""
    result = np.empty((len(pixels), pixels.shape[1], size, size), np.uint8)
    for index, image in enumerate(pixels):
        flat = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        small = np.asarray(crop_and_resize(Image.fromarray(flat), size))
        result[index] = small[None] if small.ndim == 2 else small.transpose(2, 0, 1)
    return result


def _as_nchw(images: np.ndarray, name: str) -> np.ndarray:
    """Numbers as (n, c, h, w), whatever order their axes had."""
    shape = images.shape
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise BadData(
            f"{name} has the shape {shape}; images are (n, h, w), (n, h, w, c) or (n, c, h, w) "
            "with 1 or 3 channels. Transparency has to be laid over a background first."
        )
    if images.dtype.kind not in "biuf":
        raise BadData(f"{name} holds {images.dtype}, not numbers that could be pixels.")
    if images.dtype.kind == "f" and (odd := int((~np.isfinite(images)).sum())):
        raise BadData(f"{name} holds {odd:,} values that are no numbers.")
    return images


def _to_bytes(images: np.ndarray, low: float, high: float, name: str, notes: Counter[str]) -> Pixels:
    """Numbers of any usual range as bytes; what was done to them is counted."""
    decimal = images.dtype.kind == "f"
    scaled: Any
    if not decimal and low == 0 and high == 1:  # drawn in black and white, as 0 and 1
        notes["truth-scaled"] += len(images)
        scaled = images.astype(np.uint8) * np.uint8(255)
    elif images.dtype == np.uint8:
        scaled = images
    elif decimal and low >= 0 and high <= 1:
        notes["0..1-scaled"] += len(images)
        scaled = np.rint(images * 255)
    elif decimal and low >= -1 and high <= 1:
        notes["-1..1-scaled"] += len(images)
        scaled = np.rint((images + 1) * 127.5)
    elif low >= 0 and high <= 255:
        notes["0..255-rounded"] += len(images)
        scaled = np.rint(images)
    else:
        raise BadData(f"{name} goes from {low:.4g} to {high:.4g}; pixels go to 1 or to 255.")
    return np.ascontiguousarray(scaled, dtype=np.uint8)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, told by its content and not by its name."""
    if not zipfile.is_zipfile(path):
        return {"images": npy.read_npy(path)}
    return npy.read_npz(path)


def _read_labels(
    path: Path, arrays: Mapping[str, np.ndarray], names: list[str], counts: list[int]
) -> np.ndarray | None:
    """One column of labels; a part without any is unlabelled."""
    if not any(name in arrays for name in names):
        return None
    columns = []
    for name, count in zip(names, counts, strict=True):
        column = arrays.get(name, np.full(count, None, dtype=object))
        if column.shape not in ((count,), (count, 1)):
            raise BadData(
                f"{path}: {name} has the shape {column.shape}; for {count} images a label is one number "
                "or text each (of rows of 0 and 1, the index of the 1)."
            )
        plain = _plain_column(column.reshape(-1)) if name in arrays else column
        if plain is None:
            raise BadData(f"{path}: {name} holds {column.dtype}; labels are numbers or texts.")
        columns.append(plain)
    return np.concatenate(columns)


def _plain_column(column: np.ndarray) -> Column | None:
    """A column as truth, numbers or text; None where it is nothing of the kind."""
    if column.dtype.kind == "S":
        return np.char.decode(column, "utf-8", "replace")
    if column.dtype.kind == "M":
        return np.where(np.isnat(column), "", np.datetime_as_string(column))
    return column if column.dtype.kind in "biufU" else None
