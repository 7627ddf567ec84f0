"""The options --trust and --data-changed of every command that opens runs."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

from tyro.conf import arg

OPENING = {"run", "runs", "what"}  # arguments of a command that opens runs
Trust = Annotated[
    bool,
    arg(
        help="Open a run whose model is a program that you did not import yourself, and run it.",
        help_behavior_hint="",
    ),
]
DataChanged = Annotated[
    bool, arg(help="Use the run's data although it is not what the run was made with.", help_behavior_hint="")
]


def consenting(function: Callable[..., None]) -> Callable[..., None]:
    """The function with --trust and --data-changed, if it opens runs; each holds for this call."""
    form = signature(function)
    if not OPENING & form.parameters.keys():
        return function

    @wraps(function)
    def whole(*given: Any, trust: bool = False, data_changed: bool = False, **named: Any) -> None:
        from zatlas.data import sources
        from zatlas.models.trust import consent

        with consent(trust), sources.accept_changed_data(data_changed):
            function(*given, **named)

    added = {"trust": Trust, "data_changed": DataChanged}
    hints = function.__annotations__
    known = [one.replace(annotation=hints[name]) for name, one in form.parameters.items()]
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in added.items()
    ]
    whole.__signature__ = form.replace(parameters=[*known, *options])  # type: ignore[attr-defined]
    whole.__annotations__ = {**hints, **added}
    del whole.__wrapped__  # tyro would read its annotations instead
    return whole
