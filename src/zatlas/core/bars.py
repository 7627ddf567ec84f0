"""Progress bars on a terminal, and the console that draws them, by rich. Imported when first needed."""

from typing import IO, cast

from rich.console import Console
from rich.progress import ProgressColumn, Task
from rich.text import Text

from zatlas.core.logs import Messages
from zatlas.core.process_group import process_group


def console() -> Console:
    """Return a console on stderr. Of several processes only the first prints."""
    return Console(file=cast(IO[str], Messages()), highlight=False, quiet=not process_group().is_main)


class RateColumn(ProgressColumn):
    """The rate, in units a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else "", style="dim")
