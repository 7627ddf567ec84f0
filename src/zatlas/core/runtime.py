"""The process before work starts: current folder, limit of open files, default type and memory of torch."""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zatlas.core.errors import BadEnvironment, SystemRefused
from zatlas.core.system import SYSTEM

FILES = 32  # files that zatlas and its libraries open at once
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch on Linux then asks for pages of 2 MB for large tensors
PATHS = "zatlas-paths"  # name of the error handler for characters that stdout cannot encode


def check() -> None:
    """Raise `BadEnvironment` where zatlas would fail later."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError as error:
        raise BadEnvironment("The current folder no longer exists. Change to another folder: cd ~") from error
    limit = SYSTEM.open_file_limit()
    if limit is not None and limit < FILES:
        raise BadEnvironment(
            f"This shell lets a process open {limit} files, and zatlas needs {FILES}. Raise the limit: "
            "ulimit -n 1024"
        )
    check_numbers()


def use_large_pages() -> None:
    """Let torch use large pages, if the user has not decided; it reads this before it makes the first tensor.

    With pages of 4 KB, the system can need as long for the memory of a large layer as its arithmetic takes.
    """
    os.environ.setdefault(LARGE_PAGES, "1")


def check_numbers() -> None:
    """Raise `BadEnvironment` if the default type of torch is not float32."""
    torch = sys.modules.get("torch")
    if torch is not None and (kind := torch.get_default_dtype()) is not torch.float32:
        raise BadEnvironment(
            f"torch makes tensors of {kind} by default here, and zatlas works in float32. Reset it: "
            "torch.set_default_dtype(torch.float32)"
        )


@contextmanager
def print_any_path() -> Iterator[None]:
    """Let stdout write any path: other characters are written as bytes of the file system."""
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
        # `store.atomic` writes all files, and its errors have a file name. Without one it is stdout.
        if error.filename is not None or error.errno not in FULL:
            raise
        redirect_to_null(1)
        reason = error.strerror or str(error)
        raise SystemRefused(f"The result could not be written to stdout: {reason}.") from error
    finally:
        stream.reconfigure(errors=before)


def redirect_to_null(descriptor: int) -> None:
    """Redirect a file descriptor to the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    try:
        return os.fsencode(characters), error.end
    except UnicodeEncodeError:
        return characters.encode("ascii", "backslashreplace"), error.end
