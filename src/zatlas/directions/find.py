"""Find directions in a run: by the name of an attribute, by a method, or as they were saved."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any

import numpy as np

from zatlas.core.arrays import Flags, Points
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName, ZatlasError
from zatlas.core.registry import STEERING
from zatlas.core.seeds import stream
from zatlas.data.imageset import UNLABELLED
from zatlas.directions.estimate import ESTIMATORS, fit_direction, measured, normal
from zatlas.directions.estimate import without as orthogonalize
from zatlas.directions.evaluate import Refit
from zatlas.directions.joint import alone
from zatlas.directions.probes import Probes, fit_probes
from zatlas.directions.store import DirectionStore
from zatlas.directions.types import Direction, Fit, LinearDirection
from zatlas.latent.attributes import LEAST, flags_of, key_of, known_names, title_of, yes_or_no
from zatlas.latent.names import Known, Name, find, parse
from zatlas.models.scorer import Scorer
from zatlas.workspace import Workspace

MAX_VALUES = 4_000_000  # numbers in the latents that a direction is fitted to again
REFITS = 3  # times that the directions of a method are fitted again: each takes as long as the first
LISTED = 6  # names in a sentence
GIVEN = {"generator", "points", "seed", "show"}  # arguments that every method gets
# These methods number their directions, so a refit cannot be matched, or fit to a few examples.
FITTED_ONCE = ("principal", "closed_form", "unsupervised", "examples")
NEEDED = {
    "scorer": "a scorer. Train one with `zatlas scorer train`, or pass any function of images",
    "plus": "examples of images that have the property",
}

Draw = Callable[[int], tuple[Points, dict[str, Flags]]]


def store_of(workspace: Workspace) -> DirectionStore:
    """The saved directions of a run: `save`, `load`, `report`, `all`."""
    return DirectionStore(workspace.folder("directions"), workspace.digest, workspace.generator.space.shape)


def probes_of(workspace: Workspace) -> Probes:
    """Linear probes of every class and attribute, fitted to the training latents once."""

    def make() -> Probes:
        codes = workspace.table("train")
        return fit_probes(codes.points, workspace.attributes(codes.rows))

    return workspace.cache.get("probes", make)


def find_direction(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    without: Sequence[str] = (),
    seed: int = 0,
    scorer: Scorer | None = None,
) -> Direction:
    """Return the direction of a class or an attribute with its score, or the one saved by this name.

    With a classifier, the direction of what it predicts for the images, or for samples of the run.
    """
    if scorer is not None:
        return fit_attribute(workspace.annotate(scorer), name, method=method, without=without, seed=seed)
    if (named := property_of(workspace, name)).kind == "direction":
        return store_of(workspace).load(named.word)
    return fit_attribute(workspace, name, method=method, without=without, seed=seed)


def fit_attribute(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    without: Sequence[str] = (),
    seed: int = 0,
) -> LinearDirection:
    """Return the direction of a class or an attribute with its score and its effects on other attributes."""
    codes = workspace.table("train")
    name, *others = (key_of(workspace.dataset, text) for text in (name, *without))
    flags = workspace.flags(name, codes.rows)
    # A direction that is orthogonal to the other attributes' planes does not change their probes.
    planes = [
        normal(codes.points, workspace.flags(other, codes.rows), other) for other in others if other != name
    ]
    found = fit_direction(codes.points, flags, name, method=method, others=planes, seed=seed)
    return measured(found, codes.points, {}, probes_of(workspace))


def known_of(workspace: Workspace) -> Known:
    """Return the names that can be typed for this run."""
    if not workspace.has_dataset:
        return Known(directions=store_of(workspace))
    return known_names(workspace.dataset, store_of(workspace))


def property_of(workspace: Workspace, text: str) -> Name:
    """Return the class, attribute or saved direction that a text names."""
    known = known_of(workspace)
    found = find(text, known, anchor=False)
    if not workspace.source.indexed and (found is None or found.kind != "direction"):
        workspace.table("train")  # raises the error that says what is missing
    return parse(text, known, anchor=False)


def fittable(workspace: Workspace) -> tuple[list[Name], str]:
    """Return the classes and boolean attributes that a direction can be fitted to, and a sentence about
    those that have too few images."""
    images, rows = workspace.dataset, workspace.table("train").rows
    flagged = [Name("attribute", name) for name in yes_or_no(images)]
    classes = [Name("class", name) for name in images.classes if name != UNLABELLED]
    found: list[Name] = []
    lacking: list[Name] = []
    for name in [*flagged, *(classes if images.labels is not None else ())]:
        count = int(flags_of(images, rows, name).sum())
        enough = min(count, len(rows) - count) >= LEAST
        (found if enough else lacking).append(name)
    if not lacking:
        return found, ""
    some = ", ".join(repr(title_of(name)) for name in lacking[:LISTED])
    more = f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
    return found, (
        f"{some}{more}. A direction takes {LEAST} training images or more with a class or an attribute, "
        f"and {LEAST} without it."
    )


def find_directions(
    workspace: Workspace,
    method: str,
    /,
    *,
    label: int | None = None,
    seed: int = 0,
    show: bool = False,
    **settings: Any,
) -> list[Direction]:
    """Return the directions that a method finds around the latents of a run.

    A method that takes `flags` gets the classes and attributes of the training images.
    """
    fit, settings = _resolved(workspace, method, settings)
    return fit(workspace.generator.for_class(label), workspace.cloud, **settings, seed=seed, show=show)


def refit_method(
    workspace: Workspace, method: str, /, *, label: int | None = None, seed: int = 0, **settings: Any
) -> Refit | None:
    """Return a function that fits a method's directions to bootstrap samples, if there is one."""
    fit, settings = _resolved(workspace, method, settings)
    if method in FITTED_ONCE:
        return None
    generator, points = workspace.generator.for_class(label), workspace.cloud

    @cache
    def fitted(number: int) -> dict[str, Direction]:
        rows = stream(seed, "again", number).integers(len(points), size=len(points))
        drawn = dict(settings)
        if "flags" in drawn:
            drawn["flags"] = {name: flags[rows] for name, flags in drawn["flags"].items()}
        try:
            return {way.name: way for way in fit(generator, points[rows], **drawn, seed=seed)}
        except ZatlasError:
            return {}  # this sample has too few images of a class

    def refit(known: Direction, number: int) -> Direction | None:
        return fitted(number).get(known.name) if number < REFITS else None

    return refit


