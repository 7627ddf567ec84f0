"""The gallery of a run: everything that applies to it, drawn into one folder, with a page to read."""

import os
import sys
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.errors import BadData, NotSupported
from zatlas.core.progress import bar, console
from zatlas.core.shell import shell_command
from zatlas.directions.find import known_of
from zatlas.figures import file_names, geometry, maps, paths, sheets
from zatlas.figures.paths import LatentPath
from zatlas.latent.attributes import flags_of, pretty, yes_or_no
from zatlas.latent.curves import spiral
from zatlas.latent.names import Known, Name, text_of
from zatlas.locate import class_word, classes_with_images, default_anchors, kind_of
from zatlas.metrics.titles import describe_run
from zatlas.page import Figure, Section, render_page
from zatlas.render.pixels import save
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

    from zatlas.render.canvas import Canvas

Words = tuple[str | Path, ...]  # of a command

GRID_SIDE = 15  # places along a grid
FACE_ATTRIBUTES = (
    "Smiling",
    "Mouth_Slightly_Open",
    "Bald",
    "Bangs",
    "Gray_Hair",
    "Black_Hair",
    "Brown_Hair",
    "Blond_Hair",
    "No_Beard",
    "Pale_Skin",
    "Oval_Face",
    "Male",
)
MAX_FILMS = 2  # attributes that are films too
MAX_ATTRIBUTES = 12  # attributes that are drawn


@dataclass(frozen=True)
class Entry:
    """A picture that is to be drawn, and the words that stand beside it."""

    section: str
    file: str
    title: str
    about: str
    theory: str
    command: str
    draw: Callable[[Path], Path]


def draw_gallery(workspace: Workspace, folder: Path | None = None, *, theme: Theme = LIGHT) -> Path:
    """Draw every picture that applies to this run, and the page that shows them; the page's path."""
    folder = folder or workspace.run.gallery
    entries = list(_entries(workspace, theme))
    if workspace.coded:
        workspace.codes("train"), workspace.codes("test")  # once, before several pictures ask for them
    drawn: list[tuple[Entry, Path]] = []
    lacking: dict[str, list[str]] = {}  # titles by what stands in the way
    with bar("drawing", len(entries), "pictures") as advance, ThreadPoolExecutor(2) as pool:
        jobs = [(entry, pool.submit(entry.draw, folder / entry.file)) for entry in entries]
        try:
            for entry, job in jobs:
                try:
                    drawn.append((entry, job.result()))
                except (NotSupported, BadData) as error:
                    lacking.setdefault(str(error), []).append(entry.title)
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # who stops it does not want the rest
            raise
    left_out = [f"{', '.join(titles)}: {why}" for why, titles in lacking.items()]
    for line in left_out:
        console().print(f"left out: {line}", soft_wrap=True, markup=False)
    text = render_page(
        _title(workspace),
        describe_run(workspace),
        _sections(drawn, folder),
        left_out,
        dark=theme.name == "dark",
    )
    return atomic.write_file(folder / "index.html", text.encode())


def open_page(place: Path) -> None:
    """Open a page where there is a screen."""
    graphical = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if graphical or sys.platform in ("darwin", "win32"):
        webbrowser.open(place.resolve().as_uri())


