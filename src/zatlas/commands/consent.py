"""The options --trust and --data-changed of every command that opens runs."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

from tyro.conf import arg

from zatlas.commands.options import OPENS_RUN

Trust = Annotated[
    bool, arg(help="Run a model that is a program which you did not import yourself.", help_behavior_hint="")
]
DataChanged = Annotated[
    bool, arg(help="Use the dataset although it has changed since training.", help_behavior_hint="")
]


def has_mark(annotation: Any, mark: str) -> bool:
    """Return whether the metadata of an annotation contains this mark."""
    return mark in [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, str)]


def with_consent(function: Callable[..., None]) -> Callable[..., None]:
    """Add --trust and --data-changed to a function that opens runs; each holds for one call."""
    form = signature(function)
    if not any(has_mark(each.annotation, OPENS_RUN) for each in form.parameters.values()):
        return function

    @wraps(function)
    def wrapper(*values: Any, trust: bool = False, data_changed: bool = False, **options: Any) -> None:
        from zatlas.data import sources
        from zatlas.models.trust import consent

        with consent(trust), sources.accept_changed_data(data_changed):
            function(*values, **options)

    added = {"trust": Trust, "data_changed": DataChanged}
    extra = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in added.items()
    ]
    parameters = [*form.parameters.values(), *extra]
    wrapper.__signature__ = form.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {**function.__annotations__, **added}
    del wrapper.__wrapped__  # tyro would read its annotations instead
    return wrapper
