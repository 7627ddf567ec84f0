"""Settings from tables of words and numbers: a dataclass filled strictly, with errors that help."""

import types
from collections.abc import Mapping
from dataclasses import fields
from reprlib import repr as short
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from zatlas.core.errors import BadRecipe, UnknownName


def fill(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """The dataclass made of these values: unknown names and wrong types are refused by name."""
    hints = settings(kind)
    for name in values:
        if name not in hints:
            raise UnknownName(f"setting of [{where}]", name, hints)
    return kind(
        **{name: fit(value, hints[name], f"{where}.{name}") for name, value in values.items()}
    )


def settings(kind: type) -> dict[str, Any]:
    """The names and types that such a dataclass takes."""
    hints = get_type_hints(kind)
    return {
        f.name: hints[f.name] for f in fields(kind) if get_origin(hints[f.name]) is not ClassVar
    }


def fit(value: Any, hint: Any, name: str) -> Any:
    """This value as the type that the hint names, where that loses nothing."""
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            raise UnknownName(f"value of {name}", str(value)[:60], map(str, get_args(hint)))
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        (hint,) = (part for part in get_args(hint) if part is not type(None))
        return fit(value, hint, name)
    if origin is tuple:
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        return tuple(fit(item, get_args(hint)[0], name) for item in items)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise BadRecipe(f"{name} must be {WORDS.get(hint, hint.__name__)}, not {short(value)}.")
    return value


WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
