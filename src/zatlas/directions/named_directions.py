"""Directions by their names: fitted together with what evaluation needs, or taken from a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zatlas.core.errors import BadRecipe, BadRun, UnknownName
from zatlas.directions.default_names import unnamed_directions
from zatlas.directions.direction_report import DirectionReport
from zatlas.directions.estimate import ESTIMATORS
from zatlas.directions.evaluate import Refit
from zatlas.directions.find import find_direction, parse_property, refit_attributes, refit_joint, store_of
from zatlas.directions.joint import JOINT, fit_jointly
from zatlas.directions.store import transfer
from zatlas.directions.types import Direction
from zatlas.latent.attributes import key_of
from zatlas.store import direction_files
from zatlas.workspace import Workspace

UNNAMED = 6  # number of directions of a run without names


@dataclass(frozen=True)
class NamedDirections:
    """Directions, a function that refits the new ones, and the reports of the saved ones."""

    directions: Sequence[Direction]
    refit: Refit | None
    reports: Mapping[str, DirectionReport]


def check_method(method: str) -> None:
    """Raise UnknownName for a method that `fit_named` does not have."""
    if method not in (*ESTIMATORS, JOINT):
        raise UnknownName("method for directions", method, (*ESTIMATORS, JOINT))


def fit_named(
    workspace: Workspace,
    names: Sequence[str],
    *,
    method: str = "mean_difference",
    orthogonal_to: Sequence[str] = (),
    seed: int = 0,
) -> NamedDirections:
    """Return the directions of classes and attributes, and saved ones; without names, unnamed ones."""
    check_method(method)
    if not names:
        return NamedDirections(unnamed_directions(workspace, workspace.cloud, UNNAMED), None, {})
    properties = {text: parse_property(workspace, text) for text in names}
    store = store_of(workspace)
    saved_names = [name.text for name in properties.values() if name.kind == "direction"]
    saved = [store.load(name) for name in saved_names]
    reports = {name: report for name in saved_names if (report := store.report(name)) is not None}
    new = [key_of(workspace.dataset, text) for text, name in properties.items() if name.kind != "direction"]
    others = [key_of(workspace.dataset, text) for text in orthogonal_to]
    if not new:
        return NamedDirections(saved, None, reports)
    if method == JOINT:
        if others:
            raise BadRecipe(
                "The method joint keeps all of the named attributes unchanged. Name the attributes of "
                "--orthogonal-to (in Python: orthogonal_to=) as well, and omit the option."
            )
        table = workspace.table("train")
        flags = {name: workspace.flags(name, table.rows) for name in new}
        joint = fit_jointly(table.latents, flags, seed=seed)
        return NamedDirections([*joint, *saved], refit_joint(workspace, new, seed=seed), reports)
    fitted = [
        find_direction(
            workspace, name, method=method, orthogonal_to=[each for each in others if each != name], seed=seed
        )
        for name in new
    ]
    refit = refit_attributes(workspace, new, method=method, others=others, seed=seed)
    return NamedDirections([*fitted, *saved], refit, reports)


def take_direction(workspace: Workspace, path: Path, origin: Workspace | None = None) -> Direction:
    """Return the direction in a file of the same model, or mapped from `origin`, a run of the same images."""
    saved = direction_files.read(path)
    if origin is None:
        return store_of(workspace).restore(saved)
    direction = store_of(origin).restore(saved)
    if origin.dataset.fingerprint != workspace.dataset.fingerprint:
        raise BadRun(
            f"{origin.name} and {workspace.name} do not have the same images, so a direction cannot be "
            "mapped from one to the other."
        )
    return transfer(direction, origin.latents("train"), workspace.latents("train"))
