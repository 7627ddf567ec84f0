"""The command that finds directions with a method, evaluates them, and draws a strip of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from zatlas.commands.direction_tables import effect_table
from zatlas.commands.options import IN_GALLERY, Anchors, Dark, Label, Names, Run, Samples, Seed
from zatlas.commands.printing import (
    FILMS,
    class_of,
    classifier_of,
    message,
    open_workspace,
    print_limits,
    print_rows,
    sample_count,
    theme_of,
)
from zatlas.commands.registration import command
from zatlas.core.errors import BadRecipe
from zatlas.core.numbers import rounded

if TYPE_CHECKING:
    from zatlas.directions.direction_report import DirectionReport
    from zatlas.directions.types import Direction
    from zatlas.locate import Anchor
    from zatlas.models.classifier import Classifier
    from zatlas.workspace import Workspace

FRAMES = 90
EXAMPLES = ("plus", "minus")  # settings that name latents
LISTS = ("orthogonal_to",)  # settings that take several names


@command("Directions", "directions find")
def find(
    run: Run,
    method: Annotated[Positional[str | None], arg(metavar="[METHOD]")] = None,
    names: Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME ...]")] = (),
    *,
    set: Annotated[Names, arg(metavar="NAME=VALUE")] = (),
    classifier: Annotated[str | None, arg(metavar="FILE|MODULE:FUNCTION")] = None,
    anchor: Anchors = (),
    label: Label = None,
    save: Annotated[str | None, arg(metavar="NAME")] = None,
    samples: Samples = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE|FOLDER"), IN_GALLERY] = None,
) -> None:
    """Find directions with a method, evaluate and draw them.

    Args:
        method: labels, principal, closed_form, boundary, channels, transform, predictor, examples or
            unsupervised. (default: labels if there are any; else closed_form without an encoder, and
            principal with one)
        names: Attributes, edits (zoom, shift_x, rotation, brightness ...) or outputs of the classifier; for
            the other methods, a name for the direction.
        set: A setting of the method, such as method=local, count=5, layers=0-6 or orthogonal_to=Male,Bald.
            For examples: plus=3,14,15 and minus=9,26 (anchors, or a file of anchors or latents). Repeatable.
        classifier: Classifier for the methods predictor, boundary and channels; the strip shows its output
            above each image.
        anchor: Image that a strip starts from, named as for interpolate. Repeatable.
        save: Save the directions under this name, with their stability over three refits.
        out: Figure or film (.gif, .mp4) for one direction, folder for several. (default: the run's gallery)
    """
    from zatlas.directions.evaluator import MAX_STARTS
    from zatlas.directions.find import find_directions, refit_method
    from zatlas.directions.measure import evaluate_directions
    from zatlas.figures.edits import STRIP_ROWS
    from zatlas.locate import default_anchors, locate_all

    workspace = open_workspace(run)
    model, starts = classifier_of(classifier, workspace), locate_all(workspace, anchor)
    number, measured = class_of(workspace, label), sample_count(samples, MAX_STARTS)
    method = method or _default_method(workspace)
    settings = _settings(workspace, method, set, names=names, samples=samples, classifier=model)
    print_limits(workspace, names)
    directions = find_directions(workspace, method, label=number, seed=seed, show=True, **settings)
    if out is not None and out.suffix and len(directions) > 1:
        raise BadRecipe(
            f"One file cannot hold {len(directions)} directions. Give a folder with --out, not {out}."
        )
    refit = None if save is None else refit_method(workspace, method, label=number, seed=seed, **settings)
    reports = evaluate_directions(
        workspace, directions, model, label=number, refit=refit, samples=measured, seed=seed
    )
    if save is not None:
        _save(workspace, reports, save)
    starts, rows = starts or default_anchors(workspace, STRIP_ROWS), []
    for each in reports:
        message(f"{each.name}: {_summary(each)}")
        file = _file(workspace, method, each.direction, out)
        figure = _draw(workspace, each.direction, method, model, starts, number, dark, file)
        rows.append({**_row(each), "figure": str(figure)})
    print_rows(rows, effect_table(rows))


def _default_method(workspace: "Workspace") -> str:
    """The method to use if none is named, which is printed."""
    from zatlas.directions.default_names import default_method

    method = default_method(workspace)
    message(f"method: {method}")
    return method


def _summary(report: "DirectionReport") -> str:
    """The result of the method, if it has one, and the usable range; else the summary of the report."""
    from zatlas.directions.direction_report import range_text

    if "result" not in report.direction.facts:
        return report.summary()
    return f"{report.direction.facts['result']} Usable range: {range_text(report)}."


def _settings(
    workspace: "Workspace",
    method: str,
    texts: Sequence[str],
    *,
    names: Sequence[str],
    samples: int | None,
    classifier: "Classifier | None",
) -> dict[str, Any]:
    """The settings of a method; a list of names stays text, because a class may be called 007."""
    from zatlas.data.sources import parse_settings
    from zatlas.directions.default_names import caution
    from zatlas.directions.find import takes_setting
    from zatlas.latent.names import split_list
    from zatlas.locate import locate_latents

    settings = parse_settings(texts, "NAME=VALUE", "count=5")
    for text in texts:
        key, _, value = text.partition("=")
        if key in LISTS:
            settings[key] = tuple(split_list(value))
        elif key in EXAMPLES:
            settings[key] = locate_latents(workspace, value)
    if text := caution(workspace, method, settings):
        message(text)
    if names:
        settings["names"] = names
    if samples and takes_setting(method, "samples"):
        settings["samples"] = samples
    if classifier is not None and takes_setting(method, "classifier"):
        settings["classifier"] = classifier
    return settings


def _row(report: "DirectionReport") -> dict[str, Any]:
    """The metrics of a direction, and what its method measured."""
    from zatlas.figures.direction_reports import report_rows

    (row,) = report_rows([report])
    return {**row, **{key: _rounded(value) for key, value in report.direction.facts.items()}}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return rounded(value)
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def _save(workspace: "Workspace", reports: "Sequence[DirectionReport]", name: str) -> None:
    """Save the directions under a name; several get their own names after it."""
    from zatlas.directions.find import store_of
    from zatlas.directions.types import renamed

    for report in reports:
        title = name if len(reports) == 1 else f"{name} {report.name}"
        path = store_of(workspace).save(renamed(report.direction, title), report)
        message(f"saved: {path}")


def _file(workspace: "Workspace", method: str, direction: "Direction", out: Path | None) -> Path:
    from zatlas.figures import file_name

    if out is not None and out.suffix:
        return out
    return (out or workspace.gallery) / f"{file_name(f'direction-{method}-{direction.name}')}.png"


def _draw(
    workspace: "Workspace",
    direction: "Direction",
    method: str,
    classifier: "Classifier | None",
    starts: "Sequence[Anchor]",
    label: int | None,
    dark: bool,
    file: Path,
) -> Path:
    from zatlas.figures.edits import edit_path, edit_strip, image_reader
    from zatlas.render.pixels import save

    theme = theme_of(dark)
    if file.suffix.lower() in FILMS:
        return edit_path(workspace, direction, starts[0], label=label).film(file, FRAMES, theme=theme)
    reader, measure = image_reader(direction.name, method, classifier)
    figure = edit_strip(workspace, direction, starts, reader, measure=measure, label=label, theme=theme)
    return save(figure, file)
