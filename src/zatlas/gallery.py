"""The gallery of a run: every figure that applies to it, in one folder, with an HTML page."""

import os
import sys
import webbrowser
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from zatlas.core.errors import BadData, NotSupported
from zatlas.core.logs import LOG
from zatlas.core.progress import bar
from zatlas.core.shell import shell_command
from zatlas.figures.catalogue import Entry, entries
from zatlas.metrics.titles import describe_run
from zatlas.page import PageFigure, PageSection, render_page
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic
from zatlas.workspace import Workspace


def draw_gallery(workspace: Workspace, folder: Path | str | None = None, *, theme: Theme = LIGHT) -> Path:
    """Draw every figure that applies to this run, write the page that shows them, and return its path."""
    folder = Path(folder or workspace.run.gallery)
    options = ["--dark"] if theme.name == "dark" else []
    planned = [replace(entry, words=(*entry.words, *options)) for entry in entries(workspace, theme)]
    if workspace.source.indexed:
        workspace.table("train"), workspace.table("test")  # computed once, before threads need them
    figures: list[tuple[Entry, Path]] = []
    missing: dict[str, list[str]] = {}  # reason -> titles of the figures that were not drawn
    with bar("drawing", len(planned), "figures") as advance, ThreadPoolExecutor(2) as pool:
        jobs = [(entry, pool.submit(entry.draw, folder / entry.file)) for entry in planned]
        try:
            for entry, job in jobs:
                try:
                    figures.append((entry, job.result()))
                except (NotSupported, BadData) as error:
                    missing.setdefault(str(error), []).append(entry.title)
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # after an interrupt, start no further figure
            raise
    skipped = [f"{', '.join(titles)}: {why}" for why, titles in missing.items()]
    for line in skipped:
        LOG.info(f"not drawn: {line}")
    text = render_page(
        f"The latent space of {workspace.name}",
        describe_run(workspace),
        _sections(figures, folder),
        skipped,
        dark=theme.name == "dark",
    )
    return atomic.write_file(folder / "index.html", text.encode())


def open_page(path: Path) -> None:
    """Open a page in the browser, if the machine has a display."""
    graphical = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if graphical or sys.platform in ("darwin", "win32"):
        webbrowser.open(path.resolve().as_uri())


def _sections(figures: Sequence[tuple[Entry, Path]], folder: Path) -> list[PageSection]:
    figures_of: dict[str, list[PageFigure]] = {}
    for entry, path in figures:
        figure = PageFigure(
            path.relative_to(folder).as_posix(),
            entry.title,
            entry.about,
            entry.theory,
            shell_command(*entry.words),
        )
        figures_of.setdefault(entry.section, []).append(figure)
    return [PageSection(title, tuple(figures)) for title, figures in figures_of.items()]
