"""Whether a manifest is as its schema says, in names and types."""

import json
import types
from collections.abc import Iterator
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from zatlas.site import manifest, schema


def faults(value: Any, hint: Any, where: str = "") -> Iterator[str]:
    """What of a JSON value is not as a type says, each with its place."""
    origin, several = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        yield from entry_faults(value, hint, where)
    elif origin is NotRequired:
        yield from faults(value, several[0], where)
    elif origin in (Union, types.UnionType):
        if all(list(faults(value, one)) for one in several):
            yield from faults(value, several[0], where) if value is not None else [f"{where} is null"]
    elif origin is Literal:
        if value not in several:
            yield f"{where} is {value!r}, not one of {several}"
    elif origin in (list, tuple):
        fixed = origin is tuple
        if not isinstance(value, list) or (fixed and len(value) != len(several)):
            yield f"{where} is {str(value)[:40]}, not {hint}"
            return
        for number, one in enumerate(value):
            yield from faults(one, several[number if fixed else 0], f"{where}[{number}]")
    elif origin is dict:
        for key, one in value.items():
            yield from faults(one, several[1], f"{where}.{key}")
    elif hint is not type(None) or value is not None:
        whole = {float: (float, int), type(None): ()}.get(hint, hint)
        if not isinstance(value, whole) or (isinstance(value, bool) and hint is not bool):
            yield f"{where} is {str(value)[:40]!r}, not {hint.__name__}"


def entry_faults(value: Any, hint: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {str(value)[:40]!r}, not an object"
        return
    hints = get_type_hints(hint, include_extras=True)
    needed = {name for name, inner in hints.items() if get_origin(inner) is not NotRequired}
    yield from (f"{where}.{name} is missing" for name in sorted(needed - value.keys()))
    yield from (f"{where}.{name} is not in the schema" for name in sorted(value.keys() - hints.keys()))
    for name in value.keys() & hints.keys():
        yield from faults(value[name], hints[name], f"{where}.{name}")


def conforms(trees: Any) -> Any:
    """The manifest of these trees, held to the schema."""
    document = json.loads(manifest(trees, "ws"))
    assert not list(faults(document, schema.Manifest))
    return document