def refit_attributes(
    workspace: Workspace, names: Sequence[str], *, method: str, others: Sequence[str] = (), seed: int = 0
) -> Refit:
    """Return a function that fits the directions of attributes to bootstrap samples, one by one."""
    draw = _draws(workspace, [*names, *others], seed)

    def refit(known: Direction, number: int) -> Direction | None:
        name = known.meant or known.name
        if name not in names:
            return None
        points, flags = draw(number)
        held = [other for other in others if other != name]
        if not all(0 < flags[one].sum() < len(points) for one in (name, *held)):
            return None  # so rare that this sample has no image with it
        vector = ESTIMATORS[method](points, flags[name])
        found = LinearDirection(name, (vector / np.linalg.norm(vector)).astype(np.float32))
        planes = [normal(points, flags[other], other) for other in held]
        return orthogonalize(found, planes, points)

    return refit


def refit_joint(workspace: Workspace, names: Sequence[str], *, seed: int = 0) -> Refit:
    """Return a function that fits the directions of attributes to bootstrap samples, jointly."""
    draw = _draws(workspace, names, seed)
    drawn: dict[int, np.ndarray] = {}

    def refit(known: Direction, number: int) -> Direction | None:
        if known.meant not in names:
            return None
        if number not in drawn:
            points, flags = draw(number)
            table = np.stack([flags[name] for name in names], axis=1)
            if table.all(axis=0).any() or not table.any(axis=0).all():
                return None  # so rare that this sample has no image with it
            drawn[number] = alone(points, table)
        return LinearDirection(known.name, drawn[number][list(names).index(known.meant)])

    return refit


def _draws(workspace: Workspace, names: Sequence[str], seed: int) -> Draw:
    codes = workspace.table("train")
    table: Mapping[str, Flags] = {name: workspace.flags(name, codes.rows) for name in names}
    count = min(len(codes.points), max(MAX_VALUES // workspace.dim, 500))

    def draw(number: int) -> tuple[Points, dict[str, Flags]]:
        rows = stream(seed, "again", number).integers(len(codes.points), size=count)
        return codes.points[rows], {name: flags[rows] for name, flags in table.items()}

    return draw


def _resolved(workspace: Workspace, method: str, settings: Mapping[str, Any]) -> tuple[Fit, dict[str, Any]]:
    """The method, and its settings with the flags of the images where it takes them."""
    fit: Fit = STEERING.get(method)
    takes = {name: p for name, p in signature(fit).parameters.items() if name not in GIVEN}
    for name in settings:
        if name not in takes:
            raise UnknownName(f"setting of {method}", name, takes)
    whole = dict(settings)
    if "flags" in takes and "flags" not in whole:
        whole |= _named(workspace, settings)
    _check(method, takes, whole)
    return fit, whole


def _flags(workspace: Workspace) -> Mapping[str, Any]:
    if not workspace.source.indexed:
        raise NotSupported(
            f"The latents of {workspace.name} have no labels, and this method needs them. Use "
            "assessor with a scorer, transform, closed_form, principal or unsupervised."
        )
    return workspace.attributes(workspace.table("train").rows)


def _named(workspace: Workspace, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of the images, and the settings with names as keys of these flags."""
    flags = dict(_flags(workspace))
    found: dict[str, Any] = {"flags": flags}
    for setting in ("names", "without"):
        if not (texts := settings.get(setting)):
            continue
        found[setting] = tuple(text if text in flags else key_of(workspace.dataset, text) for text in texts)
        for key in found[setting]:
            if key not in flags:
                flags[key] = workspace.flags(key, workspace.table("train").rows)
    return found


def _check(method: str, takes: Mapping[str, Parameter], settings: Mapping[str, Any]) -> None:
    for name, parameter in takes.items():
        if parameter.default is Parameter.empty and name not in settings:
            raise BadRecipe(f"The method {method!r} needs {NEEDED.get(name, name)}.")
