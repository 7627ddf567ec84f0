"""The options --quiet, --verbose and --json of every command, and the printing of its result to stdout."""

import json
import logging
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Annotated, Any

from tyro.conf import arg

from zatlas.commands.options import with_flags
from zatlas.core.errors import BadRecipe, ZatlasError
from zatlas.core.logs import LOG

Quiet = Annotated[bool, arg(aliases=["-q"], help="Print only warnings and errors.", help_behavior_hint="")]
Verbose = Annotated[
    bool, arg(aliases=["-v"], help="Also print versions, times and tracebacks.", help_behavior_hint="")
]
Json = Annotated[
    bool,
    arg(
        name="json",
        help="Print JSON: tables as a list of rows, other results as one object per line. "
        "Tables are always JSON if stdout is not a terminal.",
        help_behavior_hint="",
    ),
]
# They may also stand before the command.
OUTPUT_FLAGS = frozenset({"--quiet", "-q", "--verbose", "-v", "--json"})
OPTIONS = {"quiet": Quiet, "verbose": Verbose, "as_json": Json}

_json: ContextVar[bool] = ContextVar("json", default=False)


def print_result(path: Path | str, kind: str = "path") -> None:
    """Print a path, or another text of this kind, to stdout as a line; with --json as an object."""
    print(json.dumps({kind: str(path)}) if _json.get() else path, flush=True)


def wants_json() -> bool:
    """Whether tables are printed as JSON."""
    return _json.get() or not sys.stdout.isatty()


def with_output(function: Callable[..., None]) -> Callable[..., None]:
    """Add --quiet, --verbose and --json to a function; each holds for one call."""

    @wraps(function)
    def wrapper(
        *values: Any, quiet: bool = False, verbose: bool = False, as_json: bool = False, **options: Any
    ) -> None:
        if quiet and verbose:
            raise BadRecipe("Give --quiet or --verbose, not both.")
        level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
        with _printing(level, as_json):
            function(*values, **options)

    return with_flags(wrapper, function, OPTIONS)


@contextmanager
def _printing(level: int, as_json: bool) -> Iterator[None]:
    """Print messages from this level, and results as JSON if requested, inside the block."""
    before, token = LOG.level, _json.set(as_json)
    LOG.setLevel(level)
    versions = f"zatlas {version('zatlas')}, torch {version('torch')}, Python {platform.python_version()}"
    LOG.debug(f"{versions}, {platform.platform()}")
    try:
        yield
    except ZatlasError:
        LOG.debug("The error was raised here:", exc_info=True)
        raise
    finally:
        LOG.debug(f"{process_time():.1f} s of processor time")
        LOG.setLevel(before)
        _json.reset(token)
