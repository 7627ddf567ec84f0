"""What commands share: open a run, save a figure in its gallery, and print paths, rows and messages."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from zatlas.core.errors import BadRecipe, NotSupported, UnknownName

if TYPE_CHECKING:
    from zatlas.figures.paths import LatentPath
    from zatlas.models.classifier import Classifier
    from zatlas.render.figure import Figure
    from zatlas.render.theme import Theme
    from zatlas.workspace import Workspace

MAX_FRAMES = 100_000  # of a film: an hour
MIN_SAMPLES = 20  # images
MAX_COLUMNS = 100  # of a strip
FILMS = (".gif", ".apng", ".webp", ".mp4")


class FilmSettings(TypedDict):
    """The settings of a strip and of a film that a command passes on to `print_path`."""

    columns: int
    frames: int
    fps: int
    panel: str
    dark: bool


def open_workspace(run: Path) -> "Workspace":
    """Open the run in this folder."""
    from zatlas.workspace import Workspace

    return Workspace.open(run)


def theme_of(dark: bool) -> "Theme":
    """The dark theme or the light one."""
    from zatlas.render.theme import DARK, LIGHT

    return DARK if dark else LIGHT


def class_of(workspace: "Workspace", name: str | None) -> int | None:
    """The number of a class of a conditional model."""
    if name is None:
        return None
    from zatlas.latent.names import KnownNames, find

    classes = workspace.generator.classes
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

    print(save(figure, out or workspace.run.gallery / f"{name}.png"))


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
) -> None:
    """Save a path as a strip, a film or both, depending on the file name, and print the file paths."""
    from zatlas.render.pixels import save

    if not 1 <= frames <= MAX_FRAMES:
        raise BadRecipe(f"A film has from 1 frame to {MAX_FRAMES:,}, not {frames:,}.")
    if not 1 <= columns <= MAX_COLUMNS:
        raise BadRecipe(f"A row of a strip has from 1 image to {MAX_COLUMNS}, not {columns:,}.")
    theme = theme_of(dark)
    strip_file = film_file = out
    if out is None:
        strip_file = path.workspace.run.gallery / f"{name}.png"
        film_file = strip_file.with_suffix(".gif")
    if strip_file is not None and strip_file.suffix.lower() not in FILMS:
        print(save(path.strip(columns, theme=theme), strip_file))
    if film_file is not None and film_file.suffix.lower() in FILMS:
        print(path.film(film_file, frames, fps=fps, panel=panel, theme=theme))


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows to stdout: as a table to a terminal, else as JSON."""
    if sys.stdout.isatty() and rows:
        from rich.console import Console

        print_table(rows, Console())
    else:
        print(json.dumps(rows, indent=1))


def print_table(rows: Sequence[Mapping[str, Any]], screen: Any = None) -> None:
    """Print rows as a table, by default to stderr; numbers have three significant digits."""
    from rich import box
    from rich.table import Table

    from zatlas.core.progress import console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    (screen or console()).print(table)


def _cell(value: Any) -> str:
    """A value of a table: yes or no, a number with three significant digits, or its text."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def message(text: str) -> None:
    """Print a message for people to stderr."""
    from zatlas.core.progress import console

    console().print(text, soft_wrap=True, markup=False)
