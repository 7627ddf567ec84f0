"""`Entry`: a figure of the gallery; `RunFigure`: a figure that a plugin adds to the gallery of every run."""

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.errors import NotSupported, ZatlasError, first_line
from zatlas.core.registry import FIGURES
from zatlas.figures import file_name
from zatlas.render.figure import Figure, Plot
from zatlas.render.pixels import save
from zatlas.render.theme import Theme
from zatlas.workspace import Workspace

Words = tuple[str | Path | int | float, ...]  # arguments of a command


@dataclass(frozen=True)
class Entry:
    """A figure to draw, with its texts for the page."""

    section: str
    file: str
    title: str
    about: str
    theory: str
    words: Words  # of the command that draws it again
    draw: Callable[[Path], Path]

    @property
    def name(self) -> str:
        """The name by which `zatlas gallery --only` draws it: that of its file, of a figure without .png."""
        return self.file.removesuffix(".png")


def applies_always(workspace: Workspace) -> bool:
    """Return True, for a figure of every run."""
    return True


@dataclass(frozen=True)
class RunFigure:
    """A figure of a run. The gallery shows it, and `zatlas gallery RUN --only NAME` draws it."""

    title: str
    about: str  # what it shows, in one sentence
    draw: Callable[[Workspace, Theme], Any]  # returns a `Figure`, or a figure of matplotlib
    section: str = "More figures"  # heading of the page
    theory: str = ""  # why it looks as it does
    applies: Callable[[Workspace], bool] = applies_always


def run_figures(workspace: Workspace) -> Iterator[tuple[str, RunFigure]]:
    """Yield the registered figures that apply to this run; one that fails is left out with a warning."""
    for name, figure in FIGURES.working():
        try:
            applies = figure.applies(workspace)
        except Exception as error:  # a plugin can fail in any way
            FIGURES.warn_failed(name, error)
            continue
        if applies:
            yield name, figure


def entry_of(name: str, figure: RunFigure, workspace: Workspace, theme: Theme, taken: Set[str]) -> Entry:
    """Return the entry of a registered figure; `taken` holds the names of the other entries."""
    stem = file_name(name)
    stem = f"plugin-{stem}" if stem in taken else stem

    def draw(path: Path) -> Path:
        try:
            rendered = figure.draw(workspace, theme)
            return save(rendered if isinstance(rendered, Figure) else Plot(rendered), path)
        except ZatlasError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise NotSupported(f"{FIGURES.title(name, 'The')} failed: {reason}.") from error

    words = ("gallery", workspace.run.folder, "--only", stem)
    return Entry(figure.section, f"{stem}.png", figure.title, figure.about, figure.theory, words, draw)
