"""Commands for directions as things: proof of them, and those that a run keeps."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import Dark, Run, command
from zatlas.commands.make import list_rows
from zatlas.commands.shared import open_workspace, theme_of
from zatlas.core.errors import BadRecipe, UnknownName

if TYPE_CHECKING:
    from zatlas.directions.direction_report import DirectionReport
    from zatlas.directions.evaluate import Refit
    from zatlas.directions.types import Direction
    from zatlas.models.classifier import Classifier
    from zatlas.render.theme import Theme
    from zatlas.workspace import Workspace

APART = "apart"  # the way that finds them together
PRINCIPAL = 6  # directions that are shown of a model of which nothing is known


@command
def directions(
    run: Run,
    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME ...")] = (),
    *,
    method: str = "mean_difference",
    without: UseAppendAction[tuple[str, ...]] = (),
    classifier: Annotated[str | None, arg(metavar="SCORER")] = None,
    save: bool = False,
    seed: int = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Prove directions on decoded images: a table, a strip of each, and what each moves beside its own.

    Args:
        names: Classes, attributes or what was kept, straight or bent; all attributes that are yes or no
            and all that is kept if none is named, and the principal directions where nothing is known.
        way: mean_difference, median_difference or linear fit each by itself; apart finds all together, so
            that each moves alone as far as the data allow.
        without: Take the direction of this other attribute out; may be given again.
        scorer: Is asked about the images instead of the model's own encoder, and tells the attributes
            of images or samples that have none: a file, or package.module:function.
        save: Keep the directions in the run, named by how they were learnt.
        seed: Of all that is drawn by chance.
        out: The folder to draw into.
    """
    from zatlas.core.progress import console
    from zatlas.directions.measure import evaluate_directions
    from zatlas.figures.direction_reports import report_rows
    from zatlas.latent.attributes import names as known

    workspace, reader = open_workspace(run), _scorer(classifier)
    if reader is not None and not (workspace.source.indexed and known(workspace.dataset)):
        workspace = workspace.annotate(reader)  # else the labels it has are better evidence than the scorer's
    fitted, refit, saved = _fitted(workspace, names or _usual(workspace), method, without, seed)
    reports = evaluate_directions(workspace, fitted, reader, refit=refit, saved=saved, seed=seed)
    for report in reports:
        console().print(f"{report.name}: {report.summary()}", soft_wrap=True, markup=False)
    for path in _drawn(workspace, reports, out or workspace.run.gallery, theme_of(dark)):
        console().print(f"drawn: {path}", soft_wrap=True, markup=False)
    if save:
        for path in _saved(workspace, reports, "" if refit is None else f" by {method}"):
            console().print(f"kept: {path}", soft_wrap=True, markup=False)
    list_rows(report_rows(reports))


@command
def saved(
    run: Run,
    *,
    rename: Annotated[tuple[str, str] | None, arg(metavar="OLD NEW")] = None,
    remove: Annotated[str | None, arg(metavar="NAME")] = None,
    take: Annotated[Path | None, arg(metavar="FILE")] = None,
    other: Annotated[Path | None, arg(metavar="RUN")] = None,
) -> None:
    """List the directions that a run keeps and its ways that bend, each one file to share.

    What is kept goes by its name wherever an attribute does: zatlas attribute RUN NAME.

    Args:
        rename: Give one another name.
        remove: Take one away.
        take: Keep a direction from a file that somebody shared; it must be of this very model.
        other: With --take: the run that the file is of, if it is another one of the same images; the
            direction is then carried over, with its error.
    """
    from zatlas.directions.find import store_of
    from zatlas.directions.types import is_nonlinear
    from zatlas.figures.direction_reports import std_of
    from zatlas.store import direction_files

    workspace = open_workspace(run)
    folder = store_of(workspace).folder
    if other is not None and take is None:
        raise BadRecipe("--other says what run a file is of: give the file with --take.")
    if rename is not None:
        direction_files.rename(folder, *rename)
    if remove is not None:
        direction_files.remove(folder, remove)
    if take is not None:
        store_of(workspace).save(_taken(workspace, take, other))
    rows = [
        {
            "direction": one.name,
            "kind": "nonlinear" if is_nonlinear(one) else "linear",
            "moves": one.description,
            "std": std_of(one),
            "auc": None if one.score is None else round(one.score.auc, 4),
            "file": str(folder / direction_files.file_name(one.name)),
        }
        for one in store_of(workspace).all()
    ]
    list_rows(rows) if rows else print("[]")


