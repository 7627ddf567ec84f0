"""Arrays of images in one .npz or .npy file."""

from collections import Counter
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData
from zatlas.data.imageset import ImageSet, image_set
from zatlas.data.read import resized

IMAGES = ("images", "x", "data", "pixels", "arr_0")
LABELS = ("labels", "y", "label", "targets")
PARTS = {"train": 0, "valid": 1, "val": 1, "test": 2}


def load(path: Path, *, size: int | None = None) -> ImageSet:
    """Images under x_train, y_train, x_test and y_test, or under one name, as images and labels.

    Bytes, floats in [0, 1], [-1, 1] or [0, 255] and truth values are taken, as (n, h, w) or with
    the channels last or first. Other columns as long as the images become attributes.
    """
    arrays = _arrays(path)
    parts = {f"x_{part}": code for part, code in PARTS.items() if f"x_{part}" in arrays}
    names = list(parts) or [name for name in IMAGES if name in arrays][:1]
    if not names:
        raise BadData(
            f"{path} has no images under x_train or {', '.join(IMAGES)}; it has {', '.join(arrays)}."
        )
    notes: Counter[str] = Counter()
    blocks = [to_pixels(arrays[name], f"{name} of {path}", notes) for name in names]
    counts = [len(block) for block in blocks]
    split = np.repeat(np.array(list(parts.values()), np.uint8), counts) if parts else None
    asked = [f"y_{name[2:]}" for name in parts] or [name for name in LABELS if name in arrays][:1]
    labels = _labels(path, arrays, asked, counts)
    pixels = np.concatenate(blocks)
    if size is not None:
        pixels = resize_pixels(pixels, size)
    columns = {
        name: column
        for name, column in arrays.items()
        if name not in (*names, *asked) and column.shape == (len(pixels),)
    }
    report = {"used": len(pixels), "set_aside": [], "converted": dict(notes)}
    return image_set(
        path.stem, pixels, labels=labels, attributes=columns, split=split, report=report
    )


def to_pixels(images: np.ndarray, name: str, notes: Counter[str]) -> Pixels:
    """Images of any usual kind as bytes (n, c, h, w); what was done to them is counted."""
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise BadData(
            f"{name} has the shape {images.shape}; images are (n, h, w), (n, h, w, c) or (n, c, h, w) "
            "with 1 or 3 channels. Transparency has to be laid over a background first."
        )
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if images.dtype == bool:
        notes["truth-scaled"] += len(images)
        return images.astype(np.uint8) * 255
    if images.dtype.kind not in "iuf" or not images.size:
        raise BadData(f"{name} holds {images.dtype}, not numbers that could be pixels.")
    if not np.isfinite(images).all():
        raise BadData(
            f"{name} holds {int((~np.isfinite(images)).sum()):,} values that are no numbers."
        )
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        notes["0..1-scaled"] += len(images)
        return np.rint(images * 255).astype(np.uint8)
    if images.dtype.kind == "f" and low >= -1 and high <= 1:
        notes["-1..1-scaled"] += len(images)
        return np.rint((images + 1) * 127.5).astype(np.uint8)
    if low >= 0 and high <= 255:
        return np.rint(images).astype(np.uint8)
    raise BadData(f"{name} goes from {low:.4g} to {high:.4g}; pixels go to 1 or to 255.")


def resize_pixels(pixels: Pixels, size: int) -> Pixels:
    """The middle square of each image, size x size."""
    found = np.empty((len(pixels), pixels.shape[1], size, size), np.uint8)
    for index, image in enumerate(pixels):
        flat = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        small = np.asarray(resized(Image.fromarray(flat), size))
        found[index] = small[None] if small.ndim == 2 else small.transpose(2, 0, 1)
    return found


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"images": found}
            return {name: found[name] for name in found.files}
    except (ValueError, OSError, BadZipFile, EOFError, KeyError) as error:
        why = (
            "it holds Python objects, which are never unpacked" if "pickle" in str(error) else error
        )
        raise BadData(f"{path} cannot be read as arrays: {why}.") from error


def _labels(
    path: Path, arrays: dict[str, np.ndarray], names: list[str], counts: list[int]
) -> np.ndarray | None:
    """One column of labels; a part without any is unlabelled."""
    if not any(name in arrays for name in names):
        return None
    columns = []
    for name, count in zip(names, counts, strict=True):
        column = arrays.get(name, np.full(count, np.nan))
        if column.shape not in ((count,), (count, 1)):
            raise BadData(f"{path}: {count} images, but labels {name} of the shape {column.shape}.")
        columns.append(column.reshape(-1))
    return np.concatenate(columns)