def _entries(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    yield from _made(workspace, theme)
    if workspace.coded or workspace.given is not None:
        yield from _places(workspace, theme)
    yield from _ways(workspace, theme)
    if workspace.coded:
        yield from _meanings(workspace, theme)
    yield from _geometry(workspace, theme)


def _made(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, prior = workspace.run.folder, workspace.generator.space.prior != "none"
    part = "What it makes"
    yield Entry(
        part,
        "samples.png",
        "Samples",
        "Images of points drawn by chance"
        + (" from the prior." if prior else " from a normal distribution as wide as the codes."),
        "A generative model is a way from simple chance to pictures: every point of the prior is meant to be one."
        if prior
        else "An auto-encoder was never asked to fill its space: what lies between its codes is left to luck.",
        shell_command("sample", run),
        lambda path: save(sheets.sample_sheet(workspace, theme=theme), path),
    )
    if not workspace.coded or kind_of(workspace) == "sample":  # samples that were read are the prior's
        return
    yield Entry(
        part,
        "samples-priors.png",
        "Samples where the codes are",
        "Images of points of the run's own prior, beside those of a density that was fitted to the codes.",
        "Codes seldom fill the prior evenly. A density fitted to them leaves its empty places out, and samples improve.",
        shell_command("prior", run),
        lambda path: save(sheets.prior_sheet(workspace, theme=theme), path),
    )
    yield Entry(
        part,
        "reconstructions.png",
        "Reconstructions",
        f"Images the model {'has not seen' if workspace.holds_out else 'was trained on'}, and what is left of them in {workspace.dim} numbers.",
        "What the code cannot hold is lost; a decoder that must guess takes the mean, and the mean is soft.",
        shell_command("reconstruct", run),
        lambda path: save(sheets.reconstruction_sheet([workspace], theme=theme), path),
    )


def _places(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, part = workspace.run.folder, "Where things lie"
    codes = "samples" if kind_of(workspace) == "sample" else "codes"
    named = "; the name of a class stands in the middle of its points."
    yield Entry(
        part,
        "manifold.png",
        "The latent plane",
        f"A plane of the latent space, decoded at {GRID_SIDE} x {GRID_SIDE} places, the second axis upwards.",
        "At equal steps of the prior's mass, every tile stands for the same share of what the model would make."
        if workspace.generator.space.prior != "none"
        else "Steps are even between the 1st and the 99th percentile of the codes.",
        shell_command("grid", run),
        lambda path: save(sheets.manifold(workspace, GRID_SIDE, theme=theme), path),
    )
    yield Entry(
        part,
        "points.png",
        f"The {codes}",
        f"Where the {'test image' if kind_of(workspace) == 'image' else kind_of(workspace)}s lie"
        + (named if workspace.has_images and workspace.images.classes else "."),
        "No label was told to the model while it laid them out."
        if not workspace.generator.classes
        else "The class is told to this model, so it need not be in the code: the classes lie over each other.",
        shell_command("points", run),
        lambda path: save(maps.latent_scatter(workspace, theme=theme), path),
    )
    if workspace.dim > 2:
        yield Entry(
            part,
            "chart.png",
            "A chart",
            f"The {codes} laid out flat by UMAP: {workspace.dim} axes become two, neighbours stay neighbours.",
            "Distances far apart mean little on such a chart; its trustworthiness says how far neighbours can be believed.",
            shell_command("chart", run),
            lambda path: save(maps.chart_scatter(workspace, workspace.chart(), theme=theme), path),
        )
        yield Entry(
            part,
            "chart-sheet.png",
            "The chart, decoded",
            "The picture that lies under each place of the chart; faded where there is no data.",
            "A place is taken back to a code by the codes around it, and the code is decoded.",
            shell_command("grid", run, "--by", "chart"),
            lambda path: save(sheets.chart_sheet(workspace, workspace.chart(), GRID_SIDE, theme=theme), path),
        )


def _ways(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, part = workspace.run.folder, "Ways through"
    stops, kind = default_anchors(workspace, 4), kind_of(workspace)
    names = [stop.name for stop in stops]
    theory = "In two axes the straight way is as good as any."
    if workspace.dim > 2:
        theory = "The way keeps to the distance from the centre where the data lies."
    yield from _move(
        part,
        "interpolation",
        f"From {kind} to {kind}",
        f"A way through three {kind}s and back to the first.",
        f"{theory} It is walked so that the picture changes at a steady pace.",
        ("interpolate", run, *names[:3], "--loop", "--even"),
        lambda: paths.interpolation(workspace, stops[:3], closed=True, even=True),
        theme,
        panel="prior" if workspace.dim == 2 else "none",
    )
    yield Entry(
        part,
        "corners.png",
        "Between four",
        f"Four {kind}s at the corners, and every mixture of them between.",
        "A point between two codes is a picture between two pictures: not a cross-fade, a decision.",
        shell_command("interpolate", run, *names, "--corners"),
        lambda path: save(sheets.four_corners(workspace, stops, theme=theme), path),
    )
    yield from _move(
        part,
        "traversal",
        "One axis at a time",
        "Each row moves one axis and holds the others; those first that change the image most.",
        "An axis that changes nothing holds nothing: the model has left it unused.",
        ("traverse", run),
        lambda: paths.traversal(workspace),
        theme,
        film=False,
    )
    if workspace.dim == 2:
        yield from _move(
            part,
            "spiral",
            "A spiral",
            "From the middle of the plane outwards, with the place beside the image.",
            "The prior is densest in the middle: images there are seen most often, and are best learnt.",
            ("spiral", run),
            lambda: paths.plane_walk(workspace, spiral(), f"A spiral in {workspace.name}"),
            theme,
            panel="prior",
        )


def _meanings(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, part = workspace.run.folder, "What directions mean"
    flags, kind, known = yes_or_no(workspace.images), kind_of(workspace), known_of(workspace)
    chosen = [name for name in FACE_ATTRIBUTES if name in flags] or flags[:MAX_ATTRIBUTES]
    files = file_names(f"attribute-{name}" for name in chosen)
    for number, (name, file) in enumerate(zip(chosen, files, strict=True)):
        typed = text_of(Name("attribute", name), known, anchor=False)
        yield from _move(
            part,
            file,
            pretty(name),
            f"Four {kind}s moved against and along the attribute; the one in the middle is as it was.",
            f"The direction is the difference of the mean codes of {kind}s with and without it."
            if number == 0
            else "",
            ("attribute", run, typed),
            partial(paths.attribute, workspace, typed),
            theme,
            film=number < MAX_FILMS,
        )
    equation = _equation(workspace, chosen, known)
    if not equation:
        return
    yield Entry(
        part,
        "arithmetic.png",
        "Arithmetic",
        "Mean codes, added and taken away, and what the result looks like.",
        "If what two groups differ in is a direction, the direction can be added to something else.",
        shell_command("arithmetic", run, equation),
        lambda path: save(geometry.arithmetic(workspace, equation, theme=theme)[0], path),
    )


def _equation(workspace: Workspace, flags: Sequence[str], known: Known) -> str:
    """An equation of an attribute or of three classes; empty where there are too few of them."""
    if flags:
        chosen = "Eyeglasses" if "Eyeglasses" in flags else flags[0]
        added = Name("attribute", chosen)
        removed = text_of(replace(added, negated=True), known)
        lacking = np.flatnonzero(~flags_of(workspace.images, workspace.codes("test").rows, added))
        word = text_of(added, known)
        return f"{lacking[0]} + {word} - {removed}" if len(lacking) else f"{word} - 0 + 1"
    classes = classes_with_images(workspace)
    if len(classes) < 3:
        return ""
    first, second, third = (class_word(workspace, name) for name in classes[:3])
    return f"{first} - {second} + {third}"


def _geometry(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, part = workspace.run.folder, "What many dimensions do"
    theories = {
        "volumes": (
            "The volume of a ball",
            "Most of a box is corners: a ball within it holds next to nothing.",
        ),
        "norms": ("The shell", "The norms of normal samples gather at the square root of the dimensions."),
        "midpoints": (
            "Half way",
            "The line between two points of a shell cuts through the inside, where no data is; the arc does not.",
        ),
    }
    if kind_of(workspace) != "sample":  # which would be held against themselves
        theories["own-norms"] = (
            "This run's codes",
            "Means lie inside the shell, draws around them on it: the encoder is sure of less than all.",
        )
    draw: dict[str, Callable[[], Canvas | Plot]] = {
        "own-norms": lambda: geometry.own_norms(workspace, theme=theme),
        "volumes": lambda: geometry.volumes(theme=theme),
        "norms": lambda: geometry.norms(theme=theme),
        "midpoints": lambda: geometry.midpoints(workspace, theme=theme),
    }
    for name, (title, theory) in theories.items():
        yield Entry(
            part,
            f"geometry-{name}.png",
            title,
            "",
            theory,
            shell_command("geometry", run),
            partial(_put, draw[name]),
        )


def _move(
    part: str,
    file: str,
    title: str,
    about: str,
    theory: str,
    words: Words,
    make: Callable[[], LatentPath],
    theme: Theme,
    *,
    film: bool = True,
    panel: str = "none",
) -> Iterator[Entry]:
    """A strip and, if it is wanted, the film of the same move."""
    yield Entry(
        part,
        f"{file}.png",
        title,
        about,
        theory,
        shell_command(*words),
        lambda path: save(make().strip(theme=theme), path),
    )
    if film:
        yield Entry(
            part,
            f"{file}.mp4",
            f"{title}, moving",
            "",
            "",
            shell_command(*words, "--out", f"{file}.mp4"),
            lambda path: make().film(path, 150, panel=panel, theme=theme),
        )


def _put(draw: Callable[[], "Canvas | Plot"], path: Path) -> Path:
    return save(draw(), path)


def _sections(drawn: Sequence[tuple[Entry, Path]], folder: Path) -> list[Section]:
    found: dict[str, list[Figure]] = {}
    for entry, path in drawn:
        figure = Figure(
            path.relative_to(folder).as_posix(), entry.title, entry.about, entry.theory, entry.command
        )
        found.setdefault(entry.section, []).append(figure)
    return [Section(title, tuple(figures)) for title, figures in found.items()]


def _title(workspace: Workspace) -> str:
    return f"The latent space of {workspace.name}"
