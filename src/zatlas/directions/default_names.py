"""Names, methods and directions to use if the user gives none."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.directions.estimate import principal_directions, std_along
from zatlas.directions.find import fittable_names, known_names, store_of
from zatlas.directions.fit import closed_form
from zatlas.directions.types import LinearDirection
from zatlas.latent.attributes import binary_names
from zatlas.latent.names import ParsedName, text_of
from zatlas.workspace import Workspace


def default_attributes(workspace: Workspace) -> tuple[tuple[str, ...], str]:
    """Return the boolean attributes, as one types them; else all classes and attributes, or saved directions.

    A run without any of them gets "Random". The second value says which attributes have too few images.
    """
    names, omitted = fittable_names(workspace) if workspace.source.indexed else ([], "")
    binary = binary_names(workspace.dataset) if names else []
    flags = [name for name in names if name.kind == "attribute" and name.text in binary]
    return _texts(workspace, flags or names or _saved(workspace)) or ("Random",), omitted


def default_properties(workspace: Workspace) -> tuple[tuple[str, ...], str]:
    """Return all classes, attributes (those of `attribute_names`) and saved directions, as one types them.

    The second value says which classes and attributes have too few images.
    """
    names, omitted = fittable_names(workspace) if workspace.source.indexed else ([], "")
    return _texts(workspace, [*names, *_saved(workspace)]), omitted


def default_method(workspace: Workspace) -> str:
    """Return the method for a run: by labels if there are any, else without them.

    Samples of a prior have no principal components, so the method of a model without an encoder is
    closed_form, which uses the decoder.
    """
    if workspace.source.indexed and fittable_names(workspace)[0]:
        return "labels"
    return "closed_form" if workspace.source.kind == "sample" else "principal"


def unnamed_directions(workspace: Workspace, latents: Latents, count: int) -> list[LinearDirection]:
    """Return the directions of a run without labels: principal, or closed-form for samples of a prior."""
    if workspace.source.kind != "sample":
        return principal_directions(latents, count)
    try:
        result = closed_form.fit(workspace.generator.for_class(None), latents, count=count)
    except NotSupported:  # a decoder of very many dimensions without gradients
        return principal_directions(latents, count)
    linear = [direction for direction in result if isinstance(direction, LinearDirection)]
    return [replace(item, std=std_along(item.vector, latents)) for item in linear]


def caution(workspace: Workspace, method: str, settings: Mapping[str, Any]) -> str:
    """Return a sentence if a method cannot find anything in the prior of this run; "" otherwise."""
    source = settings.get("source", "latents")
    of_prior = source == "samples" or (source == "latents" and workspace.source.kind == "sample")
    if method != "principal" or not of_prior or workspace.generator.space.prior in ("none", "mapped"):
        return ""
    return (
        f"The prior of {workspace.name} has the same variance in every direction, so it has no principal "
        "components: these directions are as arbitrary as random ones. The method closed_form uses the "
        f"decoder instead: {workspace.command('directions', 'find', workspace.run.folder, 'closed_form')}"
    )


def _saved(workspace: Workspace) -> list[ParsedName]:
    return [ParsedName("direction", direction.name) for direction in store_of(workspace).all()]


def _texts(workspace: Workspace, names: list[ParsedName]) -> tuple[str, ...]:
    vocabulary = known_names(workspace)
    return tuple(text_of(name, vocabulary, anchor=False) for name in names)
