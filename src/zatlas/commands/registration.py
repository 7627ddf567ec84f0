"""The table of commands: each has a name, a group and a typed function."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc, signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from tyro.conf import arg

from zatlas.commands.consent import with_consent
from zatlas.commands.latent_space import with_space
from zatlas.commands.output import with_output
from zatlas.commands.writable import checks_writable

Function = Callable[..., None]

METAVARS = {str: "STR", int: "INT", float: "FLOAT", Path: "PATH"}
EMPTY = (None, False, ())  # defaults that help does not show


@dataclass(frozen=True)
class Command:
    """A command: its name, such as "directions find", its group, and the function that tyro calls."""

    name: str
    group: str
    function: Function

    @property
    def summary(self) -> str:
        """The first line of its help."""
        return (self.function.__doc__ or "").partition("\n")[0].removesuffix(".")


COMMANDS: dict[str, Command] = {}


def command(group: str, name: str | None = None) -> Callable[[Function], Function]:
    """Register a function as a command, with --quiet, --verbose, --json and, if it opens runs, --trust."""

    def register(function: Function) -> Function:
        key = name or function.__name__
        wrapped = with_space(checks_writable(with_help(function)))
        COMMANDS[key] = Command(key, group, with_output(with_consent(wrapped)))
        return function

    return register


def with_help(function: Function) -> Function:
    """Hide empty defaults such as None in the help of a function, and give values readable names."""
    for name, parameter in signature(function).parameters.items():
        kind, *metadata = parts_of(parameter.annotation)
        if any(parameter.default is value for value in EMPTY) or ... in get_args(kind):
            function.__annotations__[name] = Annotated[
                kind, arg(metavar=metavar_of(kind), help_behavior_hint=""), *metadata
            ]
    # One paragraph for each option. Python 3.13 removes the indentation of a docstring itself.
    function.__doc__ = re.sub(r"\n {8,}", " ", cleandoc(function.__doc__ or ""))
    return function


def parts_of(annotation: Any) -> tuple[Any, ...]:
    """The type of an annotation, and its metadata."""
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)


def metavar_of(kind: Any) -> str | None:
    """The name of a value of an optional type, such as INT or {mixture,flow}."""
    kinds = [each for each in get_args(kind) if each is not NoneType]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return "{" + ",".join(get_args(kinds[0])) + "}"
    return METAVARS.get(kinds[0]) if len(kinds) == 1 else None
