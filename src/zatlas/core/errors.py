"""All errors that a user can cause, and their exit status.

ZatlasError        2  the request cannot be carried out
  ShapeError          the shape of an array does not match the generator
  UnknownName         no model, dataset, preset or run of that name
  NotSupported        this generator cannot do that, for example encode
  BadRecipe           a recipe has an unknown key or a wrong value
  BadPlugin           a plugin cannot be imported, or lacks a part of its kind
  BadData             images, labels or attributes that cannot be used
  NotFound            data that is not on this machine and cannot be fetched
  DataMismatch        the data is not the data that the run was trained on
  BadRun              a run folder is missing, incomplete or of a newer format
  NeedsTrust          opening the run would execute a program, which needs consent
  ProgramFailed       a model from a file raised an error or returned another shape than its run states
  DeadlineExceeded 1  a model from a file returned no result before its deadline
  BadEnvironment      zatlas cannot work with this current folder, limit or setting of torch
  CannotWrite         the disk is full, read-only or failing
  Diverged            the loss is NaN or infinite
  TooLarge            the model and a batch do not fit into memory
  Busy             1  another training holds this run
  RunsFailed       1  some of many runs could not be trained
  PeerLost         1  another process of this training has ended
  Damaged          1  the contents of a file have changed since zatlas wrote it
  CannotRead       1  a file exists and cannot be read now
  SystemRefused    1  the operating system refused another operation
  Interrupted   129+  a signal asked to stop
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

MAX_LISTED = 60  # known names in an error message


class ZatlasError(Exception):
    """Base class. The command line prints the message without a traceback.

    >>> try:
    ...     atlas.locate("lfet")
    ... except zatlas.ZatlasError as error:
    ...     print(type(error).__name__)
    UnknownName
    """

    exit_code: ClassVar[int] = 2
    every_process: ClassVar[bool] = False  # whether any of several processes prints it, not only the first


def first_line(error: BaseException) -> str:
    """Return the first line of an error of another library, at most 300 characters.

    TorchScript begins with a traceback, so its last line counts.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("The following operation failed in the TorchScript"):
        lines = lines[-1:]
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(".:")


class ShapeError(ZatlasError, ValueError):
    """The shape of an array does not match the generator."""


class UnknownName(ZatlasError, KeyError):
    """No model, dataset, preset or run of that name."""

    def __init__(self, kind: str, name: str, names: Iterable[str]) -> None:
        names = sorted(names, key=lambda each: (int(each) if each.isdecimal() else -1, each))
        close = get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"No {kind} named {name!r}.{hint} {_listed(name, names)}.")

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the quotes


def _listed(name: str, names: list[str]) -> str:
    """Return the known names; of very many, those that contain the unknown one."""
    if len(names) > MAX_LISTED and names == [str(number) for number in range(len(names))]:
        return f"Known: 0 to {len(names) - 1}"
    similar = [each for each in names if name.lower() in each.lower()] if len(names) > MAX_LISTED else []
    listed = similar or names
    more = f" and {len(listed) - MAX_LISTED:,} more" if len(listed) > MAX_LISTED else ""
    title = f"{len(similar):,} of {len(names):,} contain it" if similar else "Known"
    return f"{title}: {', '.join(listed[:MAX_LISTED]) or 'none'}{more}"


class NotSupported(ZatlasError):
    """This generator cannot do that."""


class BadRecipe(ZatlasError, ValueError):
    """A recipe has an unknown key or a wrong value."""


class BadPlugin(ZatlasError):
    """A plugin cannot be imported, or lacks a part of its kind."""


class BadData(ZatlasError, ValueError):
    """Images, labels or attributes that cannot be used."""


class NotFound(ZatlasError):
    """Data that is not on this machine and cannot be fetched."""

    every_process = True


class DataMismatch(ZatlasError):
    """The data is not the data that the run was trained on. zatlas shows none of its images."""

    every_process = True


class BadRun(ZatlasError):
    """A run folder is missing, incomplete or of a newer format."""


class NeedsTrust(ZatlasError):
    """Opening the run would execute a program, which needs consent."""


class ProgramFailed(ZatlasError, RuntimeError):
    """A model from a file raised an error, or returned another shape than its run states."""


class DeadlineExceeded(ZatlasError):
    """A model from a file returned no result before its deadline."""

    exit_code = 1


class CannotWrite(ZatlasError):
    """The disk is full, read-only or failing."""

    every_process = True


class CannotRead(ZatlasError):
    """A file exists and cannot be read now. It may be intact."""

    exit_code = 1
    every_process = True


class Diverged(ZatlasError, ArithmeticError):
    """The loss is NaN or infinite."""


class TooLarge(ZatlasError):
    """The model and a batch do not fit into memory."""

    every_process = True


class Busy(ZatlasError):
    """Another training holds this run."""

    exit_code = 1


class BadEnvironment(ZatlasError):
    """zatlas cannot work with the current folder, a limit or a setting of torch."""


class Damaged(ZatlasError):
    """The contents of a file have changed since zatlas wrote it."""

    exit_code = 1
    every_process = True


class RunsFailed(ZatlasError):
    """Some of many runs could not be trained; the others were."""

    exit_code = 1


class PeerLost(ZatlasError):
    """Another process of this training has ended or cannot be reached."""

    exit_code = 1
    every_process = True


class SystemRefused(ZatlasError):
    """The operating system refused an operation that is not on a file of zatlas."""

    exit_code = 1
    every_process = True


class Interrupted(ZatlasError):
    """A signal asked to stop."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal
