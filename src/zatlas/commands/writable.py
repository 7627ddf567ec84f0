"""Commands that write into a run's gallery by default are refused early if the run is read-only."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any

from zatlas.commands.consent import has_mark
from zatlas.commands.options import IN_GALLERY, OPENS_RUN


def checks_writable(function: Callable[..., None]) -> Callable[..., None]:
    """Refuse a command without --out before its work if it would write into a read-only run."""
    form = signature(function)
    marked = {
        mark: [name for name, each in form.parameters.items() if has_mark(each.annotation, mark)]
        for mark in (OPENS_RUN, IN_GALLERY)
    }
    if not all(marked.values()):
        return function
    (run_name, *_), (output_name, *_) = marked[OPENS_RUN], marked[IN_GALLERY]

    @wraps(function)
    def wrapper(*values: Any, **options: Any) -> None:
        bound = form.bind(*values, **options)
        bound.apply_defaults()
        runs = bound.arguments[run_name]
        run = runs[0] if isinstance(runs, tuple) and runs else runs
        if isinstance(run, Path) and bound.arguments[output_name] is None:
            _check(run)
        function(*values, **options)

    return wrapper


def _check(run: Path) -> None:
    from zatlas.core.errors import CannotWrite
    from zatlas.store import atomic, retry

    if retry.is_folder(run) and not atomic.is_writable(run / "gallery"):
        raise CannotWrite(f"{run} is read-only, so the command cannot write into it. Add --out PATH.")
