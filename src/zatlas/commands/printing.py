"""What commands share: open a run, save a figure in its gallery, and print paths, rows and messages."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from zatlas.commands.latent_space import space_of_command
from zatlas.commands.output import print_result, wants_json
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName
from zatlas.core.logs import LOG

if TYPE_CHECKING:
    from zatlas.figures.paths import LatentPath
    from zatlas.models.classifier import Classifier
    from zatlas.render.figure import Figure
    from zatlas.render.theme import Theme
    from zatlas.workspace import Workspace

MAX_FRAMES = 100_000  # of a film: an hour
MIN_SAMPLES = 20  # images
MAX_COLUMNS = 100  # of a strip
MIN_SIZE, MAX_SIZE = 16, 4096  # pixels of the image in a film
MAX_WORD = 16  # characters that a table does not break
FILMS = (".gif", ".apng", ".webp", ".mp4")


class FilmSettings(TypedDict):
    """The settings of a strip and of a film that a command passes on to `print_path`."""

    columns: int
    frames: int
    fps: int
    panel: str
    dark: bool


def open_workspace(run: Path) -> "Workspace":
    """Open the run in this folder, in the latent space that the command names."""
    from zatlas.workspace import Workspace

    return Workspace.open(run, space=space_of_command())


def theme_of(dark: bool) -> "Theme":
    """The dark theme or the light one."""
    from zatlas.render.theme import DARK, LIGHT

    return DARK if dark else LIGHT


def class_of(workspace: "Workspace", name: str | None) -> int | None:
    """The number of a class of a conditional model."""
    if name is None:
        return None
    from zatlas.latent.names import KnownNames, find

    classes = workspace.generator.class_names
    if not classes:
        raise NotSupported(f"{workspace.name} is not a conditional model. Omit --label.")
    result = find(name, KnownNames(classes=classes), anchor=False)
    if result is None or result.negated:
        raise UnknownName("class", name, classes)
    return classes.index(result.text)


def classifier_of(spec: str | None, workspace: "Workspace | None" = None) -> "Classifier | None":
    """The classifier that --classifier names, with the settings that the run stored for this file."""
    from zatlas.models.external_classifiers import open_classifier

    predictions = None if workspace is None else workspace.predictions
    stored = {} if predictions is None else predictions.settings
    return None if spec is None else open_classifier(spec, stored=stored)


def sample_count(samples: int | None, limit: int) -> int:
    """The number of images that --samples allows of at most `limit`; the default is all of them."""
    if samples is not None and samples < MIN_SAMPLES:
        raise BadRecipe(f"--samples must be {MIN_SAMPLES} or more, not {samples}. Fewer images say nothing.")
    return limit if samples is None else min(samples, limit)


def print_figure(figure: "Figure", workspace: "Workspace", name: str, out: Path | None) -> None:
    """Save a figure and print its path."""
    from zatlas.render.pixels import save

    print_result(save(figure, out or workspace.gallery / f"{name}.png"))


def print_path(
    path: "LatentPath",
    name: str,
    out: Path | None,
    *,
    frames: int,
    fps: int,
    panel: str,
    dark: bool,
    columns: int = 11,
    size: int | None = None,
) -> None:
    """Save a path as a strip, a film or both, depending on the file name, and print the file paths."""
    from zatlas.render.pixels import save

    if not 1 <= frames <= MAX_FRAMES:
        raise BadRecipe(f"A film has from 1 frame to {MAX_FRAMES:,}, not {frames:,}.")
    if not 1 <= columns <= MAX_COLUMNS:
        raise BadRecipe(f"A row of a strip has from 1 image to {MAX_COLUMNS}, not {columns:,}.")
    if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
        raise BadRecipe(f"--size takes from {MIN_SIZE} to {MAX_SIZE:,} pixels, not {size:,}.")
    theme = theme_of(dark)
    strip_file = film_file = out
    if out is None:
        strip_file = path.workspace.gallery / f"{name}.png"
        film_file = strip_file.with_suffix(".gif")
    if strip_file is not None and strip_file.suffix.lower() not in FILMS:
        print_result(save(path.strip(columns, theme=theme), strip_file))
    if film_file is not None and film_file.suffix.lower() in FILMS:
        print_result(path.film(film_file, frames, fps=fps, panel=panel, theme=theme, size=size))


def print_rows(rows: Sequence[Mapping[str, Any]], table: Sequence[Mapping[str, Any]] | None = None) -> None:
    """Print rows to stdout: to a terminal as a table, else or with --json as JSON with every value.

    `table` has the rows of the table, if they are shorter.
    """
    if rows and not wants_json():
        from rich.console import Console

        print_table(rows if table is None else table, Console())
    else:
        print(json.dumps(rows, indent=1))


def print_table(rows: Sequence[Mapping[str, Any]], screen: Any = None) -> None:
    """Print rows as a table, by default to stderr, where --quiet leaves it out.

    Numbers have three significant digits. Numbers and words are not broken, as far as the width allows.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from zatlas.core.bars import console

    if screen is None and not LOG.isEnabledFor(logging.INFO):
        return
    screen = screen or console()
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[cell_text(row.get(name)) for row in rows] for name in names]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    widths = _widths([[name, *column] for name, column in zip(names, cells, strict=True)], screen.width)
    for name, width in zip(names, widths, strict=True):
        numbers = all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
        justify: Any = "right" if numbers else "left"
        table.add_column(Text(name), overflow="fold", justify=justify, width=width)
    for row in zip(*cells, strict=True):
        table.add_row(*map(Text, row))
    screen.print(table)


def _widths(columns: Sequence[Sequence[str]], total: int) -> list[int]:
    """Return the width of each column, with all its words unbroken if the table then fits."""
    total -= 2 * len(columns)
    limit = MAX_WORD
    while True:
        least = [min(limit, max(map(len, " ".join(column).split()))) for column in columns]
        if sum(least) <= total or limit == 1:
            break
        limit -= 1
    widths = [max(map(len, column)) for column in columns]
    while sum(widths) > max(total, sum(least)):
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths


def cell_text(value: Any) -> str:
    """Return a value as the text of a cell."""
    from zatlas.core.numbers import significant

    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return significant(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell_text(each)}" for key, each in value.items())
    return ", ".join(map(cell_text, value)) if isinstance(value, (list, tuple)) else str(value)


def print_limits(workspace: "Workspace", names: Sequence[str]) -> None:
    """Print the limit of each attribute that is a number, such as "age: above 32, the median"."""
    from zatlas.directions.find import known_names
    from zatlas.latent.attributes import limit_text
    from zatlas.latent.names import find

    if not workspace.source.indexed or not workspace.has_dataset:
        return
    vocabulary = known_names(workspace)
    for name in names:
        parsed = find(name, vocabulary, anchor=False)
        if parsed is not None and (text := limit_text(workspace.dataset, parsed)):
            message(f"{text}. For another limit: '{parsed.text}>NUMBER'")


def message(text: str) -> None:
    """Print a message for people to stderr."""
    LOG.info(text)
