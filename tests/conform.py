"""Checks that a manifest has the names and types of its schema."""

import json
import types
from collections.abc import Iterator
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from zatlas.site import manifest, schema


def faults(value: Any, hint: Any, where: str = "") -> Iterator[str]:
    """The deviations of a JSON value from a type, each with its path."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        yield from entry_faults(value, hint, where)
    elif origin is NotRequired:
        yield from faults(value, arguments[0], where)
    elif origin in (Union, types.UnionType):
        if all(list(faults(value, option)) for option in arguments):
            yield from faults(value, arguments[0], where) if value is not None else [f"{where} is null"]
    elif origin is Literal:
        if value not in arguments:
            yield f"{where} is {value!r}, not one of {arguments}"
    elif origin in (list, tuple):
        fixed = origin is tuple
        if not isinstance(value, list) or (fixed and len(value) != len(arguments)):
            yield f"{where} is {str(value)[:40]}, not {hint}"
            return
        for number, item in enumerate(value):
            yield from faults(item, arguments[number if fixed else 0], f"{where}[{number}]")
    elif origin is dict:
        for key, item in value.items():
            yield from faults(item, arguments[1], f"{where}.{key}")
    elif hint is not type(None) or value is not None:
        accepted = {float: (float, int), type(None): ()}.get(hint, hint)
        if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
            yield f"{where} is {str(value)[:40]!r}, not {hint.__name__}"


def entry_faults(value: Any, hint: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {str(value)[:40]!r}, not an object"
        return
    hints = get_type_hints(hint, include_extras=True)
    required = {name for name, inner in hints.items() if get_origin(inner) is not NotRequired}
    yield from (f"{where}.{name} is missing" for name in sorted(required - value.keys()))
    yield from (f"{where}.{name} is not in the schema" for name in sorted(value.keys() - hints.keys()))
    for name in value.keys() & hints.keys():
        yield from faults(value[name], hints[name], f"{where}.{name}")


def conforms(trees: Any) -> Any:
    """The manifest of these trees, checked against the schema."""
    document = json.loads(manifest(trees, "ws"))
    assert not list(faults(document, schema.Manifest))
    return document
