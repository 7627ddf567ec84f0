"""The option --space of every command that works in the latent space of a run."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from typing import Annotated, Any

from tyro.conf import arg

from zatlas.commands.consent import has_mark
from zatlas.commands.options import IN_SPACE, with_flags

Space = Annotated[
    str,
    arg(
        metavar="NAME",
        help="Latent space: w, w+ or s of a StyleGAN, embedding of a BigGAN. (default: z, the input)",
        help_behavior_hint="",
    ),
]
_space: ContextVar[str] = ContextVar("space", default="z")


def space_of_command() -> str:
    """Return the latent space that the command names."""
    return _space.get()


def with_space(function: Callable[..., None]) -> Callable[..., None]:
    """Add --space to a function that works in a latent space; it holds for one call."""
    marked = [each for each in signature(function).parameters.values() if has_mark(each.annotation, IN_SPACE)]
    if not marked:
        return function

    @wraps(function)
    def wrapper(*values: Any, space: str = "z", **options: Any) -> None:
        token = _space.set(space)
        try:
            function(*values, **options)
        finally:
            _space.reset(token)

    return with_flags(wrapper, function, {"space": Space}, "z")
