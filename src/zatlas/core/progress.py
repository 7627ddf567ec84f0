"""Progress on stderr: a bar with rate and time left on a terminal, nothing elsewhere."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TextIO, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from zatlas.core.process_group import process_group
from zatlas.core.runtime import redirect_to_null

Advance = Callable[[int], None]


class Messages(io.TextIOBase):
    """A stream that writes to stderr. A closed terminal or pipe stops no work."""

    def write(self, text: str) -> int:
        """Write the text, or discard it after stderr was closed."""
        with _discarded_if_closed():
            _stderr().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush stderr."""
        with _discarded_if_closed():
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


def console() -> Console:
    """Return a console on stderr. Of several processes only the first prints."""
    return Console(file=cast(IO[str], Messages()), highlight=False, quiet=not process_group().is_main)


@contextmanager
def bar(label: str, total: int, unit: str = "images", *, show: bool = True) -> Iterator[Advance]:
    """Yield a function that advances a progress bar by a number of units. The bar needs a terminal."""
    screen = console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, disable=not (show and screen.is_terminal)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda step: progress.update(task, advance=step)


class RateColumn(ProgressColumn):
    """The rate, in units a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else "", style="dim")


def _stderr() -> TextIO:
    """Return stderr, also while a progress bar redirects it."""
    stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return stream


@contextmanager
def _discarded_if_closed() -> Iterator[None]:
    """Redirect stderr to the null device once writing to it fails."""
    try:
        yield
    except OSError:
        redirect_to_null(2)
