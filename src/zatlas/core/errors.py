"""Every error a user can cause, and the exit status each gives a script.

ZatlasError        2  what was asked cannot be done as it was asked
  ShapeError          an array does not fit the generator it was given to
  UnknownName         no model, dataset, preset or run of that name
  NotSupported        this generator cannot do that (for one, encode)
  BadRecipe           a recipe has a key or a value that means nothing
  BadData             images, labels or attributes that cannot be used
  NotHere             data that is neither on this machine nor to be fetched
  OtherData           the data of a run is not what the run was made of
  BadRun              a run folder is missing, incomplete or of a newer format
  NeedsTrust          opening the run would run a program, and nobody said that it may
  ProgramFailed       a model from a file gave an error, or something else than its run says
  Endless             a model from a file gave no result before its deadline
  BadEnvironment      the current folder, a limit or torch's settings do not let zatlas work
  CannotWrite         the disk is full, read-only or failing
  Diverged            the loss is no longer a number
  TooLarge            the model and a batch do not fit into memory
  Busy             1  another training holds this run
  RunsFailed       1  some of many runs could not be trained
  PeerLost         1  another process of this training has ended
  Damaged          1  a file does not hold what was written to it
  CannotRead       1  a file is there and cannot be read now
  SystemRefused    1  the system refused something else, as a name that is too long
  Interrupted   129+  a signal asked to stop
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class ZatlasError(Exception):
    """Base of all of them: the command line prints its message alone, without a traceback."""

    exit_code: ClassVar[int] = 2
    alone: ClassVar[bool] = False  # of several processes, one alone may meet it, and must say so


def first_line(error: BaseException) -> str:
    """The first line of another library's error, short enough for a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(".:")


class ShapeError(ZatlasError, ValueError):
    """An array does not fit the generator it was given to."""


class UnknownName(ZatlasError, KeyError):
    """No model, dataset, preset or run of that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"No {kind} named {name!r}.{hint} Known: {', '.join(known)}.")

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the quotes


class NotSupported(ZatlasError):
    """This generator cannot do that."""


class BadRecipe(ZatlasError, ValueError):
    """A recipe has a key or a value that means nothing."""


class BadData(ZatlasError, ValueError):
    """Images, labels or attributes that cannot be used."""


class NotHere(ZatlasError):
    """Data that is neither on this machine nor to be fetched."""

    alone = True


class OtherData(ZatlasError):
    """The data of a run is not what the run was made of; no image of it is shown."""

    alone = True


class BadRun(ZatlasError):
    """A run folder is missing, incomplete or of a newer format."""


class NeedsTrust(ZatlasError):
    """Opening the run would run a program, and nobody said that it may."""


class ProgramFailed(ZatlasError, RuntimeError):
    """A model from a file gave an error, or something else than its run says."""


class Endless(ZatlasError):
    """A model from a file gave no result before its deadline."""

    exit_code = 1


class CannotWrite(ZatlasError):
    """The disk is full, read-only or failing."""

    alone = True


class CannotRead(ZatlasError):
    """A file is there and cannot be read now; its bytes may be as they were written."""

    exit_code = 1
    alone = True


class Diverged(ZatlasError, ArithmeticError):
    """The loss is no longer a number."""


class TooLarge(ZatlasError):
    """The model and a batch do not fit into memory."""

    alone = True


class Busy(ZatlasError):
    """Another training holds this run."""

    exit_code = 1


class BadEnvironment(ZatlasError):
    """The process was started in a way in which zatlas cannot work."""


class Damaged(ZatlasError):
    """A file does not hold what was written to it."""

    exit_code = 1
    alone = True


class RunsFailed(ZatlasError):
    """Some of many runs could not be trained; the others were."""

    exit_code = 1


class PeerLost(ZatlasError):
    """Another process of this training has ended or cannot be reached."""

    exit_code = 1
    alone = True


class SystemRefused(ZatlasError):
    """The system refused what is neither reading nor writing a file of zatlas."""

    exit_code = 1
    alone = True


class Interrupted(ZatlasError):
    """A signal asked to stop."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal
