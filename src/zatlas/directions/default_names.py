"""Names of directions to use if the user gives none."""

from zatlas.directions.find import fittable_names, known_names, store_of
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


def _saved(workspace: Workspace) -> list[ParsedName]:
    return [ParsedName("direction", direction.name) for direction in store_of(workspace).all()]


def _texts(workspace: Workspace, names: list[ParsedName]) -> tuple[str, ...]:
    vocabulary = known_names(workspace)
    return tuple(text_of(name, vocabulary, anchor=False) for name in names)
