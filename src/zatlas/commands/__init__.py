"""The commands: each a typed function, whose signature and docstring tyro makes a command of.

A command is a few lines of the Python API, and prints where the result is on stdout; what is
meant for people goes to stderr. Nothing heavy is imported before a command needs it.
"""

import re
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import tyro
from tyro.conf import Positional, arg

from zatlas.commands.consent import consenting
from zatlas.commands.places import placed

Run = Annotated[Positional[Path], arg(metavar="RUN", help="A run folder.")]
Out = Annotated[Path | None, arg(metavar="FILE", help="Where to; beside the run's gallery if not said.")]
Dark = Annotated[bool, arg(help="Draw on dark paper.")]
Label = Annotated[str | None, arg(metavar="CLASS", help="What class a conditional model is told.")]
Fitted = Annotated[
    Literal["mixture", "flow"] | None,
    arg(help="Draw samples from such a prior, fitted to the codes; fitted now, if it is not kept yet."),
]
Axes = Annotated[
    tuple[int, int] | None, arg(metavar="I J", help="Two axes; those that matter most if not said.")
]

WORDS = {str: "STR", int: "INT", float: "FLOAT", Path: "PATH"}
NOTHING = (None, False, ())

app = tyro.extras.SubcommandApp()


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function; one that opens runs gets --trust and --data-changed."""
    app.command(consenting(placed(told(function))))
    return function


def told(function: Callable[..., None]) -> Callable[..., None]:
    """The function, of which the help tells what can be said, not what stands for nothing."""
    for name, parameter in signature(function).parameters.items():
        kind, *rest = typed(parameter.annotation)
        if any(parameter.default is one for one in NOTHING) or ... in get_args(kind):
            function.__annotations__[name] = Annotated[
                kind, arg(metavar=word_of(kind), help_behavior_hint=""), *rest
            ]
    doc = function.__doc__ or ""
    function.__doc__ = re.sub(r"\n {12,}", " ", doc)  # an option is one paragraph
    return function


def typed(annotation: Any) -> tuple[Any, ...]:
    """A type, and what is said of it."""
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)


def word_of(kind: Any) -> str | None:
    """What stands for a value of a type that may be None."""
    kinds = [one for one in get_args(kind) if one is not NoneType]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return "{" + ",".join(get_args(kinds[0])) + "}"
    return WORDS.get(kinds[0]) if len(kinds) == 1 else None
