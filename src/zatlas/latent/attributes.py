"""Classes and attributes of images as boolean flags, by their names."""

import re
from collections.abc import Container
from dataclasses import replace
from functools import cache

import numpy as np

from zatlas.core.arrays import Flags, Labels, Rows
from zatlas.core.errors import NotSupported
from zatlas.core.numbers import significant
from zatlas.data.image_dataset import NO_LABEL, Column, ImageDataset
from zatlas.latent.names import LABEL, NOT, KnownNames, ParsedName, find, parse, text_of

MIN_IMAGES = 2  # with and without a class or an attribute, for a direction
MAX_LISTED = 6  # names in a sentence
LIMIT_SIGN = re.compile(r"(>=|<=|>|<)")
COMPARISONS = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}
MAX_VALUES = 20  # of a text attribute whose values become flags


def dataset_names(images: ImageDataset, directions: Container[str] = ()) -> KnownNames:
    """Return the names of classes, attributes and saved directions."""

    @cache
    def values(key: str) -> set[str]:
        column = images.attributes.get(key)
        return set() if column is None else {str(value) for value in np.unique(column)} - {""}

    texts = [key for key, column in images.attributes.items() if column.dtype.kind == "U"]
    others = [key for key in images.attributes if key not in texts]
    classes = images.classes if images.labels is not None else ()
    return KnownNames(classes, others, texts, directions, values)


def flags_of(images: ImageDataset, rows: Rows, name: str | ParsedName) -> Flags:
    """Return which of these images have a class or an attribute.

    "Sneaker" is a class, "Smiling" a boolean, "age" a number (true above `median_limit`), "age>40" a number
    with another limit, "hair=gray" a value of a text; "not" negates any of them. A missing value counts as
    false.
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
    elif name.limit is not None:
        result = _within(column[rows], name.limit)
    else:
        result = _true(column, rows)
    return ~result & _has_value(column, rows) if name.negated else result


def labels_by(images: ImageDataset, rows: Rows, by: str) -> Labels:
    """Return the labels of these images, or an attribute as 0 and 1."""
    if by != LABEL:
        return flags_of(images, rows, by).astype(np.int64)
    if images.labels is None:
        raise NotSupported("These images have no labels. Name an attribute instead.")
    return images.labels[rows]


def properties(images: ImageDataset) -> dict[str, ParsedName]:
    """Return every class and attribute value, by an unambiguous text."""
    vocabulary = dataset_names(images)
    result: dict[str, ParsedName] = {}
    all_names = [ParsedName("class", name) for name in vocabulary.classes if name != NO_LABEL]
    for key, column in images.attributes.items():
        if column.dtype.kind != "U":
            all_names.append(ParsedName("attribute", key))
            continue
        values = np.unique(column[column != ""])
        if len(values) <= MAX_VALUES:
            all_names += [ParsedName("attribute", key, str(value)) for value in values]
    for name in all_names:
        bare = name.text if name.value is None else f"{name.text}={name.value}"
        unambiguous = bare != LABEL and find(bare, vocabulary, anchor=False) == name
        result[bare if unambiguous else text_of(name, vocabulary, anchor=False)] = name
    return result


def names(images: ImageDataset) -> list[str]:
    """Return the names of all classes and attribute values."""
    return list(properties(images))


def all_flags(images: ImageDataset, rows: Rows) -> dict[str, Flags]:
    """Return the flags of all properties that are true for some of these images and false for others."""
    table = {key: flags_of(images, rows, name) for key, name in properties(images).items()}
    return {name: flags for name, flags in table.items() if 0 < flags.sum() < len(flags)}


def key_of(images: ImageDataset, text: str) -> str:
    """Return the key in `properties` of a text that the user typed."""
    vocabulary = dataset_names(images)
    name = parse(text, vocabulary, anchor=False)
    bare = replace(name, negated=False)
    key = next((key for key, other in properties(images).items() if other == bare), None)
    if key is None:
        return text_of(name, vocabulary, anchor=False)
    key = f"{NOT}{key}" if name.negated else key
    return key if find(key, vocabulary, anchor=False) == name else text_of(name, vocabulary, anchor=False)


def binary_names(images: ImageDataset) -> list[str]:
    """Return the names of the boolean attributes, also of those with missing values."""
    return [name for name, column in images.attributes.items() if _is_binary(column)]


def attribute_names(images: ImageDataset) -> list[ParsedName]:
    """Return the boolean attributes; where there are none, every number and every value of a text."""
    binary = binary_names(images)
    names = [name for name in properties(images).values() if name.kind == "attribute"]
    return [name for name in names if not binary or name.text in binary]


def median_limit(column: Column) -> float:
    """Return the median of a number; the next lower value if no value is above the median.

    So the numbers above the limit are never none, unless all are equal.
    """
    values = column[np.isfinite(column)].astype(np.float64)
    if not len(values):
        return 0.0
    median = float(np.median(values))
    lower = values[values < median]
    return median if values.max() > median or not len(lower) else float(lower.max())


def limit_text(images: ImageDataset, name: ParsedName) -> str:
    """Return what a number means as an attribute, as "age: above 32, the median"; "" for other names."""
    column = images.attributes.get(name.text) if name.kind == "attribute" else None
    if column is None or column.dtype.kind != "f" or name.value or name.limit or _is_binary(column):
        return ""
    if not np.isfinite(column).any():
        return ""
    limit = median_limit(column)
    is_median = limit == np.median(column[np.isfinite(column)].astype(np.float64))
    return f"{pretty(name.text)}: above {significant(limit)}{', the median' if is_median else ''}"


def pretty(name: str) -> str:
    """Return a name as a title."""
    words = re.sub(r"\s+", " ", name.replace("_", " ").replace("=", ": "))
    return words if words.strip() else repr(name)


def title_of(name: ParsedName) -> str:
    """Return a class, an attribute or a direction as a title."""
    words = pretty(name.text if name.value is None else f"{name.text}={name.value}")
    words += "" if name.limit is None else LIMIT_SIGN.sub(r" \1 ", name.limit)
    number = "" if name.number is None else f" {name.number}"
    return f"{NOT if name.negated else ''}{words}{number}"


def _true(column: Column, rows: Rows) -> Flags:
    values = column[rows]
    if values.dtype.kind == "b":
        return values
    return np.nan_to_num(values, nan=-np.inf) > median_limit(column)


def _within(values: Column, limit: str) -> Flags:
    """Return which values are within a limit such as ">40"; a missing value is not."""
    sign = limit[:2] if limit[1:2] == "=" else limit[:1]
    number = np.float32(limit.removeprefix(sign))
    with np.errstate(invalid="ignore"):
        return np.asarray(COMPARISONS[sign](values.astype(np.float32), number), bool)


def _is_binary(column: Column) -> bool:
    """Return whether a column is boolean, or has only 0 and 1 where no value is missing."""
    if column.dtype.kind != "f":
        return column.dtype.kind == "b"
    ones = column == 1
    return bool(ones.any() and ((column == 0) | ones | np.isnan(column)).all() and not ones.all())


def _has_value(column: Column, rows: Rows) -> Flags:
    if column.dtype.kind == "f":
        return np.isfinite(column[rows])
    return np.ones(len(rows), bool)
