"""Reports: the metrics and findings of a run as one HTML file, and the page of a comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zatlas.figures import geometry, maps, sheets
from zatlas.figures.comparison import EXPLANATION, RunComparison, comparison_rows, unique_names, verdict
from zatlas.metrics.evaluation import EvaluationResult
from zatlas.metrics.metric import Metric
from zatlas.metrics.titles import format_baseline, format_value, group_title, metric_title
from zatlas.page import PageFigure, PageNote, PageSection, PageTable, existing_links, image_size, render_page
from zatlas.render.figure import Figure
from zatlas.render.html import data_url
from zatlas.render.plot import bars
from zatlas.render.theme import LIGHT, Theme
from zatlas.store import atomic
from zatlas.workspace import Workspace

MAX_BARS = 32  # dimensions in the bar chart


def write_report(workspace: Workspace, result: EvaluationResult, path: Path, *, theme: Theme = LIGHT) -> Path:
    """Write the report of an evaluation as one HTML file, and return its path."""
    sections = [_diagnosis(result), *_groups(workspace, result, theme)]
    text = render_page(
        f"Evaluation of {workspace.name}",
        result.about,
        sections,
        explore=workspace.command("explore", workspace.run.folder),
        links=existing_links(path, {"Gallery": workspace.gallery / "index.html"}),
        footer="Made by zatlas. ± is one standard error; n is the number of images, samples or pairs. "
        f"To make this report again, run: {workspace.command('evaluate', workspace.run.folder)}",
        dark=theme.name == "dark",
    )
    return atomic.write_file(path, text.encode())


def write_comparison(
    workspaces: Sequence[Workspace],
    figures: Sequence[Path],
    measured: Sequence[RunComparison],
    folder: Path,
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Write the page of a comparison beside its figures, and return its path."""
    names = unique_names(workspaces)
    rows = [(*row.values(), "") for row in comparison_rows(measured, names)]
    table = PageTable(("", *names, ""), tuple(rows))
    images = [
        PageFigure(file.name, file.stem.replace("-", " ").capitalize(), size=image_size(file))
        for file in figures
    ]
    runs = [workspace.run.folder for workspace in workspaces]
    page = folder / "index.html"
    text = render_page(
        f"Comparison of {' and '.join(names)}",
        verdict(measured) or f"The same {workspaces[0].dataset.name} images, by {len(names)} models.",
        [
            PageSection("Metrics", (table, PageNote("What is measured", EXPLANATION))),
            PageSection("Figures", tuple(images)),
        ],
        explore=workspaces[0].command("explore", *runs[:2]),
        links=existing_links(page, {f"Gallery of {w.name}": w.gallery / "index.html" for w in workspaces}),
        footer=f"Made by zatlas. To make this page again, run: {workspaces[0].command('compare', *runs)}",
        dark=theme.name == "dark",
    )
    return atomic.write_file(page, text.encode())


def _diagnosis(result: EvaluationResult) -> PageSection:
    if not result.findings:
        clean = "The checks that apply to these metrics found no problem."
        return PageSection("Findings", (PageNote("No problem found", clean),))
    notes = []
    for finding in result.findings:
        by_name = {metric.name: metric for metric in result.metrics}
        metrics = [by_name[name] for name in finding.evidence if name in by_name]
        evidence = "; ".join(f"{metric_title(metric)} {format_value(metric)}" for metric in metrics)
        text = f"{finding.text} Evidence: {evidence}." if evidence else finding.text
        suggestions = tuple((suggestion.text, suggestion.command) for suggestion in finding.suggestions)
        notes.append(PageNote(finding.name.capitalize(), text, suggestions))
    return PageSection("Findings", tuple(notes))


def _groups(workspace: Workspace, result: EvaluationResult, theme: Theme) -> list[PageSection]:
    sections = []
    for group in dict.fromkeys(metric.group for metric in result.metrics):
        metrics = [metric for metric in result.metrics if metric.group == group]
        rows = tuple(
            (
                metric_title(metric),
                _unbroken(format_value(metric)),
                _unbroken(format_baseline(metric)),
                _count(metric),
                metric.about,
            )
            for metric in metrics
        )
        table = PageTable(("", "value", "baseline", "n", "description"), rows)
        figures = [
            PageFigure(data_url(figure), title) for title, figure in _figures(workspace, result, group, theme)
        ]
        sections.append(PageSection(group_title(group), (table, *figures)))
    return sections


def _unbroken(number: str) -> str:
    """The number and its error with no-break spaces."""
    return number.replace(" ± ", "\u00a0±\u00a0")


def _count(metric: Metric) -> str:
    return f"{metric.n:,}" if metric.n else ""  # 0: the value comes from the recipe


def _figures(
    workspace: Workspace, result: EvaluationResult, group: str, theme: Theme
) -> Sequence[tuple[str, Figure]]:
    """The figures for a group of metrics, with their titles."""
    if group == "likelihood" and workspace.generator.encoder is not None:
        split = "Held-out" if workspace.holds_out else "Training"
        return [
            (
                f"{split} images and their reconstructions",
                sheets.reconstruction_sheet([workspace], theme=theme),
            )
        ]
    if group == "space" and workspace.source.indexed:
        figures = [("Norms of the latents and of the prior", geometry.own_norms(workspace, theme=theme))]
        rates = next((metric.parts for metric in result.metrics if metric.name == "dimension_rate"), {})
        return [*figures, ("Information in each dimension", _rate_bars(rates, theme))] if rates else figures
    if group == "samples":
        return [("Samples", sheets.sample_sheet(workspace, theme=theme))]
    if group == "charts" and workspace.dim > 2:
        return [("Chart", maps.chart_scatter(workspace, workspace.chart(), theme=theme))]
    if group == "charts":
        return [("Latents", maps.latent_scatter(workspace, theme=theme))]
    return []


def _rate_bars(rates: Mapping[str, float], theme: Theme) -> Figure:
    order = sorted(rates, key=lambda name: -rates[name])[:MAX_BARS]
    left = f", the first {MAX_BARS} of {len(rates)}" if len(rates) > MAX_BARS else ""
    values = np.array([rates[name] for name in order])
    return bars(
        order,
        values,
        title=f"Information in each dimension{left}",
        axis="nats: divergence of the posterior from the prior",
        theme=theme,
    )
