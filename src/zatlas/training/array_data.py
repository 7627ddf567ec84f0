"""Training images given as an array, a tensor or a torch Dataset: they become an .npz file of the run."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from zatlas.core.errors import BadData
from zatlas.data.npz import concatenate_parts


def npz_bytes(data: Any, labels: Sequence[int | str] | np.ndarray | Tensor | None = None) -> bytes:
    """Return an .npz file of the images as uint8 (n, c, h, w) and their labels.

    `data` is an array or a tensor (n, h, w), (n, h, w, c) or (n, c, h, w), or a Dataset whose items are
    images or pairs (image, label). Raises `BadData` for anything else.
    """
    if isinstance(data, Dataset):
        data, dataset_labels = _items(data)
        labels = dataset_labels if labels is None else labels
    if not isinstance(data, np.ndarray | Tensor):
        raise BadData(
            f"Data of type {type(data).__name__} cannot be used. Pass a name, a path, a numpy array, a "
            "torch tensor or a torch Dataset."
        )
    images = _array(data)
    if not images.size:
        raise BadData(f"This array has no images: its shape is {images.shape}.")
    arrays = {"images": concatenate_parts(Path("this array"), {"images": images}, None, Counter())}
    if labels is not None:
        arrays["labels"] = _array(labels)
        if arrays["labels"].shape != (len(images),):
            raise BadData(
                f"There are {len(images)} images, and labels of shape {arrays['labels'].shape}. Pass one "
                "label for each image."
            )
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _items(dataset: Dataset) -> tuple[np.ndarray, list[int | str] | None]:
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
    images = [_array(image) for image, _ in pairs]
    if len(shapes := {image.shape for image in images}) > 1:
        raise BadData(f"The images of a Dataset must have one shape, not {sorted(shapes)[:3]}. Resize them.")
    classes = getattr(dataset, "classes", None)
    labels: list[Any] = [
        label.item() if isinstance(label, Tensor | np.generic) else label for _, label in pairs
    ]
    if classes is not None:
        labels = [classes[label] if isinstance(label, int) else label for label in labels]
    return np.array(images), None if None in labels else labels


def _array(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value if not value.is_floating_point() else value.float()).numpy()
    return np.asarray(value)
