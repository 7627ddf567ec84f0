"""What a process needs around it before it works: a current folder, files to open, torch as it comes."""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zatlas.core.errors import BadEnvironment, SystemRefused
from zatlas.core.memory import process_limit

FILES = 32  # open files that the largest libraries need at once
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
PATHS = "zatlas-paths"  # how stdout writes what its encoding lacks


def check() -> None:
    """Refuse to begin where the work would fail in the middle."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError as error:
        raise BadEnvironment(
            "The current folder is no longer there. Change to one that is, as: cd ~"
        ) from error
    most = process_limit("RLIMIT_NOFILE")
    if most is not None and most < FILES:
        raise BadEnvironment(
            f"This shell lets a process open {most} files, and zatlas needs {FILES}. Raise the limit: "
            "ulimit -n 1024"
        )
    check_numbers()


def check_numbers() -> None:
    """Refuse another default type of torch than float32, which the models are made of."""
    torch = sys.modules.get("torch")
    if torch is not None and (kind := torch.get_default_dtype()) is not torch.float32:
        raise BadEnvironment(
            f"torch makes tensors of {kind} by default here, and zatlas works in float32. Set it back "
            "first: torch.set_default_dtype(torch.float32)"
        )


@contextmanager
def any_path_printed() -> Iterator[None]:
    """Let stdout write any path: what its encoding lacks is written as the bytes of the file system."""
    codecs.register_error(PATHS, _as_bytes)
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors=PATHS)
    try:
        yield
        stream.flush()
    except OSError as error:
        # Files are written by `store.atomic`, which names them: what has no name is stdout.
        if error.filename is not None or error.errno not in FULL:
            raise
        to_nowhere(1)
        reason = error.strerror or str(error)
        raise SystemRefused(f"The result could not be written to stdout: {reason}.") from error
    finally:
        stream.reconfigure(errors=before)


def to_nowhere(descriptor: int) -> None:
    """Let all that is still written to this descriptor be lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    odd = error.object[error.start : error.end]
    try:
        return os.fsencode(odd), error.end
    except UnicodeEncodeError:
        return odd.encode("ascii", "backslashreplace"), error.end
