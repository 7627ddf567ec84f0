"""Yes or no of every image: classes and attributes by the names that a person would use."""

import re
from collections.abc import Container
from dataclasses import replace
from functools import cache

import numpy as np

from zatlas.core.arrays import Flags, Labels, Rows
from zatlas.core.errors import NotSupported
from zatlas.data.image_dataset import NO_LABEL, Column, ImageDataset
from zatlas.latent.names import LABEL, NOT, KnownNames, ParsedName, find, parse, text_of

MIN_IMAGES = 2  # images with and without a class or an attribute, for a direction
MAX_LISTED = 6  # names in a sentence
MAX_VALUES = 20  # of a text attribute, each of which is then a yes or no of its own


def dataset_names(images: ImageDataset, directions: Container[str] = ()) -> KnownNames:
    """The names of the classes and attributes of these images, and of saved directions."""

    @cache
    def values(key: str) -> set[str]:
        column = images.attributes.get(key)
        return set() if column is None else {str(value) for value in np.unique(column)} - {""}

    texts = [key for key, column in images.attributes.items() if column.dtype.kind == "U"]
    others = [key for key in images.attributes if key not in texts]
    classes = images.classes if images.labels is not None else ()
    return KnownNames(classes, others, texts, directions, values)


def flags_of(images: ImageDataset, rows: Rows, name: str | ParsedName) -> Flags:
    """Which of these images have a class or an attribute.

    "Sneaker" is a class, "Smiling" a yes or no, "age" a number (above its median), "hair=gray" a
    text; "not" before any of them turns it round. An unknown value counts as no.
    """
    if isinstance(name, str):
        name = parse(name, dataset_names(images), anchor=False)
    if name.kind == "class" and images.labels is not None:
        result: Flags = images.labels[rows] == images.classes.index(name.text)
        return ~result if name.negated else result
    column = images.attributes[name.text]
    if name.value is not None and column.dtype.kind == "U":
        result = column[rows] == name.value
    elif name.value is not None:
        result = np.array([str(value) == name.value for value in column[rows]], bool)
    else:
        result = _true(column, rows)
    return ~result & _has_value(column, rows) if name.negated else result


def labels_by(images: ImageDataset, rows: Rows, by: str) -> Labels:
    """The labels of these images, or an attribute as 0 and 1."""
    if by != LABEL:
        return flags_of(images, rows, by).astype(np.int64)
    if images.labels is None:
        raise NotSupported("These images have no labels; name one of their attributes.")
    return images.labels[rows]


def properties(images: ImageDataset) -> dict[str, ParsedName]:
    """Every class and attribute that can be true of an image, by a text that names it alone."""
    known = dataset_names(images)
    result: dict[str, ParsedName] = {}
    all_names = [ParsedName("class", name) for name in known.classes if name != NO_LABEL]
    for key, column in images.attributes.items():
        if column.dtype.kind != "U":
            all_names.append(ParsedName("attribute", key))
            continue
        values = np.unique(column[column != ""])
        if len(values) <= MAX_VALUES:
            all_names += [ParsedName("attribute", key, str(value)) for value in values]
    for name in all_names:
        bare = name.text if name.value is None else f"{name.text}={name.value}"
        alone = bare != LABEL and find(bare, known, anchor=False) == name
        result[bare if alone else text_of(name, known, anchor=False)] = name
    return result


def names(images: ImageDataset) -> list[str]:
    """Every class and attribute that can be named."""
    return list(properties(images))


def all_flags(images: ImageDataset, rows: Rows) -> dict[str, Flags]:
    """All of them that some of these images have and others lack."""
    table = {key: flags_of(images, rows, name) for key, name in properties(images).items()}
    return {name: flags for name, flags in table.items() if 0 < flags.sum() < len(flags)}


def key_of(images: ImageDataset, text: str) -> str:
    """The text by which tables of classes and attributes know what a person typed."""
    known = dataset_names(images)
    name = parse(text, known, anchor=False)
    bare = replace(name, negated=False)
    key = next((key for key, other in properties(images).items() if other == bare), None)
    if key is None:
        return text_of(name, known, anchor=False)
    key = f"{NOT}{key}" if name.negated else key
    return key if find(key, known, anchor=False) == name else text_of(name, known, anchor=False)


def binary_names(images: ImageDataset) -> list[str]:
    """The attributes that are true or false by themselves; numbers and texts are left out."""
    return [name for name, column in images.attributes.items() if column.dtype.kind == "b"]


def pretty(name: str) -> str:
    """As one would write it above a picture."""
    words = re.sub(r"\s+", " ", name.replace("_", " ").replace("=", ": "))
    return words if words.strip() else repr(name)


def title_of(name: ParsedName) -> str:
    """A class, an attribute or a direction as one would write it above a picture."""
    words = pretty(name.text if name.value is None else f"{name.text}={name.value}")
    number = "" if name.number is None else f" {name.number}"
    return f"{NOT if name.negated else ''}{words}{number}"


def _true(column: Column, rows: Rows) -> Flags:
    values = column[rows]
    if values.dtype.kind == "b":
        return values
    middle = np.nanmedian(column.astype(np.float64)) if np.isfinite(column).any() else 0.0
    return np.nan_to_num(values, nan=-np.inf) > middle


def _has_value(column: Column, rows: Rows) -> Flags:
    if column.dtype.kind == "f":
        return np.isfinite(column[rows])
    return np.ones(len(rows), bool)
