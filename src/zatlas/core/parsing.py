"""Make dataclasses from tables in files, with the exact types of their fields."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from zatlas.core.errors import Damaged

T = TypeVar("T")
PLAIN_TYPES = (str, int, bool)


def from_table(kind: type[T], table: Any, where: str, **arrays: Any) -> T:
    """Return the dataclass of a table and arrays; raise `Damaged`, which names `where`, for a wrong type."""
    try:
        hints = get_type_hints(kind)
        names = {field.name for field in fields(cast(Any, kind))} - arrays.keys()
        if not isinstance(table, Mapping) or not table.keys() <= names:
            raise TypeError("it has other fields")
        values = {name: _value(hints[name], value) for name, value in table.items()}
        return kind(**values, **arrays)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise Damaged(f"{where} does not describe a {kind.__name__}: {error}.") from error


def _value(hint: Any, value: Any) -> Any:
    """Return the value if it has this type; convert a table to a dataclass."""
    if hint is Any:
        return value
    if get_origin(hint) in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        (hint,) = (part for part in get_args(hint) if part is not type(None))
        return _value(hint, value)
    if get_origin(hint) in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise TypeError(f"{value!r:.40} is not a table")
        return {str(key): _value(get_args(hint)[1], item) for key, item in value.items()}
    if is_dataclass(hint):
        return from_table(cast(type, hint), value, "a part of it")
    if hint is float:
        if type(value) not in (int, float):
            raise TypeError(f"{value!r:.40} is not a number")
        return float(value)
    if hint in PLAIN_TYPES and type(value) is not hint:
        raise TypeError(f"{value!r:.40} is not {hint.__name__}")
    return value
