"""Progress on stderr: a bar with rate and time left on a terminal, nothing elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

Advance = Callable[[int], None]


def console() -> Console:
    """Where people are told things; stdout is kept for the result. Of several processes one speaks."""
    return Console(stderr=True, highlight=False, quiet=not company().speaks)


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
