"""Whether a direction does what its name says: read off the decoded images by a scorer, not off the codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Labels, Points
from zatlas.core.errors import NotSupported
from zatlas.latent.directions import Direction
from zatlas.models.generator import Generator
from zatlas.models.scorer import Scorer

REACH = 3.0  # spreads


@dataclass(frozen=True)
class Proof:
    """What a move by so many spreads does to the answers of a scorer."""

    there: float  # share of images without the attribute that have it after the move
    back: float  # share of images with it that lack it after the move the other way
    aside: float  # mean change of the other answers, over both moves

    @property
    def flips(self) -> float:
        """Share of all images whose answer is turned."""
        return (self.there + self.back) / 2


def proof(
    generator: Generator,
    scorer: Scorer,
    z: Points,
    direction: Direction,
    name: str,
    others: Sequence[str],
    *,
    reach: float = REACH,
    labels: Labels | None = None,
) -> Proof:
    """Move each point along a direction and back, and ask the scorer about the attribute and about others."""
    before = scorer.score(generator.decode(z, labels))
    column, aside = scorer.column(name), [scorer.column(other) for other in others]
    has = before[:, column] > 0.5
    if has.all() or not has.any():
        raise NotSupported(f"To the scorer, all of these images or none have {name!r}.")
    amounts = np.where(has, -reach, reach)
    after = scorer.score(generator.decode(direction.move(z, amounts), labels))
    turned = (after[:, column] > 0.5) != has
    change = np.abs(after[:, aside] - before[:, aside]).mean()
    return Proof(float(turned[~has].mean()), float(turned[has].mean()), float(change))
