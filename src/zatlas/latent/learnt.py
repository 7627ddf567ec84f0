"""The direction of an attribute of a run's images, learnt from their codes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zatlas.latent.attributes import key_of, known_of
from zatlas.latent.directions import Direction, learn, measured, normal
from zatlas.latent.names import Name, find, parse

if TYPE_CHECKING:
    from zatlas.atlas import Atlas


def property_of(atlas: "Atlas", text: str) -> Name:
    """The class, attribute or saved direction that a text names."""
    known = known_of(atlas)
    found = find(text, known, anchor=False)
    if not atlas.coded and (found is None or found.kind != "direction"):
        atlas.codes("train")  # raises the error that says what is missing
    return parse(text, known, anchor=False)


def learnt(
    atlas: "Atlas", name: str, *, way: str = "means", without: Sequence[str] = (), seed: int = 0
) -> Direction:
    """The direction of a class or an attribute, with its score and its side effects on the others."""
    codes = atlas.codes("train")
    name, *others = (key_of(atlas.images, text) for text in (name, *without))
    flags = atlas.flags(name, codes.rows)
    # The normals of the others' planes: what is at right angles to them leaves them alone.
    planes = [
        normal(codes.points, atlas.flags(other, codes.rows), other) for other in others if other != name
    ]
    found = learn(codes.points, flags, name, way=way, others=planes, seed=seed)
    return measured(found, codes.points, {}, atlas.probes())
