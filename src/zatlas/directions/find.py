"""Find directions in a run: by the name of an attribute, by a method, or as they were saved."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from inspect import Parameter, signature
from typing import Any

import numpy as np

from zatlas.core.arrays import Flags, Latents
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName, ZatlasError
from zatlas.core.registry import DIRECTION_METHODS
from zatlas.core.requirements import accepted
from zatlas.core.seeds import stream
from zatlas.data.image_dataset import NO_LABEL
from zatlas.directions.estimate import (
    ESTIMATORS,
    fit_direction,
    orthogonalize,
    plane_normal,
    with_side_effects,
)
from zatlas.directions.evaluate import Refit
from zatlas.directions.joint import independent_effects
from zatlas.directions.probes import Probes, fit_probes
from zatlas.directions.store import DirectionStore
from zatlas.directions.types import Direction, Fit, LinearDirection
from zatlas.latent.attributes import (
    MIN_IMAGES,
    attribute_names,
    dataset_names,
    flags_of,
    key_of,
    limit_text,
    title_of,
)
from zatlas.latent.names import KnownNames, ParsedName, find, parse
from zatlas.models.classifier import Classifier
from zatlas.models.generator import INPUT
from zatlas.training.classifier_training import targets_of
from zatlas.workspace import Workspace

MAX_VALUES = 4_000_000  # numbers in a sample of latents that a direction is refitted to
REFITS = 3  # most refits of a method, each of which takes as long as the first fit
MAX_LISTED = 6  # names in a sentence
COMMON_ARGUMENTS = {"generator", "latents", "seed", "show"}  # every method gets them
# These methods number their directions, so a refit cannot be matched, or fit to a few examples.
FITTED_ONCE = ("principal", "closed_form", "unsupervised", "examples", "channels")
REQUIRED_SETTINGS = {
    "classifier": "a classifier. Train one with `zatlas classifier train`, or pass any function of images",
    "plus": "examples of images that have the property",
}

Sampler = Callable[[int], tuple[Latents, dict[str, Flags]]]


def store_of(workspace: Workspace) -> DirectionStore:
    """The saved directions of a run: `save`, `load`, `report`, `all`."""
    space = "" if workspace.space == INPUT else workspace.space
    shape = workspace.generator.space.shape
    return DirectionStore(workspace.folder("directions"), workspace.digest, shape, space)


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
        check_names(workspace, [name, *orthogonal_to], classifier)
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
        plane_normal(table.latents, workspace.flags(other, table.rows), other)
        for other in others
        if other != name
    ]
    result = fit_direction(table.latents, flags, name, method=method, others=planes, seed=seed)
    if meaning := limit_text(workspace.dataset, parse(name, known_names(workspace), anchor=False)):
        result = replace(result, facts={"meaning": meaning})
    return with_side_effects(result, table.latents, {}, probes_of(workspace))


def known_names(workspace: Workspace) -> KnownNames:
    """Return the names that can be typed for this run."""
    if not workspace.has_dataset:
        return KnownNames(directions=store_of(workspace))
    return dataset_names(workspace.dataset, store_of(workspace))


def check_names(workspace: Workspace, names: Sequence[str], classifier: Classifier) -> None:
    """Raise UnknownName for a text that names nothing in the run and no attribute of the classifier.

    It reads no image, so an error does not wait for the predictions.
    """
    names_of_run = known_names(workspace)
    targets = {target.name: target for target in targets_of(classifier)}
    texts = {name: target.classes for name, target in targets.items() if target.kind == "class"}
    vocabulary = KnownNames(
        names_of_run.classes or workspace.generator.classes,
        {*names_of_run.attributes, *targets} - {*texts},
        {*names_of_run.texts, *texts},
        names_of_run.directions,
        lambda key: texts.get(key) or names_of_run.values(key),
    )
    for text in names:
        parse(text, vocabulary, anchor=False)


def parse_property(workspace: Workspace, text: str) -> ParsedName:
    """Return the class, attribute or saved direction that a text names."""
    names = known_names(workspace)
    name = find(text, names, anchor=False)
    if not workspace.source.indexed and (name is None or name.kind != "direction"):
        if name is None and (saved := [direction.name for direction in store_of(workspace).all()]):
            raise UnknownName("saved direction", text, saved)
        workspace.table("train")  # raises the error that says what is missing
    return parse(text, names, anchor=False)


def fittable_names(workspace: Workspace) -> tuple[list[ParsedName], str]:
    """Return the classes and the `attribute_names` that a direction can be fitted to, and a sentence about
    those that have too few images."""
    images, rows = workspace.dataset, workspace.table("train").rows
    flagged = attribute_names(images)
    classes = [ParsedName("class", name) for name in images.classes if name != NO_LABEL]
    fittable: list[ParsedName] = []
    rare: list[ParsedName] = []
    for name in [*flagged, *(classes if images.labels is not None else ())]:
        count = int(flags_of(images, rows, name).sum())
        enough = min(count, len(rows) - count) >= MIN_IMAGES
        (fittable if enough else rare).append(name)
    if not rare:
        return fittable, ""
    listed = ", ".join(repr(title_of(name)) for name in rare[:MAX_LISTED])
    more = f" and {len(rare) - MAX_LISTED} more" if len(rare) > MAX_LISTED else ""
    return fittable, (
        f"{listed}{more}. A direction takes {MIN_IMAGES} training images or more with a class or an "
        f"attribute, and {MIN_IMAGES} without it."
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
    fit, settings = _resolve(workspace, method, settings)
    settings |= accepted(fit, seed=seed, show=show)
    return fit(workspace.generator.for_class(label), workspace.cloud, **settings)


def refit_method(
    workspace: Workspace, method: str, /, *, label: int | None = None, seed: int = 0, **settings: Any
) -> Refit | None:
    """Return a function that fits a method's directions to bootstrap samples, if there is one."""
    fit, settings = _resolve(workspace, method, settings)
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
            return {d.name: d for d in fit(generator, latents[rows], **sampled, seed=seed)}
        except ZatlasError:
            return {}  # this sample has too few images of a class

    def refit(direction: Direction, number: int) -> Direction | None:
        return fitted(number).get(direction.name) if number < REFITS else None

    return refit


