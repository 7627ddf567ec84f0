"""HTML pages of figures, notes and tables, readable offline and without JavaScript."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, ClassVar
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

FILMS = (".mp4", ".webm")
TEMPLATES = Path(__file__).parent / "templates"
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
    size: tuple[int, int] | None = None  # width and height in pixels; those of a data: URL are read from it
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
    def extent(self) -> Markup:
        """The attributes of the size and the shape, so that the page does not move when the image arrives."""
        size = self.size
        if size is None and self.embedded:
            size = image_size(io.BytesIO(base64.b64decode(self.file.partition(",")[2])))
        if size is None:
            return Markup("")
        shape = f"{size[0] / size[1]:.4g}"
        return Markup(' width="{}" height="{}" style="--shape:{}"').format(*size, shape)

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
    explore: str = "",
    links: Sequence[tuple[str, str]] = (),
    footer: str = FOOTER,
    dark: bool = False,
) -> str:
    """Render a page as HTML.

    skipped: figures that were not drawn, with the reason. explore: command that opens the explorer. links:
    names and addresses of other pages.
    """
    values = {"title": title, "about": about, "sections": sections, "skipped": skipped, "footer": footer}
    return _template().render(
        **values,
        explore=explore,
        links=links,
        dark=dark,
        brand=Markup((TEMPLATES / "brand.css").read_text("utf-8")),
    )


def image_size(file: Path | BinaryIO) -> tuple[int, int] | None:
    """Return width and height of an image; None for a film or a vector image."""
    try:
        with Image.open(file) as image:
            return image.size
    except UnidentifiedImageError:
        return None


def existing_links(page: Path, targets: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Return those of these pages that exist, as names and addresses relative to a page."""
    return [
        (name, quote(os.path.relpath(target, page.parent).replace(os.sep, "/")))
        for name, target in targets.items()
        if target.is_file()
    ]


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")
