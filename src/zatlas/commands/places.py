"""Where a command writes when nobody says where: into its run, if that may be written."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any

OPTIONS = {"out": "--out", "by": "--by"}  # the options that name another place, where they are paths
IN_THE_CACHE = ("encode", "score")  # these write into the cache instead


def placed(function: Callable[..., None]) -> Callable[..., None]:
    """The command, refused before its work where it would write into a run that is read-only."""
    form = signature(function)
    options = [name for name in OPTIONS if name in form.parameters and "Path" in str(form.parameters[name])]
    runs = [name for name in ("run", "runs") if name in form.parameters]
    if not (options and runs) or function.__name__ in IN_THE_CACHE:
        return function

    @wraps(function)
    def whole(*given: Any, **named: Any) -> None:
        values = form.bind(*given, **named)
        values.apply_defaults()
        target = values.arguments[runs[0]]
        run = target[0] if isinstance(target, tuple) and target else target
        if isinstance(run, Path) and values.arguments[options[0]] is None:
            _check(run, OPTIONS[options[0]])
        function(*given, **named)

    return whole


def _check(run: Path, option: str) -> None:
    from zatlas.core.errors import CannotWrite
    from zatlas.store import atomic, retry

    if retry.is_folder(run) and not atomic.is_writable(run / "gallery"):
        raise CannotWrite(
            f"{run} is read-only, so the command cannot write into it. Name another place: {option} PATH"
        )
