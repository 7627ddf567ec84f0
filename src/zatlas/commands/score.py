"""The command that measures runs, names what ails them, and says what to try."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import Dark, command
from zatlas.core.errors import BadRecipe

if TYPE_CHECKING:
    from zatlas.metrics.evaluation import EvaluationResult


@command
def score(
    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN [RUN ...]")] = (),
    *,
    only: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="GROUP")] = (),
    features: Annotated[str | None, arg(metavar="FILE.onnx")] = None,
    prior: Annotated[str, arg(metavar="KIND")] = "model",
    seed: int = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE.html")] = None,
) -> None:
    """Measure runs, each figure with its error, name what ails them, and say what to try.

    JSON goes to stdout, a table to the terminal, and a report with pictures into each run.

    Args:
        runs: One run or more.
        only: A group of figures: likelihood, space, samples, meaning or charts; may be given again.
        features: What images are compared by: a net of your own. A small one trained on the same
            images, if not said.
        prior: What samples are drawn from: own, or mixture or flow as `zatlas prior` fits them.
        seed: Of all chance.
        out: Where the report goes, of one run; report.html in the run if not said.
    """
    from zatlas.commands.shared import theme_of
    from zatlas.core.progress import console
    from zatlas.metrics.evaluation import GROUPS, evaluate
    from zatlas.metrics.features import read_features
    from zatlas.report import write_report
    from zatlas.workspace import Workspace

    if not runs:
        raise BadRecipe("Name a run to score, as: zatlas score runs/digits-vae")
    if out is not None and len(runs) > 1:
        raise BadRecipe("Several runs have a report each: leave --out away.")
    known = None if features is None else read_features(features)
    result = []
    for workspace in [Workspace.open(run) for run in runs]:  # what is no run is said before any is measured
        one = evaluate(workspace, groups=only or GROUPS, features=known, prior=prior, seed=seed)
        report = out or workspace.folder("report.html")
        write_report(workspace, one, report, theme=theme_of(dark))
        console().print(f"report: {report}", soft_wrap=True, markup=False)
        result.append(one)
    _show(result)
    tables = [one.as_dict() for one in result]
    print(json.dumps(tables[0] if len(tables) == 1 else tables, indent=1))


def _show(scores: Sequence["EvaluationResult"]) -> None:
    """The figures of all runs side by side, and what ails each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from zatlas.core.progress import console
    from zatlas.metrics.titles import format_baseline, format_value, metric_title

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for one in scores:
        table.add_column(Text(one.run), justify="right")
    if len(scores) == 1:
        table.add_column("against", overflow="fold")
    names = list(dict.fromkeys(metric.name for one in scores for metric in one.metrics))
    for name in names:
        rows = [{metric.name: metric for metric in one.metrics}.get(name) for one in scores]
        first = next(row for row in rows if row is not None)
        cells = [metric_title(first), *("" if row is None else format_value(row) for row in rows)]
        table.add_row(*cells, *([format_baseline(first)] if len(scores) == 1 else []))
    screen = console()
    screen.print(table)
    for one in scores:
        screen.print("\n".join(_told(one)), soft_wrap=True, markup=False)


def _told(score: "EvaluationResult") -> list[str]:
    if not score.findings:
        return [f"Diagnosis of {score.run}: nothing ails it, by these figures."]
    lines = [f"Diagnosis of {score.run}"]
    lines += [f"  {finding.name}: {finding.text}" for finding in score.findings]
    lines += ["Try"] if any(finding.suggestions for finding in score.findings) else []
    for finding in score.findings:
        lines += [
            line
            for suggestion in finding.suggestions
            for line in (f"  # {suggestion.text}", f"  {suggestion.command}")
        ]
    return lines
