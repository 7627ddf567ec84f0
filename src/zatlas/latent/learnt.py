"""The direction of an attribute of a run's images, learnt from their codes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zatlas.latent.attributes import key_of, known_of
from zatlas.latent.directions import Direction, learn, measured, normal
from zatlas.latent.names import Name, find, parse

if TYPE_CHECKING:
    from zatlas.workspace import Workspace


def property_of(workspace: "Workspace", text: str) -> Name:
    """The class, attribute or saved direction that a text names."""
    known = known_of(workspace)
    found = find(text, known, anchor=False)
    if not workspace.coded and (found is None or found.kind != "direction"):
        workspace.codes("train")  # raises the error that says what is missing
    return parse(text, known, anchor=False)


def learnt(
    workspace: "Workspace", name: str, *, way: str = "means", without: Sequence[str] = (), seed: int = 0
) -> Direction:
    """The direction of a class or an attribute, with its score and its side effects on the others."""
    codes = workspace.codes("train")
    name, *others = (key_of(workspace.images, text) for text in (name, *without))
    flags = workspace.flags(name, codes.rows)
    # The normals of the others' planes: what is at right angles to them leaves them alone.
    planes = [
        normal(codes.points, workspace.flags(other, codes.rows), other) for other in others if other != name
    ]
    found = learn(codes.points, flags, name, way=way, others=planes, seed=seed)
    return measured(found, codes.points, {}, workspace.probes())
