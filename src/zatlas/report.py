"""The report of a run: its score as a page to read, offline, with the pictures in it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.shell import shell_command
from zatlas.figures import geometry, maps, sheets
from zatlas.metrics.evaluation import GROUPS, EvaluationResult
from zatlas.metrics.metric import Metric as ScoreFigure
from zatlas.metrics.titles import format_baseline, format_value, group_title, metric_title
from zatlas.page import Figure, Note, Section, Table, render_page
from zatlas.render.pixels import Drawn, plotted
from zatlas.render.plot import bars
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

    from zatlas.render.canvas import Canvas

MAX_BARS = 32  # that are drawn as bars


def write_report(workspace: Workspace, score: EvaluationResult, path: Path, *, theme: Theme = LIGHT) -> Path:
    """Write the page of this score."""
    sections = [_diagnosis(score), *_groups(workspace, score, theme)]
    text = render_page(
        f"How good is the latent space of {workspace.name}?",
        score.about,
        sections,
        told="Made by zatlas. ± is one standard error; n is how many images, samples or pairs "
        f"were measured. Made again by: {shell_command('score', workspace.run.folder)}",
        dark=theme.name == "dark",
    )
    return atomic.write_file(path, text.encode())


def _diagnosis(score: EvaluationResult) -> Section:
    if not score.findings:
        clean = "None of the illnesses that can be told from these figures was found."
        return Section("Diagnosis", (Note("Nothing ails this run", clean),))
    notes = []
    for finding in score.findings:
        known = {figure.name: figure for figure in score.metrics}
        shown = [known[name] for name in finding.evidence if name in known]
        because = "; ".join(f"{metric_title(one)} {format_value(one)}" for one in shown)
        words = f"{finding.text} Seen by: {because}." if because else finding.text
        suggestions = tuple((suggestion.text, suggestion.command) for suggestion in finding.suggestions)
        notes.append(Note(finding.name.capitalize(), words, suggestions))
    return Section("Diagnosis", tuple(notes))


def _groups(workspace: Workspace, score: EvaluationResult, theme: Theme) -> list[Section]:
    found = []
    for group in GROUPS:
        figures = [figure for figure in score.metrics if figure.group == group]
        if not figures:
            continue
        rows = tuple(
            (
                metric_title(one),
                _whole(format_value(one)),
                _whole(format_baseline(one)),
                _count(one),
                one.about,
            )
            for one in figures
        )
        table = Table(("", "value", "hold it against", "n", "what it is"), rows)
        pictures = [
            Figure(_within(picture), title) for title, picture in _drawn(workspace, score, group, theme)
        ]
        found.append(Section(group_title(group), (table, *pictures)))
    return found


def _whole(number: str) -> str:
    """The number and its error, which no line parts."""
    return number.replace(" ± ", "\u00a0±\u00a0")


def _count(figure: ScoreFigure) -> str:
    return f"{figure.n:,}" if figure.n else ""  # none were measured: it is read off the recipe


def _drawn(
    workspace: Workspace, score: EvaluationResult, group: str, theme: Theme
) -> Sequence[tuple[str, "Canvas | Plot"]]:
    """The pictures that go with a group of figures."""
    if group == "likelihood" and workspace.generator.encoder is not None:
        which = "it has not seen" if workspace.holds_out else "it was trained on"
        return [(f"What is left of images {which}", sheets.reconstruction_sheet([workspace], theme=theme))]
    if group == "space" and workspace.coded:
        pictures = [("Its codes and its prior", geometry.own_norms(workspace, theme=theme))]
        rates = next((one.parts for one in score.metrics if one.name == "dimension_rate"), {})
        return [*pictures, ("What each axis tells", _axes(rates, theme))] if rates else pictures
    if group == "samples":
        return [("What it makes", sheets.sample_sheet(workspace, theme=theme))]
    if group == "charts" and workspace.dim > 2:
        return [("Its chart", maps.chart_scatter(workspace, workspace.chart(), theme=theme))]
    if group == "charts":
        return [("Its codes", maps.latent_scatter(workspace, theme=theme))]
    return []


def _axes(rates: Mapping[str, float], theme: Theme) -> "Plot":
    order = sorted(rates, key=lambda name: -rates[name])[:MAX_BARS]
    left = f", the first {MAX_BARS} of {len(rates)}" if len(rates) > MAX_BARS else ""
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
