"""HTML pages of figures, notes and tables, readable offline and without JavaScript."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

FILMS = (".mp4", ".webm")
DATA_URL = "data:"  # starts the address of a figure that is embedded in the page
FOOTER = "Made by zatlas. The command under a figure draws it again."


@dataclass(frozen=True)
class PageFigure:
    """An image or a film with its texts."""

    file: str  # relative to the page, or a data: URL
    title: str
    about: str = ""
    theory: str = ""
    command: str = ""
    link: str = ""  # page that a click opens instead of the image
    kind: ClassVar = "figure"

    @property
    def embedded(self) -> bool:
        """Whether the image is a data: URL."""
        return self.file.startswith(DATA_URL)

    @property
    def film(self) -> bool:
        """Whether the file is a film."""
        return self.file.endswith(FILMS)

    @property
    def source(self) -> str:
        """The URL of the file: `#`, `?` and `%` belong to its name."""
        return self.file if self.embedded else quote(self.file)

    @property
    def target(self) -> str:
        """The URL that a click opens."""
        return quote(self.link) if self.link else self.source


@dataclass(frozen=True)
class PageNote:
    """A text with commands to copy."""

    title: str
    about: str
    commands: tuple[tuple[str, str], ...] = ()  # (purpose, command)
    kind: ClassVar = "note"


@dataclass(frozen=True)
class PageTable:
    """Rows of texts with column names; in a narrow window each cell shows its column name."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: ClassVar = "table"


@dataclass(frozen=True)
class PageSection:
    """A heading with its figures, notes and tables."""

    title: str
    parts: tuple[PageFigure | PageNote | PageTable, ...]

    @property
    def anchor(self) -> str:
        """The id of the heading in the page."""
        return "-".join(self.title.lower().split())


def render_page(
    title: str,
    about: str,
    sections: Sequence[PageSection],
    skipped: Sequence[str] = (),
    *,
    footer: str = FOOTER,
    dark: bool = False,
) -> str:
    """Render a page as HTML; `skipped` lists figures that were not drawn, with the reason."""
    return _template().render(
        title=title, about=about, sections=sections, skipped=skipped, footer=footer, dark=dark
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")
