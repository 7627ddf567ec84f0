"""Progress on stderr: a bar with rate and time left on a terminal, a line every few seconds elsewhere."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from time import perf_counter

from zatlas.core.live_output import LiveOutput, in_notebook
from zatlas.core.logs import LOG, Messages

Advance = Callable[[int], None]

LINE_SECONDS = 5.0  # between two lines of progress outside a terminal
NOTEBOOK_SECONDS = 1.0  # after which a task has a bar in a notebook
LATE_SECONDS = 3.0  # after which a task shows its progress
LONG_SECONDS = 10.0  # from which a task says beforehand how long it takes
_active: list[str] = []  # tasks with a bar
_printing: list["_Lines"] = []  # tasks that run now; only the innermost prints


@contextmanager
def bar(label: str, total: int, unit: str = "images", *, show: bool = True) -> Iterator[Advance]:
    """Yield a function that advances the progress of a task by a number of units.

    A terminal and a notebook show a bar. Elsewhere a line is printed every few seconds.
    """
    show = show and LOG.isEnabledFor(logging.INFO)
    _active.append(label)
    try:
        yield from _shown_bar(label, total, unit, show)
    finally:
        _active.remove(label)


def _shown_bar(label: str, total: int, unit: str, show: bool) -> Iterator[Advance]:
    if show and in_notebook():
        yield from _notebook_bar(label, total, unit)
    elif show and not Messages().isatty():
        with _Lines(label, total, unit) as lines:
            yield lines.advance
    elif show:
        with _terminal_bar(label, total, unit) as advance:
            yield advance
    else:
        yield lambda step: None


@contextmanager
def late_bar(label: str, total: int, unit: str = "images") -> Iterator[Advance]:
    """Yield a function that advances the progress of a task, which is shown only once the task is slow.

    Inside another task nothing is shown.
    """
    start, done, advance = perf_counter(), 0, None
    with ExitStack() as stack:

        def step(count: int) -> None:
            nonlocal done, advance
            done += count
            if advance is not None:
                advance(count)
            elif not _active and done < total and perf_counter() - start > LATE_SECONDS:
                advance = stack.enter_context(bar(label, total, unit))
                advance(done)

        yield step


@contextmanager
def _terminal_bar(label: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from zatlas.core.bars import RateColumn, console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console()) as progress:
        task = progress.add_task(label, total=total)
        yield lambda step: progress.update(task, advance=step)


def _notebook_bar(label: str, total: int, unit: str) -> Iterator[Advance]:
    """Yield a function that advances a bar in a notebook. A short task shows none."""
    live, lines = LiveOutput(), _Lines(label, total, unit)

    def advance(step: int) -> None:
        lines.advance(step)
        seconds = perf_counter() - lines.start
        if seconds > NOTEBOOK_SECONDS:
            live.set_progress(lines.done / max(total, 1), lines.line(seconds))

    try:
        yield advance
    finally:
        if live.status:
            live.lines.append(f"{label}: {lines.done:,} {unit} in {duration(perf_counter() - lines.start)}")
            live.close()


def announce(task: str, seconds: float, advice: str = "") -> None:
    """Print beforehand how long a task takes, and how to shorten it; nothing for a short task."""
    if seconds >= LONG_SECONDS:
        LOG.info(f"{task} takes about {duration(seconds)}. {advice}".rstrip())


def duration(seconds: float) -> str:
    """Return a time as text, in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


class _Lines:
    """Lines about a task, printed every `LINE_SECONDS` by a thread, also while one unit takes long."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.start, self.finished = 0, perf_counter(), Event()
        self.thread = Thread(target=self._print, daemon=True)

    def __enter__(self) -> "_Lines":
        _printing.append(self)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.finished.set()
        self.thread.join()
        _printing.remove(self)

    def advance(self, step: int) -> None:
        """Count this number of units as done."""
        self.done += step

    def _print(self) -> None:
        while not self.finished.wait(LINE_SECONDS):
            if _printing[-1:] == [self]:
                LOG.info(self.line(perf_counter() - self.start))

    def line(self, seconds: float) -> str:
        """The line to print this time after the start."""
        left = f", {duration(seconds / self.done * (self.total - self.done))} left" if self.done else ""
        return f"{self.label}: {self.done:,} of {self.total:,} {self.unit} in {duration(seconds)}{left}"