def refit_attributes(
    workspace: Workspace, names: Sequence[str], *, method: str, others: Sequence[str] = (), seed: int = 0
) -> Refit:
    """Return a function that fits the directions of attributes to bootstrap samples, one by one."""
    sample = _sampler(workspace, [*names, *others], seed)

    def refit(direction: Direction, number: int) -> Direction | None:
        name = direction.description or direction.name
        if name not in names:
            return None
        latents, flags = sample(number)
        fixed = [other for other in others if other != name]
        if not all(0 < flags[each].sum() < len(latents) for each in (name, *fixed)):
            return None  # the attribute is so rare that this sample has no image with it
        vector = ESTIMATORS[method](latents, flags[name])
        result = LinearDirection(name, (vector / np.linalg.norm(vector)).astype(np.float32))
        planes = [plane_normal(latents, flags[other], other) for other in fixed]
        return orthogonalize(result, planes, latents)

    return refit


def refit_joint(workspace: Workspace, names: Sequence[str], *, seed: int = 0) -> Refit:
    """Return a function that fits the directions of attributes to bootstrap samples, jointly."""
    sample = _sampler(workspace, names, seed)
    vectors: dict[int, np.ndarray] = {}

    def refit(direction: Direction, number: int) -> Direction | None:
        if direction.description not in names:
            return None
        if number not in vectors:
            latents, flags = sample(number)
            table = np.stack([flags[name] for name in names], axis=1)
            if table.all(axis=0).any() or not table.any(axis=0).all():
                return None  # an attribute is so rare that this sample has no image with it
            vectors[number] = independent_effects(latents, table)
        return LinearDirection(direction.name, vectors[number][list(names).index(direction.description)])

    return refit


def _sampler(workspace: Workspace, names: Sequence[str], seed: int) -> Sampler:
    """A function that returns a numbered bootstrap sample of the training latents, with their flags."""
    table = workspace.table("train")
    flags = {name: workspace.flags(name, table.rows) for name in names}
    count = min(len(table.latents), max(MAX_VALUES // workspace.dim, 500))

    def sample(number: int) -> tuple[Latents, dict[str, Flags]]:
        rows = stream(seed, "again", number).integers(len(table.latents), size=count)
        return table.latents[rows], {name: values[rows] for name, values in flags.items()}

    return sample


def takes_setting(method: str, name: str) -> bool:
    """Whether a method of finding directions has this setting."""
    return name in signature(DIRECTION_METHODS.get(method)).parameters


def _resolve(workspace: Workspace, method: str, settings: Mapping[str, Any]) -> tuple[Fit, dict[str, Any]]:
    """The function of a method and its settings, with the flags of the images if it takes them."""
    fit: Fit = DIRECTION_METHODS.get(method)
    own = {name: p for name, p in signature(fit).parameters.items() if name not in COMMON_ARGUMENTS}
    for name in settings:
        if name not in own:
            raise UnknownName(f"setting of {method}", name, own)
    resolved = dict(settings)
    if (classifier := resolved.get("classifier")) is not None:
        classifier.select(
            [*resolved.get("names", ()), *resolved.get("orthogonal_to", ())]
        )  # checks the names
    if "flags" in own and "flags" not in resolved:
        resolved |= _with_flags(workspace, settings)
    for name, parameter in own.items():
        if parameter.default is Parameter.empty and name not in resolved:
            raise BadRecipe(f"The method {method!r} needs {REQUIRED_SETTINGS.get(name, name)}.")
    return fit, resolved


def _with_flags(workspace: Workspace, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of the images, and the settings with names as keys of these flags."""
    if not workspace.source.indexed:
        raise NotSupported(
            f"The latents of {workspace.name} have no labels, and this method needs them. Use "
            "predictor with a classifier, transform, closed_form, principal or unsupervised."
        )
    for text in (*settings.get("names", ()), *settings.get("orthogonal_to", ())):
        parse(text, dataset_names(workspace.dataset), anchor=False)  # an error need not wait for the latents
    flags = dict(workspace.attributes(workspace.table("train").rows))
    result: dict[str, Any] = {"flags": flags}
    for setting in ("names", "orthogonal_to"):
        if not (texts := settings.get(setting)):
            continue
        result[setting] = tuple(text if text in flags else key_of(workspace.dataset, text) for text in texts)
        for key in result[setting]:
            if key not in flags:
                flags[key] = workspace.flags(key, workspace.table("train").rows)
    return result
