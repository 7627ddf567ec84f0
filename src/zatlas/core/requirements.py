"""Check whether an object has the parts that its kind requires.

A requirement is a text: `name` for a value, `name(a, b, *, c)` for a method that takes two positional
arguments and the keyword `c`, `__call__(a)` for a function or a class of callable objects, `@settings` for a
dataclass whose fields all have defaults, and `@new` for a class that is made without arguments.
"""

from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from inspect import getattr_static, signature
from typing import Any


def missing_part(plugin: Any, required: Sequence[str]) -> str | None:
    """Return what is missing, such as "has no method decoder(shape, dim)"; None if nothing is."""
    for requirement in required:
        if requirement == "@settings":
            missing = _missing_settings(plugin)
        elif requirement == "@new":
            new = isinstance(plugin, type) and _takes(plugin, "", skip=0)
            missing = None if new else "is not a class that is made without arguments"
        else:
            missing = _missing_member(plugin, requirement)
        if missing:
            return missing
    return None


def accepted(function: Any, **options: Any) -> dict[str, Any]:
    """Return those of the options that a function has a parameter for."""
    parameters = signature(function).parameters
    return {name: value for name, value in options.items() if name in parameters}


def _missing_settings(plugin: Any) -> str | None:
    if not isinstance(plugin, type) or not is_dataclass(plugin):
        return "is not a dataclass of its settings"
    without = [f.name for f in fields(plugin) if f.default is MISSING and f.default_factory is MISSING]
    return f"has no default for its setting {without[0]}" if without else None


def _missing_member(plugin: Any, requirement: str) -> str | None:
    name, method, arguments = requirement.rstrip(")").partition("(")
    if name == "__call__":
        return None if _is_called_with(plugin, arguments) else f"cannot be called with ({arguments})"
    member = getattr(plugin, name, MISSING)
    if member is MISSING or getattr(member, "__isabstractmethod__", False):
        return f"has no {'method' if method else 'value'} {requirement}"
    static = isinstance(getattr_static(plugin, name), staticmethod)
    owner = int(isinstance(plugin, type) and not static)
    if method and not (callable(member) and _takes(member, arguments, owner)):
        return f"has a {name} that does not take ({arguments})"
    return None


def _is_called_with(plugin: Any, arguments: str) -> bool:
    """Whether a function, or an object of a class, can be called with these arguments."""
    if not isinstance(plugin, type):
        return callable(plugin) and _takes(plugin, arguments, 0)
    # `dir` leaves out the call that makes an object.
    return "__call__" in dir(plugin) and _takes(plugin.__call__, arguments, 1)


def _takes(function: Any, arguments: str, skip: int) -> bool:
    """Whether a function takes these arguments, after `skip` others: the object itself."""
    before, _, after = arguments.partition("*")
    positional = [name for name in before.split(",") if name.strip()]
    keywords = [name.strip() for name in after.split(",") if name.strip()]
    try:
        signature(function).bind_partial(*[None] * (skip + len(positional)), **dict.fromkeys(keywords))
    except TypeError:
        return False
    except ValueError:  # a function of C without a signature
        return True
    return True
