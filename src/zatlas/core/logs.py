"""The messages of zatlas: records of the logger "zatlas", which prints them to stderr.

A program that configures logging itself takes them over:
`log = logging.getLogger("zatlas"); log.handlers.clear(); log.propagate = True`.
"""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from zatlas.core.live_output import in_notebook
from zatlas.core.process_group import process_group
from zatlas.core.runtime import redirect_to_null

LOG = logging.getLogger("zatlas")


class Messages(io.TextIOBase):
    """A stream that writes to stderr. A closed terminal or pipe stops no work."""

    def write(self, text: str) -> int:
        """Write the text, or discard it after stderr was closed."""
        with discarded_if_closed():
            _stderr().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush stderr."""
        with discarded_if_closed():
            _stderr().flush()

    def isatty(self) -> bool:
        """Whether stderr is a terminal."""
        return _stderr().isatty()

    def fileno(self) -> int:
        """Return the file descriptor of stderr."""
        return _stderr().fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of stderr."""
        return _stderr().encoding


class StderrHandler(logging.Handler):
    """Print each record as a line, above a progress bar; in a notebook as output, not as an error.

    Of several processes only the first prints.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record."""
        if process_group().is_main:
            with discarded_if_closed():
                stream = sys.stdout if in_notebook() else sys.stderr
                stream.write(f"{self.format(record)}\n")


if not LOG.handlers:
    LOG.addHandler(StderrHandler())
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


@contextmanager
def discarded_if_closed() -> Iterator[None]:
    """Redirect stderr to the null device once writing to it fails."""
    try:
        yield
    except OSError:
        redirect_to_null(2)


@contextmanager
def log_level(name: str, level: int) -> Iterator[None]:
    """Give the logger of this name at least this level inside the block, and restore its level after it."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(max(before, level))
    try:
        yield
    finally:
        logger.setLevel(before)


def _stderr() -> TextIO:
    """Return stderr, also while a progress bar redirects it."""
    stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return stream
