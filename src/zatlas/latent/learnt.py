"""The direction of an attribute of a run's images, learnt from their codes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zatlas.latent.directions import Direction, learn, measured, normal

if TYPE_CHECKING:
    from zatlas.atlas import Atlas


def learnt(
    atlas: "Atlas", name: str, *, way: str = "means", without: Sequence[str] = (), seed: int = 0
) -> Direction:
    """The direction of a class or an attribute, with its score and its side effects on the others."""
    codes = atlas.codes("train")
    flags = atlas.flags(name, codes.rows)
    # The normals of the others' planes: what is at right angles to them leaves them alone.
    others = [normal(codes.points, atlas.flags(other, codes.rows), other) for other in without]
    found = learn(codes.points, flags, name, way=way, others=others, seed=seed)
    return measured(found, codes.points, {}, atlas.probes())
