"""The option --data-changed of every command that opens runs."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

from tyro.conf import arg

DataChanged = Annotated[
    bool,
    arg(
        help="Use the run's data although it is not what the run was made with.",
        help_behavior_hint="",
    ),
]


def accepting(function: Callable[..., None]) -> Callable[..., None]:
    """The function with the option --data-changed, if it opens runs: an argument run, runs or what."""
    form = signature(function)
    if not {"run", "runs", "what"} & form.parameters.keys():
        return function

    @wraps(function)
    def whole(*given: Any, data_changed: bool = False, **named: Any) -> None:
        from zatlas.data import sources

        with sources.accepting(data_changed):
            function(*given, **named)

    option = Parameter(
        "data_changed", Parameter.KEYWORD_ONLY, default=False, annotation=DataChanged
    )
    hints = function.__annotations__
    known = [one.replace(annotation=hints[name]) for name, one in form.parameters.items()]
    whole.__signature__ = form.replace(parameters=[*known, option])  # type: ignore[attr-defined]
    whole.__annotations__ = {**hints, "data_changed": DataChanged}
    del whole.__wrapped__  # tyro would read its annotations instead
    return whole
