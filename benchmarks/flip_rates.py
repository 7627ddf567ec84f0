"""How often a move along a direction flips the label that a classifier predicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Labels, Latents
from zatlas.core.errors import NotSupported
from zatlas.directions.types import Direction
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator

FLIP_AMOUNT = 3.0  # standard deviations


@dataclass(frozen=True)
class FlipRates:
    """How often a move changes what a classifier says of an image."""

    gained: float  # share of images without the attribute that have it after the move
    lost: float  # share of images with it that lack it after the move in the opposite direction
    side_effect: float  # mean absolute change of the other attributes, over both moves

    @property
    def mean(self) -> float:
        """Mean of both rates."""
        return (self.gained + self.lost) / 2


def flip_rates(
    generator: Generator,
    classifier: Classifier,
    z: Latents,
    direction: Direction,
    name: str,
    others: Sequence[str],
    *,
    amount: float = FLIP_AMOUNT,
    labels: Labels | None = None,
) -> FlipRates:
    """Move latents with the attribute by `-amount` std and those without by `amount`, and classify both."""
    before = classifier.predict(generator.decode(z, labels))
    column, other_columns = classifier.column(name), [classifier.column(other) for other in others]
    positive = before[:, column] > 0.5
    if positive.all() or not positive.any():
        raise NotSupported(
            f"The classifier finds {name!r} in all of these images or in none, so flips cannot be counted. "
            "Give more images."
        )
    moved = direction.move(z, np.where(positive, -amount, amount))
    after = classifier.predict(generator.decode(moved, labels))
    flipped = (after[:, column] > 0.5) != positive
    side_effect = np.abs(after[:, other_columns] - before[:, other_columns]).mean()
    return FlipRates(float(flipped[~positive].mean()), float(flipped[positive].mean()), float(side_effect))
