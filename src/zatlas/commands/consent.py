"""The options --trust and --data-changed of every command that opens runs."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from zatlas.commands.options import OPENS_RUN, with_flags

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
    """Add --trust and --data-changed to a function that opens runs; each holds for one call.

    A run hf:owner/name is fetched before.
    """
    form = signature(function)
    marked = {name for name, each in form.parameters.items() if has_mark(each.annotation, OPENS_RUN)}
    if not marked:
        return function

    @wraps(function)
    def wrapper(*values: Any, trust: bool = False, data_changed: bool = False, **options: Any) -> None:
        from zatlas.data import sources
        from zatlas.models.trust import consent

        bound = form.bind(*values, **options)
        for name in marked & bound.arguments.keys():
            bound.arguments[name] = _fetched(bound.arguments[name])
        with consent(trust), sources.accept_changed_data(data_changed):
            function(*bound.args, **bound.kwargs)

    return with_flags(wrapper, function, {"trust": Trust, "data_changed": DataChanged})


def _fetched(runs: Any) -> Any:
    """Return the local folder of each run; data that is not a run is returned as it is."""
    if isinstance(runs, tuple):
        return tuple(map(_fetched, runs))
    if not isinstance(runs, Path) or not runs.as_posix().startswith("hf:"):
        return runs
    from zatlas.data.hub_run import fetch_run, is_hub_run

    return fetch_run(runs) if is_hub_run(runs) else runs
