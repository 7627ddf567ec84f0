"""The two kinds of direction: a vector, and a field that is followed step by step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, TypeVar

import numpy as np

from zatlas.core.arrays import Latents, Values
from zatlas.directions.field_networks import ConstantField, Field
from zatlas.latent.curves import Curve, lerp, line_along

FIELD_STEP = 0.375  # standard deviations that one integration step covers
MAX_FIELD_STEPS = 25  # samples of a curve


@dataclass(frozen=True)
class SeparationScore:
    """How well a direction tells codes with the property from those without, on codes held out."""

    auc: float  # under the ROC curve: 0.5 is chance, 1 is perfect
    low: float  # ends of the 95 % interval
    high: float
    shuffled: float  # what 97.5 % of directions learnt from shuffled labels stay below

    @property
    def real(self) -> bool:
        """Whether even the low end is above what random labels reach."""
        return self.low > self.shuffled


@dataclass(frozen=True)
class LinearDirection:
    """A unit vector of the latent space with a name; amounts are in spreads of the data along it."""

    name: str
    vector: Values
    std: float = 1.0  # standard deviation of the latents along the vector
    score: SeparationScore | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)  # of a move by 1 spread
    facts: Mapping[str, Any] = field(default_factory=dict)  # what its method measured, by name
    description: str = ""  # the attribute that it is to move, where that is not its name

    def move(self, z: Latents, amount: float | Values = 1.0) -> Latents:
        """These points, moved by so many spreads."""
        steps = np.asarray(amount, np.float32).reshape(-1, 1) * np.float32(self.std)
        moved: Latents = (z + steps * self.vector).astype(np.float32)
        return moved

    def walk(self, z: Latents, low: float = -3.0, high: float = 3.0) -> Curve:
        """The way from `low` to `high` spreads through one point."""
        return line_along(z, (self.vector * self.std).astype(np.float32), low, high)


@dataclass(frozen=True)
class FieldDirection:
    """A way that depends on where it begins; `lead` tells where one spread goes from each point.

    Amounts are in spreads, as those of a `LinearDirection`, unless a scale says what else is asked for.
    """

    name: str
    vector_field: Field
    score: SeparationScore | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # what its method measured, by name
    scale: tuple[Values, Values] | None = None  # amounts that may be asked, and spreads that give them
    description: str = ""  # the attribute that it is to move, where that is not its name

    def move(self, z: Latents, amount: float | Values = 1.0) -> Latents:
        """These points, moved by so much; what is beyond the scale is moved to its end."""
        spreads = self.in_std(amount)
        z = np.repeat(z, len(spreads), axis=0) if len(z) == 1 else z
        steps = max(ceil(float(np.abs(spreads).max(initial=0)) / FIELD_STEP), 1)
        each = np.broadcast_to(spreads[:, None] / np.float32(steps), (len(z), 1))
        for _ in range(steps):  # by the midpoint, so that the way back ends where it began
            half = z + each / 2 * self.vector_field(z)
            z = z + each * self.vector_field(half)
        moved: Latents = z.astype(np.float32)
        return moved

    def in_std(self, amount: float | Values) -> Values:
        """How far along the field these amounts are."""
        asked = np.asarray(amount, np.float32).reshape(-1)
        if self.scale is None:
            return asked
        return np.interp(asked, *self.scale).astype(np.float32)

    def walk(self, z: Latents, low: float = -3.0, high: float = 3.0) -> Curve:
        """The way from `low` to `high` through one point."""
        amounts = np.linspace(low, high, MAX_FIELD_STEPS, dtype=np.float32)
        return Curve(self.move(z[:1], amounts), lerp, anchor_times=(0.0, 1.0))


Direction = LinearDirection | FieldDirection
D = TypeVar("D", bound=Direction)
Fit = Callable[..., list[Direction]]


def in_std(direction: Direction) -> Direction:
    """The same direction by amounts in standard deviations, without a scale; a constant field is linear."""
    if isinstance(direction, LinearDirection):
        return direction
    if not isinstance(direction.vector_field, ConstantField):
        return replace(direction, scale=None)
    length = float(np.linalg.norm(direction.vector_field.step)) or 1.0
    vector = (direction.vector_field.step / length).astype(np.float32)
    known = (direction.score, direction.side_effects, direction.facts, direction.description)
    return LinearDirection(direction.name, vector, length, *known)


def is_nonlinear(direction: Direction) -> bool:
    """Whether the step of a direction depends on its starting point."""
    return isinstance(in_std(direction), FieldDirection)


def renamed(direction: D, name: str) -> D:
    """The same direction by another name; it remembers the attribute that it is for."""
    return replace(direction, name=name, description=direction.description or direction.name)
