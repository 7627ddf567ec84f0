"""The report of a run: its score as a page to read, offline, with the pictures in it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.shell import shell_command
from zatlas.page import Figure, Note, Section, Table, page
from zatlas.pictures import facts, maps, sheets
from zatlas.render.pixels import Drawn, plotted
from zatlas.render.plot import bars
from zatlas.render.theme import LIGHT, Theme
from zatlas.score.figure import Figure as ScoreFigure
from zatlas.score.score import GROUPS, Score
from zatlas.score.words import floor_in_words, group_in_words, title_of, value_in_words
from zatlas.store import atomic
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

    from zatlas.render.canvas import Canvas

MOST_AXES = 32  # that are drawn as bars


def write_report(workspace: Workspace, score: Score, path: Path, *, theme: Theme = LIGHT) -> Path:
    """Write the page of this score."""
    sections = [_diagnosis(score), *_groups(workspace, score, theme)]
    text = page(
        f"How good is the latent space of {workspace.name}?",
        score.about,
        sections,
        told="Made by zatlas. ± is one standard error; n is how many images, samples or pairs "
        f"were measured. Made again by: {shell_command('score', workspace.run.folder)}",
        dark=theme.name == "dark",
    )
    return atomic.write_file(path, text.encode())


def _diagnosis(score: Score) -> Section:
    if not score.findings:
        clean = "None of the illnesses that can be told from these figures was found."
        return Section("Diagnosis", (Note("Nothing ails this run", clean),))
    notes = []
    for finding in score.findings:
        known = {figure.name: figure for figure in score.figures}
        shown = [known[name] for name in finding.because if name in known]
        because = "; ".join(f"{title_of(one)} {value_in_words(one)}" for one in shown)
        words = f"{finding.words} Seen by: {because}." if because else finding.words
        cures = tuple((cure.what, cure.command) for cure in finding.cures)
        notes.append(Note(finding.name.capitalize(), words, cures))
    return Section("Diagnosis", tuple(notes))


def _groups(workspace: Workspace, score: Score, theme: Theme) -> list[Section]:
    found = []
    for group in GROUPS:
        figures = [figure for figure in score.figures if figure.group == group]
        if not figures:
            continue
        rows = tuple(
            (title_of(one), _whole(value_in_words(one)), _whole(floor_in_words(one)), _count(one), one.about)
            for one in figures
        )
        table = Table(("", "value", "hold it against", "n", "what it is"), rows)
        pictures = [
            Figure(_within(picture), title) for title, picture in _drawn(workspace, score, group, theme)
        ]
        found.append(Section(group_in_words(group), (table, *pictures)))
    return found


def _whole(number: str) -> str:
    """The number and its error, which no line parts."""
    return number.replace(" ± ", "\u00a0±\u00a0")


def _count(figure: ScoreFigure) -> str:
    return f"{figure.n:,}" if figure.n else ""  # none were measured: it is read off the recipe


def _drawn(
    workspace: Workspace, score: Score, group: str, theme: Theme
) -> Sequence[tuple[str, "Canvas | Plot"]]:
    """The pictures that go with a group of figures."""
    if group == "likelihood" and workspace.generator.encoder is not None:
        which = "it has not seen" if workspace.holds_out else "it was trained on"
        return [(f"What is left of images {which}", sheets.reconstructions([workspace], theme=theme))]
    if group == "space" and workspace.source.indexed:
        pictures = [("Its codes and its prior", facts.own_norms(workspace, theme=theme))]
        rates = next((one.parts for one in score.figures if one.name == "axis_rate"), {})
        return [*pictures, ("What each axis tells", _axes(rates, theme))] if rates else pictures
    if group == "samples":
        return [("What it makes", sheets.samples(workspace, theme=theme))]
    if group == "charts" and workspace.dim > 2:
        return [("Its chart", maps.chart_map(workspace, workspace.chart(), theme=theme))]
    if group == "charts":
        return [("Its codes", maps.points(workspace, theme=theme))]
    return []


def _axes(rates: Mapping[str, float], theme: Theme) -> "Plot":
    order = sorted(rates, key=lambda name: -rates[name])[:MOST_AXES]
    left = f", the first {MOST_AXES} of {len(rates)}" if len(rates) > MOST_AXES else ""
    values = np.array([rates[name] for name in order])
    return bars(
        order,
        values,
        title=f"What each axis tells of an image{left}",
        axis="nats: how far its posteriors are from the prior",
        theme=theme,
    )


def _within(picture: "Canvas | Plot") -> str:
    """The picture as part of a page."""
    drawn = picture.drawn("png") if isinstance(picture, Drawn) else plotted(picture, "png")
    return "data:image/png;base64," + base64.b64encode(drawn).decode()
