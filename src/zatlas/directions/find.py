"""Find directions in a run: by the name of an attribute, by a method, or as they were saved."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any

import numpy as np

from zatlas.core.arrays import Flags, Latents
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName, ZatlasError
from zatlas.core.registry import DIRECTION_METHODS
from zatlas.core.seeds import stream
from zatlas.data.image_dataset import NO_LABEL
from zatlas.directions.estimate import ESTIMATORS, fit_direction, normal, with_statistics
from zatlas.directions.estimate import orthogonal as orthogonalize
from zatlas.directions.evaluate import Refit
from zatlas.directions.joint import independent_effects
from zatlas.directions.probes import Probes, fit_probes
from zatlas.directions.store import DirectionStore
from zatlas.directions.types import Direction, Fit, LinearDirection
from zatlas.latent.attributes import MIN_IMAGES, binary_names, dataset_names, flags_of, key_of, title_of
from zatlas.latent.names import KnownNames, ParsedName, find, parse
from zatlas.models.classifier import Classifier
from zatlas.workspace import Workspace

MAX_VALUES = 4_000_000  # numbers in the latents that a direction is fitted to again
REFITS = 3  # times that the directions of a method are fitted again: each takes as long as the first
MAX_LISTED = 6  # names in a sentence
EXAMPLE_SETTINGS = {"generator", "latents", "seed", "show"}  # arguments that every method gets
# These methods number their directions, so a refit cannot be matched, or fit to a few examples.
FITTED_ONCE = ("principal", "closed_form", "unsupervised", "examples")
REQUIRED_SETTINGS = {
    "classifier": "a scorer. Train one with `zatlas scorer train`, or pass any function of images",
    "plus": "examples of images that have the property",
}

Draw = Callable[[int], tuple[Latents, dict[str, Flags]]]


def store_of(workspace: Workspace) -> DirectionStore:
    """The saved directions of a run: `save`, `load`, `report`, `all`."""
    return DirectionStore(workspace.folder("directions"), workspace.digest, workspace.generator.space.shape)


def probes_of(workspace: Workspace) -> Probes:
    """Linear probes of every class and attribute, fitted to the training latents once."""

    def make() -> Probes:
        table = workspace.table("train")
        return fit_probes(table.latents, workspace.attributes(table.rows))

    return workspace.cache.get("probes", make)


def find_direction(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    orthogonal_to: Sequence[str] = (),
    seed: int = 0,
    classifier: Classifier | None = None,
) -> Direction:
    """Return the direction of a class or an attribute with its score, or the one saved by this name.

    With a classifier, the direction of what it predicts for the images, or for samples of the run.
    """
    if classifier is not None:
        return fit_attribute(
            workspace.annotate(classifier), name, method=method, orthogonal_to=orthogonal_to, seed=seed
        )
    if (named := parse_property(workspace, name)).kind == "direction":
        return store_of(workspace).load(named.text)
    return fit_attribute(workspace, name, method=method, orthogonal_to=orthogonal_to, seed=seed)


def fit_attribute(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    orthogonal_to: Sequence[str] = (),
    seed: int = 0,
) -> LinearDirection:
    """Return the direction of a class or an attribute with its score and its effects on other attributes."""
    table = workspace.table("train")
    name, *others = (key_of(workspace.dataset, text) for text in (name, *orthogonal_to))
    flags = workspace.flags(name, table.rows)
    # A direction that is orthogonal to the other attributes' planes does not change their probes.
    planes = [
        normal(table.latents, workspace.flags(other, table.rows), other) for other in others if other != name
    ]
    result = fit_direction(table.latents, flags, name, method=method, others=planes, seed=seed)
    return with_statistics(result, table.latents, {}, probes_of(workspace))


def known_names(workspace: Workspace) -> KnownNames:
    """Return the names that can be typed for this run."""
    if not workspace.has_dataset:
        return KnownNames(directions=store_of(workspace))
    return dataset_names(workspace.dataset, store_of(workspace))


def parse_property(workspace: Workspace, text: str) -> ParsedName:
    """Return the class, attribute or saved direction that a text names."""
    known = known_names(workspace)
    result = find(text, known, anchor=False)
    if not workspace.source.indexed and (result is None or result.kind != "direction"):
        workspace.table("train")  # raises the error that says what is missing
    return parse(text, known, anchor=False)


def fittable_names(workspace: Workspace) -> tuple[list[ParsedName], str]:
    """Return the classes and boolean attributes that a direction can be fitted to, and a sentence about
    those that have too few images."""
    images, rows = workspace.dataset, workspace.table("train").rows
    flagged = [ParsedName("attribute", name) for name in binary_names(images)]
    classes = [ParsedName("class", name) for name in images.classes if name != NO_LABEL]
    result: list[ParsedName] = []
    lacking: list[ParsedName] = []
    for name in [*flagged, *(classes if images.labels is not None else ())]:
        count = int(flags_of(images, rows, name).sum())
        enough = min(count, len(rows) - count) >= MIN_IMAGES
        (result if enough else lacking).append(name)
    if not lacking:
        return result, ""
    some = ", ".join(repr(title_of(name)) for name in lacking[:MAX_LISTED])
    more = f" and {len(lacking) - MAX_LISTED} more" if len(lacking) > MAX_LISTED else ""
    return result, (
        f"{some}{more}. A direction takes {MIN_IMAGES} training images or more with a class or an attribute, "
        f"and {MIN_IMAGES} without it."
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
    generator, latents = workspace.generator.for_class(label), workspace.cloud

    @cache
    def fitted(number: int) -> dict[str, Direction]:
        rows = stream(seed, "again", number).integers(len(latents), size=len(latents))
        sampled = dict(settings)
        if "flags" in sampled:
            sampled["flags"] = {name: flags[rows] for name, flags in sampled["flags"].items()}
        try:
            return {
                direction.name: direction for direction in fit(generator, latents[rows], **sampled, seed=seed)
            }
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
        name = known.description or known.name
        if name not in names:
            return None
        latents, flags = draw(number)
        held = [other for other in others if other != name]
        if not all(0 < flags[one].sum() < len(latents) for one in (name, *held)):
            return None  # so rare that this sample has no image with it
        vector = ESTIMATORS[method](latents, flags[name])
        result = LinearDirection(name, (vector / np.linalg.norm(vector)).astype(np.float32))
        planes = [normal(latents, flags[other], other) for other in held]
        return orthogonalize(result, planes, latents)

    return refit


def refit_joint(workspace: Workspace, names: Sequence[str], *, seed: int = 0) -> Refit:
    """Return a function that fits the directions of attributes to bootstrap samples, jointly."""
    draw = _draws(workspace, names, seed)
    sampled: dict[int, np.ndarray] = {}

    def refit(known: Direction, number: int) -> Direction | None:
        if known.description not in names:
            return None
        if number not in sampled:
            latents, flags = draw(number)
            table = np.stack([flags[name] for name in names], axis=1)
            if table.all(axis=0).any() or not table.any(axis=0).all():
                return None  # so rare that this sample has no image with it
            sampled[number] = independent_effects(latents, table)
        return LinearDirection(known.name, sampled[number][list(names).index(known.description)])

    return refit


def _draws(workspace: Workspace, names: Sequence[str], seed: int) -> Draw:
    codes = workspace.table("train")
    table: Mapping[str, Flags] = {name: workspace.flags(name, codes.rows) for name in names}
    count = min(len(codes.latents), max(MAX_VALUES // workspace.dim, 500))

    def draw(number: int) -> tuple[Latents, dict[str, Flags]]:
        rows = stream(seed, "again", number).integers(len(codes.latents), size=count)
        return codes.latents[rows], {name: flags[rows] for name, flags in table.items()}

    return draw


def _resolved(workspace: Workspace, method: str, settings: Mapping[str, Any]) -> tuple[Fit, dict[str, Any]]:
    """The method, and its settings with the flags of the images where it takes them."""
    fit: Fit = DIRECTION_METHODS.get(method)
    takes = {name: p for name, p in signature(fit).parameters.items() if name not in EXAMPLE_SETTINGS}
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
            "predictor with a scorer, transform, closed_form, principal or unsupervised."
        )
    return workspace.attributes(workspace.table("train").rows)


def _named(workspace: Workspace, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of the images, and the settings with names as keys of these flags."""
    flags = dict(_flags(workspace))
    result: dict[str, Any] = {"flags": flags}
    for setting in ("names", "orthogonal_to"):
        if not (texts := settings.get(setting)):
            continue
        result[setting] = tuple(text if text in flags else key_of(workspace.dataset, text) for text in texts)
        for key in result[setting]:
            if key not in flags:
                flags[key] = workspace.flags(key, workspace.table("train").rows)
    return result


def _check(method: str, takes: Mapping[str, Parameter], settings: Mapping[str, Any]) -> None:
    for name, parameter in takes.items():
        if parameter.default is Parameter.empty and name not in settings:
            raise BadRecipe(f"The method {method!r} needs {REQUIRED_SETTINGS.get(name, name)}.")
