"""Commands that measure runs: evaluate, compare and geometry."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from zatlas.commands.options import IN_GALLERY, Dark, Names, OutputFolder, Run, Runs, Samples, Seed
from zatlas.commands.output import print_result
from zatlas.commands.printing import message, open_workspace, print_table, sample_count, theme_of
from zatlas.commands.registration import command
from zatlas.core.errors import BadRecipe

if TYPE_CHECKING:
    from zatlas.metrics.evaluation import EvaluationResult


@command("Measure")
def evaluate(
    runs: Runs = (),
    *,
    only: Annotated[Names, arg(metavar="GROUP")] = (),
    features: Annotated[str | None, arg(metavar="FILE.onnx")] = None,
    prior: str = "model",
    samples: Samples = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE.html")] = None,
) -> None:
    """Measure a run, find its problems and suggest commands.

    Prints JSON to stdout and a table to the terminal, and writes a report with figures into each run.

    Args:
        runs: One run or more.
        only: Group of metrics: likelihood, space, samples, meaning, charts, or one of a
            plugin. Repeatable. (default: all)
        features: Net whose features compare images. (default: a small net trained on the same images)
        prior: Distribution that samples are from: model, or mixture or flow (fitted to the latents).
        out: File of the report, for one run. (default: report.html in the run)
    """
    from zatlas.metrics.evaluation import evaluate
    from zatlas.metrics.features import read_features
    from zatlas.metrics.sample_quality import MAX_IMAGES
    from zatlas.report import write_report

    if not runs:
        raise BadRecipe("Name a run to evaluate, such as: zatlas evaluate runs/digits-vae")
    if out is not None and len(runs) > 1:
        raise BadRecipe("--out takes the report of one run. Omit it: each run gets its own report.")
    net = None if features is None else read_features(features)
    count, results = sample_count(samples, MAX_IMAGES), []
    for workspace in [open_workspace(run) for run in runs]:  # all are opened before the first is measured
        result = evaluate(workspace, groups=only or None, features=net, prior=prior, samples=count, seed=seed)
        report = out or workspace.folder("report.html")
        write_report(workspace, result, report, theme=theme_of(dark))
        message(f"report: {report}")
        results.append(result)
    _show(results)
    tables = [result.as_dict() for result in results]
    print(json.dumps(tables[0] if len(tables) == 1 else tables, indent=1))


def _show(results: Sequence["EvaluationResult"]) -> None:
    """Print a table of the metrics, with a column for each run, and the findings."""
    from zatlas.metrics.titles import format_baseline, format_value, metric_title

    metrics = [{metric.name: metric for metric in result.metrics} for result in results]
    table = []
    for name in dict.fromkeys(name for each in metrics for name in each):
        cells = [each.get(name) for each in metrics]
        first = next(cell for cell in cells if cell is not None)
        row = {"metric": metric_title(first)}
        for result, cell in zip(results, cells, strict=True):
            run = result.run if result.run not in row else f"{result.run} ({len(row)})"
            row[run] = "" if cell is None else format_value(cell)
        table.append(row | ({"baseline": format_baseline(first)} if len(results) == 1 else {}))
    print_table(table)
    for result in results:
        message("\n".join(_findings(result)))


def _findings(result: "EvaluationResult") -> list[str]:
    if not result.findings:
        return [f"Findings for {result.run}: these metrics show no problem."]
    lines = [f"Findings for {result.run}"]
    lines += [f"  {finding.name}: {finding.text}" for finding in result.findings]
    suggestions = [suggestion for finding in result.findings for suggestion in finding.suggestions]
    lines += ["Suggestions"] if suggestions else []
    for suggestion in suggestions:
        lines += [f"  # {suggestion.text}", f"  {suggestion.command}"]
    return lines


@command("Measure")
def compare(
    runs: Runs = (),
    *,
    data: Annotated[str | None, arg(metavar="DATA")] = None,
    models: tuple[str, ...] = ("ae", "vae"),
    dim: int = 2,
    epochs: int | None = None,
    samples: Samples = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FOLDER"), IN_GALLERY] = None,
) -> None:
    """Compare runs of the same images, with figures and metrics.

    Args:
        runs: Two runs or more of the same images.
        data: Train these models on this data first, with the same nets and seed, instead of naming runs.
        models: With --data: models to train: ae, vae, or cvae for a conditional VAE.
        dim: With --data: number of latent dimensions.
        epochs: With --data: number of epochs. (default: 30)
        out: Output folder. (default: gallery/compare in the first run; runs/compare with --data)
    """
    from zatlas import create
    from zatlas.figures.comparison import MAX_IMAGES, comparison_rows, draw_comparison, unique_names, verdict
    from zatlas.report import write_comparison

    if data is not None and runs:
        raise BadRecipe("Give either runs to compare or --data to train on, not both.")
    if data is None and len(runs) < 2:
        raise BadRecipe(
            "Name two runs or more, or data: zatlas compare RUN RUN, or zatlas compare --data fashion-mini"
        )
    if data is None:
        workspaces = [open_workspace(run) for run in runs]
        folder = out or workspaces[0].gallery / "compare"
    else:
        folder = out or Path("runs") / "compare"
        workspaces = create.train_comparable(data, models, dim=dim, epochs=epochs, seed=seed, folder=folder)
    files, metrics = draw_comparison(
        workspaces, folder, samples=sample_count(samples, MAX_IMAGES), theme=theme_of(dark)
    )
    images = [file for file in files if file.suffix == ".png"]
    for file in (*files, write_comparison(workspaces, images, metrics, folder, theme=theme_of(dark))):
        print_result(file)
    print_table(comparison_rows(metrics, unique_names(workspaces)))
    if text := verdict(metrics):
        message(text)


@command("Measure")
def geometry(run: Run, *, dark: Dark = False, out: OutputFolder = None) -> None:
    """Draw volumes, norms and midpoints in many dimensions."""
    from zatlas.figures.geometry import geometry
    from zatlas.render.pixels import save

    workspace = open_workspace(run)
    folder = out or workspace.gallery
    for name, figure in geometry(workspace, theme=theme_of(dark)).items():
        print_result(save(figure, folder / f"geometry-{name}.png"))
