"""The command that evaluates directions of a run on decoded images."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from zatlas.commands.direction_tables import effect_table
from zatlas.commands.options import Dark, OrthogonalTo, OutputFolder, Run, Samples, Seed
from zatlas.commands.printing import (
    classifier_of,
    message,
    open_workspace,
    print_limits,
    print_rows,
    sample_count,
    theme_of,
)
from zatlas.commands.registration import command

if TYPE_CHECKING:
    from zatlas.directions.direction_report import DirectionReport
    from zatlas.models.classifier import Classifier
    from zatlas.render.theme import Theme
    from zatlas.workspace import Workspace


@command("Directions", "directions evaluate")
def evaluate(
    run: Run,
    names: Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME ...]")] = (),
    *,
    method: str = "mean_difference",
    orthogonal_to: OrthogonalTo = (),
    classifier: Annotated[str | None, arg(metavar="FILE|MODULE:FUNCTION")] = None,
    save: bool = False,
    samples: Samples = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: OutputFolder = None,
) -> None:
    """Measure effect and side effects of directions.

    zatlas decodes images before and after a step along each direction, compares the change with that of
    shuffled labels and of random directions, and draws a strip of each.

    Args:
        names: Classes, attributes or saved directions. (default: all that have enough images; without
            labels principal directions, or closed-form ones if the model has no encoder)
        method: mean_difference, median_difference or linear fit each direction separately; joint fits all
            together, so that each changes the others as little as possible.
        classifier: Measure by this classifier instead of the model's own encoder. It also labels images or
            samples that have no labels.
        save: Save the directions in the run, named after attribute and method.
    """
    from zatlas.directions.default_names import default_properties
    from zatlas.directions.evaluator import MAX_STARTS
    from zatlas.directions.measure import evaluate_directions
    from zatlas.directions.named_directions import check_method, fit_named
    from zatlas.figures.direction_reports import report_rows

    check_method(method)
    workspace = open_workspace(run)
    model = classifier_of(classifier, workspace)
    workspace = _labelled(workspace, model, [*names, *orthogonal_to])
    if not names:
        names, omitted = default_properties(workspace)
        if omitted:
            message(f"omitted: {omitted}")
    print_limits(workspace, names)
    fitted = fit_named(workspace, names, method=method, orthogonal_to=orthogonal_to, seed=seed)
    measure = partial(evaluate_directions, workspace, fitted.directions, model, seed=seed)
    count = sample_count(samples, MAX_STARTS)
    reports = measure(refit=fitted.refit, saved=fitted.reports, samples=count)
    for report in reports:
        message(f"{report.name}: {report.summary()}")
    for path in _draw(workspace, reports, out or workspace.gallery, theme_of(dark)):
        message(f"figure: {path}")
    if save:
        for path in _save(workspace, reports, "" if fitted.refit is None else f" by {method}"):
            message(f"saved: {path}")
    rows = report_rows(reports)
    print_rows(rows, effect_table(rows))


def _labelled(workspace: "Workspace", model: "Classifier | None", names: Sequence[str]) -> "Workspace":
    """The workspace with the classifier's predictions as labels, if its images have none of their own."""
    from zatlas.directions.find import check_names
    from zatlas.latent.attributes import names as names_of

    if model is None or (workspace.source.indexed and names_of(workspace.dataset)):
        return workspace
    check_names(workspace, names, model)
    return workspace.annotate(model)


def _draw(
    workspace: "Workspace", reports: "Sequence[DirectionReport]", folder: Path, theme: "Theme"
) -> list[Path]:
    from zatlas.figures import file_names
    from zatlas.figures.direction_reports import effect_bars, entanglement_matrix, report_strip
    from zatlas.render.pixels import save

    paths = []
    if reports[0].gradients:
        title = f"Effects of directions of {workspace.name} on attributes"
        figure = entanglement_matrix(reports, title=title, theme=theme)
        paths.append(save(figure, folder / "directions-entanglement.png"))
    title = f"Directions of {workspace.name} compared with random directions"
    paths.append(save(effect_bars(reports, title=title, theme=theme), folder / "directions-effects.png"))
    names = file_names(f"direction-{report.name}" for report in reports)
    for name, report in zip(names, reports, strict=True):
        paths.append(save(report_strip(workspace, report, theme=theme), folder / f"{name}.png"))
    return paths


def _save(workspace: "Workspace", reports: "Sequence[DirectionReport]", suffix: str) -> list[Path]:
    """Save the directions, with their reports; new ones get a suffix."""
    from zatlas.directions.find import store_of
    from zatlas.directions.types import renamed

    store, paths = store_of(workspace), []
    for report in reports:
        name = report.name
        name = name if name.isprintable() and name == name.strip() else repr(name)
        title = name if store.has(name) else name + suffix
        paths.append(store.save(renamed(report.direction, title), report, overwrite=True))
    return paths
