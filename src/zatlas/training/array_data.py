"""Training images given as arrays, a Dataset, a table or a list: they become an .npz file of the run."""

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from zatlas.core.arrays import ArrayLike, as_array
from zatlas.core.errors import BadData, ShapeError, UnknownName
from zatlas.data.attribute_table import typed_column
from zatlas.data.image_input import is_files, read_files
from zatlas.data.npz import concatenate_parts

TABLES = ("datasets", "pandas", "polars")  # packages with tables of columns
IMAGE_COLUMNS = ("image", "images", "img", "path", "image_path", "file", "file_name", "filename")
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target")
MAX_LISTED = 6  # columns in an error message
RESERVED = ("images", "labels", "file", "allow_pickle")  # names that no attribute of the file can have
Scalar = (bool, int, float, str, np.generic)


def npz_bytes(data: Any, labels: Any = None, size: int | None = None) -> bytes:
    """Return an .npz file of the images as uint8 (n, c, h, w), with their labels and attributes.

    Parameters
    ----------
    data : array, tensor, torch Dataset, datasets.Dataset, data frame or list
        Arrays are (n, h, w), (n, h, w, c) or (n, c, h, w). Items of a torch Dataset are images or pairs
        (image, label). A table has a column of images or of paths. A list has arrays, PIL images or paths.
    labels : array-like or str
        The class of each image, (n,), or the label column of a table.
    size : int
        Side in pixels to which PIL images and files are cropped and resized.

    Raises
    ------
    BadData
        The data or the labels cannot be used.
    """
    package = type(data).__module__.partition(".")[0]
    attributes: Mapping[str, np.ndarray] = {}
    if package in TABLES and not isinstance(data, Mapping):
        data, labels, attributes = _columns(data, labels)
    elif isinstance(data, Dataset):
        data, dataset_labels = _items(data)
        labels = dataset_labels if labels is None else labels
    images = _pixels(data, size)
    if not images.size:
        raise BadData(f"There are no images: the shape of the data is {images.shape}.")
    arrays = {"images": concatenate_parts(Path("the data"), {"images": images}, None, Counter())}
    if labels is not None:
        arrays["labels"] = _labels(labels)
        if arrays["labels"].shape != (len(images),):
            raise BadData(
                f"There are {len(images)} images, and labels of shape {arrays['labels'].shape}. Pass one "
                "label for each image."
            )
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays, **attributes)
    return file.getvalue()


def _pixels(data: Any, size: int | None) -> np.ndarray:
    """Return the pixels of an array, a tensor, or a sequence of images."""
    if isinstance(data, Mapping):
        raise BadData(f"Data of type {type(data).__name__} has parts. Pass one of them, as data['train'].")
    if isinstance(data, DataLoader):
        raise BadData(
            "A DataLoader has batches, and zatlas makes its own. Pass its Dataset, as loader.dataset."
        )
    if isinstance(data, bytes) or not isinstance(data, Iterable):
        raise BadData(
            f"Data of type {type(data).__name__} cannot be used. Pass a name, a path, an array, a tensor, a "
            "torch Dataset, a datasets.Dataset, a data frame, or a list of images."
        )
    if isinstance(data, np.ndarray | Tensor):
        return as_array(data)
    images = data if isinstance(data, Sequence) else list(data)
    if len(images) and is_files(images[:1]):
        return read_files(images, size=size)
    try:
        return as_array([as_array(image) for image in images])
    except ShapeError:
        shapes = {as_array(image).shape for image in images}
        raise BadData(f"The images must have one shape, not {sorted(shapes)[:3]}. Resize them.") from None


def _items(dataset: Dataset) -> tuple[list[Any], list[Any] | None]:
    """Return the images of a Dataset, and their labels or None; numbers become names if it names classes."""
    size = getattr(dataset, "__len__", None)
    if isinstance(dataset, IterableDataset) or size is None:
        raise BadData("A Dataset needs a length: zatlas reads all its items. Pass one with __len__.")
    items = [dataset[i] for i in range(size())]
    pairs = [
        (*item, None)[: max(len(item), 2)] if isinstance(item, tuple | list) else (item, None)
        for item in items
    ]
    if any(len(pair) != 2 for pair in pairs):
        raise BadData("An item of a Dataset must be an image or a pair (image, label).")
    classes = getattr(dataset, "classes", None)
    labels: list[Any] = [
        label.item() if isinstance(label, Tensor | np.generic) else label for _, label in pairs
    ]
    if classes is not None:
        labels = [classes[label] if isinstance(label, int) else label for label in labels]
    return [image for image, _ in pairs], None if None in labels else labels


def _columns(table: Any, labels: Any) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """Return the images, the labels and the attributes of a table."""
    features = getattr(table, "features", {}) if type(table).__module__.startswith("datasets") else {}
    names = list(features or table.columns)
    decoded = [name for name in names if type(features.get(name)).__name__ == "Image"]
    image = next(iter(decoded or [name for name in IMAGE_COLUMNS if name in names]), None)
    if image is None:
        listed = ", ".join(map(str, names[:MAX_LISTED])) + (" ..." if len(names) > MAX_LISTED else "")
        raise BadData(
            f"The table has the columns {listed}, and none of images. Name a column of images or paths "
            "'image'. For a table of pixels pass an array (n, h, w)."
        )
    if isinstance(labels, str) and labels not in names:
        raise UnknownName("column of the table", labels, map(str, names))
    default = next((name for name in LABEL_COLUMNS if name in names), None) if labels is None else None
    label = labels if isinstance(labels, str) else default
    attributes = {}
    for name in names:
        values = [] if name in (image, label) else list(table[name])
        if values and all(value is None or isinstance(value, Scalar) for value in values):
            values = _named(values, features.get(name))
            key = f"{name}_" if name in RESERVED else str(name)
            attributes[key] = typed_column([v.item() if isinstance(v, np.generic) else v for v in values])
    if label is not None:
        labels = _named(list(table[label]), features.get(label))
    return list(table[image]) if not features else table[image], labels, attributes


def _named(values: list[Any], feature: Any) -> list[Any]:
    """Return the names of class numbers, if the column of the table has names."""
    names = getattr(feature, "names", None)
    if names is None:
        return values
    return [None if value is None or value < 0 else names[value] for value in values]


def _labels(labels: ArrayLike) -> np.ndarray:
    """Return labels as numbers or texts; missing ones as empty text."""
    values = list(labels) if isinstance(labels, list | tuple) else as_array(labels)
    if isinstance(values, list) and any(isinstance(value, str) for value in values):
        values = np.array(values, object)  # a missing value (NaN) must not become the text "nan"
    array = as_array(values)
    if array.dtype.kind != "O":
        return array
    return np.array(["" if label is None or label != label else str(label) for label in array])
