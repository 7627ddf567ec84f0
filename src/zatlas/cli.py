"""The command line: `zatlas COMMAND`, with what every command shares of signals and errors."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from tyro.conf import FlagCreatePairsOff

from zatlas.commands import app
from zatlas.core import runtime
from zatlas.core.deadline import exit_process
from zatlas.core.errors import Interrupted, SystemRefused, ZatlasError
from zatlas.core.process_group import process_group

# Imported, they add their commands, in the order in which a newcomer meets them.
from zatlas.commands import make, sweep, bring, encode, invert, draw, prior, move, study  # noqa: F401  # isort: skip
from zatlas.commands import score, scorer, ways, steer, compass, check, explore, share  # noqa: F401  # isort: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, 1 failed, 2 bad input, 129, 130 or 143 for a signal."""
    return exit_process(_status(arguments))


def _status(arguments: Sequence[str] | None) -> int:
    signal.signal(signal.SIGTERM, _terminate)
    try:
        runtime.check()
        with runtime.print_any_path():
            app.cli(prog="zatlas", args=arguments, config=(FlagCreatePairsOff,))
    except Interrupted as stopped:
        _tell(stopped)
        return 128 + stopped.signal
    except ZatlasError as error:
        _tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        _tell(Interrupted("Stopped by SIGINT before there was anything to save.", signal.SIGINT))
        return 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough
        return 1
    except OSError as error:
        _tell(_explained(error))
        return SystemRefused.exit_code
    return 0


def _tell(error: ZatlasError) -> None:
    """Say it once, where several processes meet the same."""
    from zatlas.core.progress import Messages  # brings bars, which help need not

    if error.every_process or process_group().is_main:
        print(f"zatlas: {error}", file=Messages())


def _explained(error: OSError) -> SystemRefused:
    """The system's refusal in words."""
    where = f"{error.filename} cannot be used" if error.filename else "The system refused"
    reason = error.strerror or str(error)
    return SystemRefused(f"{where}: {reason}. What was finished before is untouched.")


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Interrupted("Stopped by SIGTERM before there was anything to save.", number)
