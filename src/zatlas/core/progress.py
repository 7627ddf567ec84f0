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

from zatlas.core.company import company
from zatlas.core.surroundings import to_nowhere

Advance = Callable[[int], None]


class Messages(io.TextIOBase):
    """stderr, for as long as it can be written to: a closed terminal or pipe stops no work."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with _losing():
            _stderr().write(text)
        return len(text)

    def flush(self) -> None:
        """Send what was written."""
        with _losing():
            _stderr().flush()

    def isatty(self) -> bool:
        """Whether a person may be looking."""
        return _stderr().isatty()

    def fileno(self) -> int:
        """The descriptor of stderr."""
        return _stderr().fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of stderr."""
        return _stderr().encoding


def console() -> Console:
    """Where people are told things; stdout is kept for the result. Of several processes one speaks."""
    return Console(file=cast(IO[str], Messages()), highlight=False, quiet=not company().speaks)


@contextmanager
def bar(label: str, total: int, unit: str = "images") -> Iterator[Advance]:
    """A bar that moves by the number it is called with."""
    screen = console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        yield lambda step: progress.update(task, advance=step)


class RateColumn(ProgressColumn):
    """How many a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else "", style="dim")


def _stderr() -> TextIO:
    """stderr itself, also while a bar stands on it."""
    stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return stream


@contextmanager
def _losing() -> Iterator[None]:
    """Where stderr cannot be written to any more, send it to nowhere from now on."""
    try:
        yield
    except OSError:
        to_nowhere(2)
