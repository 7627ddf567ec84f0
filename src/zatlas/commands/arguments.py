"""Parse the arguments of a command, and describe a wrong one in one sentence."""

import io
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import partial, wraps
from inspect import signature
from typing import Any

import tyro
from tyro.conf import FlagCreatePairsOff

from zatlas.commands.registration import Command
from zatlas.core.errors import BadRecipe

NUMBERS = {"int": "a whole number", "float": "a number"}


def parse(command: Command, arguments: Sequence[str]) -> Callable[[], None]:
    """Return the call that these arguments describe; BadRecipe if one is wrong or missing."""
    program = f"zatlas {command.name}"
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            return tyro.cli(_bind(command), prog=program, args=arguments, config=(FlagCreatePairsOff,))
    except SystemExit as end:
        if not end.code:
            raise  # the help page
    raise BadRecipe(f"{describe(program, printed.getvalue())} List the options: {program} --help")


def describe(program: str, report: str) -> str:
    """Return a sentence that says the same as the box that tyro prints."""
    parts = _parts(report)
    message = " ".join(line.strip() for line in parts[0])
    if unknown := re.match("Unrecognized options: (.+)", message):
        names = unknown[1].split(", ")
        close = re.search(r"--[\w-]+", " ".join(parts[1])) if len(parts) > 2 else None
        advice = f" Did you mean {close[0]}?" if close else ""
        return f"{program} does not take {', '.join(map(repr, names))}.{advice}"
    if message.startswith("Missing from"):
        needed = [line.strip() for line in parts[0] if re.match("    [^ ]", line)]  # their help is at 8
        return f"{program} needs {' and '.join(needed)}."
    if bad := re.match(r"Error parsing (\S+): .*(?:literal for (int)|string to (float)).*: (.+)", message):
        return f"{bad[1]} takes {NUMBERS[bad[2] or bad[3]]}, not {bad[4]}."
    if bad := re.match(r"Error parsing (\S+): no type matching (.+?) could be .*? from \[(.+?)\]", message):
        kinds = " or ".join(kind for kind in re.findall(r"\{(.+?)\}", bad[2]) if kind != "None")
        return f"{bad[1]} takes {kinds}, not {bad[3]}."
    if absent := re.match(r"Missing value for argument '(\S+)'", message):
        name = absent[1]
        return f"{name} needs a value." if name[0] == "-" else f"{program} needs {name.upper()}."
    if choice := re.match(r"invalid choice (.+) for argument '(\S+)'\. Expected one of \((.+?),?\)", message):
        choices = [each for each in re.findall("'(.+?)'", choice[3]) if each != "None"]
        return f"{choice[2]} takes {' or '.join(sorted(choices))}, not {choice[1]}."
    return f"{message.rstrip('.')}."


def _bind(command: Command) -> Callable[..., Callable[[], None]]:
    """A function with the command's parameters that returns the call instead of making it."""
    function = command.function

    @wraps(function)
    def bound(*values: Any, **options: Any) -> Callable[[], None]:
        return partial(function, *values, **options)

    bound.__signature__ = signature(function)  # type: ignore[attr-defined]
    del bound.__wrapped__  # tyro would read its annotations instead
    return bound


def _parts(report: str) -> list[list[str]]:
    """The lines inside the box, in parts between its rules."""
    parts: list[list[str]] = [[]]
    for line in re.findall("^(?:│ |  )(.*?) *│?$", report, re.MULTILINE):  # without │ if not in UTF-8
        if line and not line.strip("─-"):
            parts.append([])
        elif line:
            parts[-1].append(line)
    return parts
