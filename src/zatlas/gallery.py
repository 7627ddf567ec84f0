"""The gallery of a run: every figure that applies to it, in one folder, with an HTML page."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from zatlas.core.errors import BadData, NotSupported, UnknownName
from zatlas.core.logs import LOG
from zatlas.core.progress import bar
from zatlas.figures.catalogue import entries
from zatlas.figures.entry import Entry
from zatlas.metrics.titles import describe_run
from zatlas.page import PageFigure, PageSection, existing_links, image_size, render_page
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic
from zatlas.workspace import Workspace


def draw_gallery(workspace: Workspace, folder: Path | str | None = None, *, theme: Theme = LIGHT) -> Path:
    """Draw every figure that applies to this run, write the page that shows them, and return its path."""
    folder = Path(folder or workspace.gallery)
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
        _sections(workspace, figures, folder),
        skipped,
        explore=workspace.command("explore", workspace.run.folder),
        links=existing_links(folder / "index.html", {"Evaluation report": workspace.folder("report.html")}),
        dark=theme.name == "dark",
    )
    return atomic.write_file(folder / "index.html", text.encode())


def draw_one(
    workspace: Workspace, name: str, folder: Path | str | None = None, *, theme: Theme = LIGHT
) -> Path:
    """Draw the figure of the gallery that has this name, and return its path.

    The name is that of its file, without .png.
    """
    planned = {entry.name: entry for entry in entries(workspace, theme)}
    if name not in planned:
        raise UnknownName("figure in the gallery of this run", name, planned)
    return planned[name].draw(Path(folder or workspace.gallery) / planned[name].file)


def _sections(workspace: Workspace, figures: Sequence[tuple[Entry, Path]], folder: Path) -> list[PageSection]:
    figures_of: dict[str, list[PageFigure]] = {}
    for entry, path in figures:
        figure = PageFigure(
            path.relative_to(folder).as_posix(),
            entry.title,
            entry.about,
            entry.theory,
            workspace.command(*entry.words),
            size=image_size(path),
        )
        figures_of.setdefault(entry.section, []).append(figure)
    return [PageSection(title, tuple(figures)) for title, figures in figures_of.items()]
