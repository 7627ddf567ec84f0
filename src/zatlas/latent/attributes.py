"""Yes or no of every image: classes and attributes by the names that a person would use."""

import re

import numpy as np

from zatlas.core.arrays import Flags, Labels, Rows
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.data.imageset import UNLABELLED, Column, ImageSet

MOST_VALUES = 20  # of a text attribute, each of which is then a yes or no of its own


def flags_of(images: ImageSet, rows: Rows, name: str) -> Flags:
    """Which of these images have a class or an attribute.

    "Sneaker" is a class, "Smiling" a yes or no, "age" a number (above its median), "hair=gray" a
    text; "not" before any of them turns it round. An unknown value counts as no.
    """
    if name.startswith("not "):
        wanted = name.removeprefix("not ").strip()
        return ~flags_of(images, rows, wanted) & _known(images, rows, wanted)
    if images.labels is not None and name in images.classes:
        return images.labels[rows] == images.classes.index(name)
    if name in images.attributes and images.attributes[name].dtype.kind != "U":
        return _true(images.attributes[name], rows)
    key, equals, value = name.partition("=")
    if equals and key in images.attributes:
        return np.array([str(v) == value for v in images.attributes[key][rows]])
    raise UnknownName("class or attribute", name, names(images))


def kinds_of(images: ImageSet, rows: Rows, by: str) -> Labels:
    """The labels of these images, or an attribute as 0 and 1."""
    if by != "label":
        return flags_of(images, rows, by).astype(np.int64)
    if images.labels is None:
        raise NotSupported("These images have no labels; name one of their attributes.")
    return images.labels[rows]


def names(images: ImageSet) -> list[str]:
    """Every class and attribute that can be asked for."""
    found = [name for name in images.classes if name != UNLABELLED]
    for key, column in images.attributes.items():
        if column.dtype.kind != "U":
            found.append(key)
            continue
        values = np.unique(column[column != ""])
        found += [f"{key}={value}" for value in values[: MOST_VALUES + 1]] * (
            len(values) <= MOST_VALUES
        )
    return found


def all_flags(images: ImageSet, rows: Rows) -> dict[str, Flags]:
    """All of them that some of these images have and others lack."""
    table = {name: flags_of(images, rows, name) for name in names(images)}
    return {name: flags for name, flags in table.items() if 0 < flags.sum() < len(flags)}


def yes_or_no(images: ImageSet) -> list[str]:
    """The attributes that are true or false by themselves; numbers and texts are left out."""
    return [name for name, column in images.attributes.items() if column.dtype.kind == "b"]


def pretty(name: str) -> str:
    """As one would write it above a picture."""
    return re.sub(r"\s+", " ", name.replace("_", " ").replace("=", ": "))


def _true(column: Column, rows: Rows) -> Flags:
    values = column[rows]
    if values.dtype.kind == "b":
        return values
    middle = np.nanmedian(column.astype(np.float64)) if np.isfinite(column).any() else 0.0
    return np.nan_to_num(values, nan=-np.inf) > middle


def _known(images: ImageSet, rows: Rows, name: str) -> Flags:
    column = images.attributes.get(name)
    if column is not None and column.dtype.kind == "f":
        return np.isfinite(column[rows])
    return np.ones(len(rows), bool)
