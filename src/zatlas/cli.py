"""The command line `zatlas COMMAND`: it finds the command, and handles signals and errors of all commands."""

import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import version
from types import FrameType

from zatlas.commands.arguments import parse
from zatlas.commands.output import OUTPUT_FLAGS
from zatlas.commands.overview import SETS, overview, overview_of
from zatlas.commands.registration import COMMANDS
from zatlas.core import runtime
from zatlas.core.deadline import exit_process
from zatlas.core.errors import BadRecipe, Interrupted, SystemRefused, ZatlasError
from zatlas.core.logs import Messages
from zatlas.core.process_group import process_group

# These modules register their commands, in the order of the help.
from zatlas.commands import start, make, look, move  # noqa: F401  # isort: skip
from zatlas.commands import direction_search, direction_evaluation, direction_list  # noqa: F401  # isort: skip
from zatlas.commands import compass, classifiers, measurements, run_data, share  # noqa: F401  # isort: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 failed, 2 bad input, 129, 130 or 143 for a signal."""
    return exit_process(_status(sys.argv[1:] if arguments is None else arguments))


def _status(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, _terminate)
    try:
        runtime.check()
        runtime.use_large_pages()
        with runtime.print_any_path():
            _run(list(arguments))
    except Interrupted as interrupt:
        _print(interrupt)
        return 128 + interrupt.signal
    except ZatlasError as error:
        _print(error)
        return error.exit_code
    except KeyboardInterrupt:
        _print(Interrupted("Stopped by SIGINT before there was anything to save.", signal.SIGINT))
        return 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stderr.close()  # the program that reads stdout has ended
        return 1
    except OSError as error:
        _print(_system_error(error))
        return SystemRefused.exit_code
    return 0


def _run(words: list[str]) -> None:
    """Run the command that these words name, or print a help page or the version."""
    first, *rest = words or ["--help"]
    if first in ("--help", "-h"):
        print(overview())
    elif first == "--version":
        print(f"zatlas {version('zatlas')}")
    elif first == "--print-completion":
        from zatlas.commands.completion import completion_script

        print(completion_script(rest), end="")
    elif first in OUTPUT_FLAGS and not OUTPUT_FLAGS.issuperset(rest):
        _run([*rest, first])
    elif first in COMMANDS:
        parse(COMMANDS[first], rest)()
    elif first not in SETS:
        raise _unknown("zatlas", first, {name.partition(" ")[0] for name in COMMANDS})
    elif not rest or rest[0] in ("--help", "-h"):
        print(overview_of(first))
    elif (name := f"{first} {rest[0]}") in COMMANDS:
        parse(COMMANDS[name], rest[1:])()
    else:
        names = {key.removeprefix(f"{first} ") for key in COMMANDS if key.startswith(f"{first} ")}
        raise _unknown(f"zatlas {first}", rest[0], names)


def _unknown(program: str, name: str, names: set[str]) -> BadRecipe:
    close = get_close_matches(name, sorted(names), n=1)
    advice = f"Did you mean: {program} {close[0]}" if close else f"List the commands: {program} --help"
    return BadRecipe(f"{program} has no command {name!r}. {advice}")


def _print(error: ZatlasError) -> None:
    """Print an error; only once if several processes have it."""
    if error.every_process or process_group().is_main:
        print(f"zatlas: {error}", file=Messages())


def _system_error(error: OSError) -> SystemRefused:
    """An error of the operating system as a sentence."""
    subject = f"{error.filename} cannot be used" if error.filename else "The operating system refused"
    reason = error.strerror or str(error)
    return SystemRefused(f"{subject}: {reason}. Files that were finished before are unchanged.")


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Interrupted("Stopped by SIGTERM before there was anything to save.", number)