def _fitted(
    workspace: "Workspace", names: Sequence[str], method: str, without: Sequence[str], seed: int
) -> "tuple[list[Direction], Refit | None, dict[str, DirectionReport]]":
    """The directions of these names, how to fit new ones again, and the reports of saved ones."""
    from zatlas.directions.estimate import ESTIMATORS, principal_directions
    from zatlas.directions.find import find_direction, parse_property, refit_attributes, refit_joint, store_of
    from zatlas.directions.joint import fit_jointly
    from zatlas.latent.attributes import key_of

    if method not in (*ESTIMATORS, APART):
        raise UnknownName("way to learn a direction", method, (*ESTIMATORS, APART))
    if not names:
        return list(principal_directions(workspace.cloud, PRINCIPAL)), None, {}
    parsed = {text: parse_property(workspace, text) for text in names}
    store, named = store_of(workspace), [one.text for one in parsed.values() if one.kind == "direction"]
    kept = [store.load(name) for name in named]
    reports = {name: report for name in named if (report := store.report(name)) is not None}
    fresh = [key_of(workspace.dataset, text) for text, one in parsed.items() if one.kind != "direction"]
    without = [key_of(workspace.dataset, text) for text in without]
    if not fresh:
        return kept, None, reports
    if method == APART:
        if without:
            raise BadRecipe("--way apart leaves all of the named attributes alone: name those, too.")
        table = workspace.table("train")
        flags = {name: workspace.flags(name, table.rows) for name in fresh}
        joint = fit_jointly(table.latents, flags, seed=seed)
        return [*joint, *kept], refit_joint(workspace, fresh, seed=seed), reports
    result: list[Direction] = []
    for name in fresh:
        others = [other for other in without if other != name]
        result.append(find_direction(workspace, name, method=method, orthogonal_to=others, seed=seed))
    refit = refit_attributes(workspace, fresh, method=method, others=without, seed=seed)
    return [*result, *kept], refit, reports


def _usual(workspace: "Workspace") -> tuple[str, ...]:
    """All classes, attributes and saved directions, as one types them; the rest is left out with a word."""
    from zatlas.core.progress import console
    from zatlas.directions.find import fittable_names, known_names, store_of
    from zatlas.latent.names import ParsedName, text_of

    known = known_names(workspace)
    kept = [ParsedName("direction", one.name) for one in store_of(workspace).all()]
    names, left_out = fittable_names(workspace) if workspace.source.indexed else ([], "")
    if left_out:
        console().print(f"left out: {left_out}", soft_wrap=True, markup=False)
    return tuple(text_of(name, known, anchor=False) for name in [*names, *kept])


def _drawn(
    workspace: "Workspace", result: "Sequence[DirectionReport]", folder: Path, theme: "Theme"
) -> list[Path]:
    from zatlas.figures import file_names
    from zatlas.figures.direction_reports import effect_bars, entanglement_matrix, report_strip
    from zatlas.render.pixels import save

    paths = []
    if result[0].gradients:
        title = f"What directions of {workspace.name} move"
        figure = entanglement_matrix(result, title=title, theme=theme)
        paths.append(save(figure, folder / "directions-tangle.png"))
    title = f"Directions of {workspace.name} against random ones"
    paths.append(save(effect_bars(result, title=title, theme=theme), folder / "directions-effects.png"))
    names = file_names(f"direction-{direction.name}" for direction in result)
    for name, direction in zip(names, result, strict=True):
        path = folder / f"{name}.png"
        paths.append(save(report_strip(workspace, direction, theme=theme), path))
    return paths


def _saved(workspace: "Workspace", result: "Sequence[DirectionReport]", how: str) -> list[Path]:
    from zatlas.directions.find import store_of
    from zatlas.directions.types import renamed

    paths = []
    for report in result:
        own = report.name
        own = own if own.isprintable() and own == own.strip() else repr(own)
        name = own if store_of(workspace).has(own) else own + how
        paths.append(store_of(workspace).save(renamed(report.direction, name), report, overwrite=True))
    return paths


def _taken(workspace: "Workspace", path: Path, other: Path | None) -> "Direction":
    from zatlas.core.errors import BadRun
    from zatlas.directions.find import store_of
    from zatlas.directions.store import transfer
    from zatlas.store import direction_files

    kept = direction_files.read(path)
    if other is None:
        return store_of(workspace).restore(kept)
    origin = open_workspace(other)
    direction = store_of(origin).restore(kept)
    if origin.dataset.fingerprint != workspace.dataset.fingerprint:
        raise BadRun(
            f"{origin.name} and {workspace.name} are not of the same images, so nothing says what place "
            "of the one is which of the other."
        )
    return transfer(direction, origin.latents("train"), workspace.latents("train"))


def _scorer(spec: str | None) -> "Classifier | None":
    from zatlas.models.external_classifiers import open_classifier

    return None if spec is None else open_classifier(spec)
