"""The command that learns ways to steer, proves them, says what they really do, and draws them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import Dark, Label, Run, command
from zatlas.commands.make import list_rows
from zatlas.commands.shared import FILMS, class_of, open_workspace, settings_of, theme_of
from zatlas.core.errors import BadData, BadRecipe, NotFound

if TYPE_CHECKING:
    from zatlas.core.arrays import Latents
    from zatlas.directions.direction_report import DirectionReport
    from zatlas.directions.types import Direction
    from zatlas.figures.edits import ImageReader
    from zatlas.locate import Anchor
    from zatlas.models.classifier import Classifier
    from zatlas.workspace import Workspace

STARTS = 4  # starting points of a strip
FRAMES = 90
GROUPS = ("plus", "minus")  # settings that name points
LISTS = ("orthogonal_to",)  # settings that take several names


@command
def steer(
    run: Run,
    method: Annotated[Positional[str], arg(metavar="METHOD")],
    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME ...")] = (),
    *,
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE")] = (),
    classifier: Annotated[str | None, arg(metavar="FILE|MODULE:FUNCTION")] = None,
    start: UseAppendAction[tuple[str, ...]] = (),
    label: Label = None,
    save: Annotated[str | None, arg(metavar="NAME")] = None,
    seed: int = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE|FOLDER")] = None,
) -> None:
    """Learn ways to steer, prove each as `zatlas directions` does, and draw a strip of it.

    Args:
        method: labels, principal, closed_form, transform, predictor, examples or unsupervised.
        names: What to steer: attributes, edits (zoom, shift_x, rotation, brightness ...), names of the
            scorer; a name to give, for the other methods.
        set: A setting of the method, as method=local, count=5, orthogonal_to=Male,Bald or, of points with layers,
            layers=0-6; for examples, plus=3,14,15 and minus=9,26 (images named as for interpolate, or a
            file of such names or of points). May be given again.
        scorer: The scorer that a predictor goes by, and that is read over each image.
        start: Where a strip starts, named as for interpolate; may be given again.
        save: Keep the ways in the run by this name; where they can be learnt from other draws of the
            codes, they are learnt three times more to say how stable they are.
        seed: Of all that is drawn by chance.
        out: A picture or a film (.gif, .mp4) of one way, a folder for several; beside the run's gallery
            if not said.
    """
    from zatlas.core.progress import console
    from zatlas.directions.find import find_directions as learn
    from zatlas.directions.find import refit_method
    from zatlas.directions.measure import evaluate_directions
    from zatlas.models.external_classifiers import open_classifier

    workspace = open_workspace(run)
    number = class_of(workspace, label)
    reader = None if classifier is None else open_classifier(classifier)
    settings: dict[str, Any] = {
        key: _value(workspace, key, value, text)
        for (key, value), text in zip(settings_of(set).items(), _last_texts(set), strict=True)
    }
    if names:
        settings["names"] = names
    if reader is not None and method == "predictor":
        settings["classifier"] = reader
    ways = learn(workspace, method, label=number, seed=seed, show=True, **settings)
    if out is not None and out.suffix and len(ways) > 1:
        raise BadRecipe(f"{len(ways)} ways do not fit into {out}: give a folder with --out.")
    refit = None if save is None else refit_method(workspace, method, label=number, seed=seed, **settings)
    reports = evaluate_directions(workspace, ways, reader, label=number, refit=refit, seed=seed)
    if save is not None:
        _keep(workspace, reports, save)
    starts = _starts(workspace, start)
    rows = []
    for report in reports:
        direction = report.direction
        console().print(f"{direction.name}: {report.summary()}", soft_wrap=True, markup=False)
        read, told = _reading(method, direction.name, reader)
        figure = _draw(
            workspace, direction, starts, read, told, number, dark, _place(workspace, method, direction, out)
        )
        rows.append({**row_of(report), "picture": str(figure)})
    list_rows(rows)


def row_of(report: "DirectionReport") -> dict[str, Any]:
    """What is known of a way, in words and numbers: its proof, and what its method measured."""
    from zatlas.figures.direction_reports import report_rows

    (row,) = report_rows([report])
    return {**row, **{key: _rounded(value) for key, value in report.direction.facts.items()}}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def _keep(workspace: "Workspace", reports: "Sequence[DirectionReport]", name: str) -> None:
    """Several are kept by the name and their own."""
    from zatlas.core.progress import console
    from zatlas.directions.find import store_of
    from zatlas.directions.types import renamed

    for report in reports:
        title = name if len(reports) == 1 else f"{name} {report.name}"
        path = store_of(workspace).save(renamed(report.direction, title), report)
        console().print(f"kept: {path}", soft_wrap=True, markup=False)


def _last_texts(settings: Sequence[str]) -> list[str]:
    """The text of each setting as it was typed: a class may be called 007."""
    parts = [setting.partition("=") for setting in settings]
    return list({key: text for key, _, text in parts}.values())


def _value(workspace: "Workspace", key: str, value: Any, text: str) -> Any:
    from zatlas.latent.names import split_list

    if key in LISTS:
        return tuple(split_list(text))
    return _group(workspace, text) if key in GROUPS else value


def _group(workspace: "Workspace", text: str) -> "Latents":
    """Points by the names of images, by a file of such names, or by a file of points."""
    import numpy as np

    from zatlas.latent.names import split_list
    from zatlas.locate import locate_all

    path = Path(text)
    if path.suffix not in (".npy", ".txt", ".csv"):
        return np.concatenate([stop.latent for stop in locate_all(workspace, split_list(text))])
    if not path.is_file():
        raise NotFound(f"There is no file {path}. Name images instead, as plus=3,14,15.")
    if path.suffix == ".npy":
        try:
            latents = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise BadData(f"{path} cannot be read as points: {error}.") from error
        return np.asarray(latents, np.float32)
    named = [name for line in path.read_text().splitlines() for name in _names_in(line) if name]
    return np.concatenate([stop.latent for stop in locate_all(workspace, named)])


def _names_in(line: str) -> list[str]:
    """The names in a line of a file: with commas between them, or numbers with spaces between them."""
    from zatlas.latent.names import split_list

    return line.split() if re.fullmatch(r"[\d\s]+", line) else split_list(line)


def _starts(workspace: "Workspace", names: Sequence[str]) -> "list[Anchor]":
    from zatlas.locate import default_anchors, locate_all

    return locate_all(workspace, names) if names else default_anchors(workspace, STARTS)


def _reading(method: str, name: str, classifier: "Classifier | None") -> "tuple[ImageReader, str]":
    """What is read of the images of a strip, and what to call it."""
    import torch

    from zatlas.directions.image_edits import EDITS, measure_edit
    from zatlas.figures.edits import pixel_change

    if classifier is not None and name in classifier.names:
        one = classifier.select([name])
        return lambda images: one.predict(images)[:, 0], f"{name}, as the scorer reads it"
    if method == "transform":
        edit = EDITS[name]

        def measure(images: Any) -> Any:
            after = torch.from_numpy(images)
            before = after[len(after) // 2].expand_as(after)
            return measure_edit(edit, before, after)[0].numpy()

        return measure, f"{name} as measured, {edit.unit}"
    return pixel_change, "mean change of the pixels"


def _place(workspace: "Workspace", method: str, direction: "Direction", out: Path | None) -> Path:
    from zatlas.figures import file_name

    if out is not None and out.suffix:
        return out
    return (out or workspace.run.gallery) / f"{file_name(f'steer-{method}-{direction.name}')}.png"


def _draw(
    workspace: "Workspace",
    direction: "Direction",
    starts: "Sequence[Anchor]",
    read: "Callable[[Any], Any]",
    told: str,
    label: int | None,
    dark: bool,
    place: Path,
) -> Path:
    from zatlas.figures.edits import edit_path, edit_strip
    from zatlas.render.pixels import save

    theme = theme_of(dark)
    if place.suffix.lower() in FILMS:
        return edit_path(workspace, direction, starts[0], label=label).film(place, FRAMES, theme=theme)
    figure = edit_strip(workspace, direction, starts, read, measure=told, label=label, theme=theme)
    return save(figure, place)
