"""The two kinds of direction: a constant vector, and a vector field that is integrated step by step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, TypeVar

import numpy as np

from zatlas.core.arrays import ArrayLike, Latents, Values, as_array, as_latents
from zatlas.core.errors import ShapeError
from zatlas.directions.field_networks import ConstantField, Field
from zatlas.latent.curves import Curve, lerp, line_along

FIELD_STEP = 0.375  # standard deviations that one integration step covers
MAX_FIELD_STEPS = 25  # samples of a curve


@dataclass(frozen=True)
class SeparationScore:
    """How well a direction separates held-out latents with the attribute from those without."""

    auc: float  # area under the ROC curve: 0.5 is random, 1 is perfect
    low: float  # ends of the 95 % interval
    high: float
    random_limit: float  # 97.5 % of directions fitted to shuffled labels have a lower AUC

    @property
    def significant(self) -> bool:
        """Whether the AUC exceeds that of shuffled labels."""
        return self.auc > self.random_limit


@dataclass(frozen=True)
class LinearDirection:
    """A named unit vector of the latent space; amounts are in standard deviations of the data along it.

    Examples
    --------
    >>> direction = zatlas.LinearDirection("right", np.array([1, 0], np.float32), std=2.0)
    >>> direction.move(np.zeros((1, 2), np.float32), 1.5).tolist()
    [[3.0, 0.0]]
    """

    name: str
    vector: Values
    std: float = 1.0  # standard deviation of the latents along the vector
    score: SeparationScore | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)  # change of attributes by 1 std
    facts: Mapping[str, Any] = field(default_factory=dict)  # what its method measured, by name
    description: str = ""  # the attribute that it should change, where that is not its name

    def move(self, z: ArrayLike, amount: ArrayLike = 1.0) -> Latents:
        """The latents moved by `amount` standard deviations; one amount, or one per latent."""
        rows = as_latents(z, len(self.vector))
        steps = _amounts(amount, len(rows))[:, None] * np.float32(self.std)
        moved: Latents = (rows + steps * self.vector).astype(np.float32)
        return moved

    def walk(self, z: ArrayLike, low: float = -3.0, high: float = 3.0) -> Curve:
        """The line through one latent (1, d), from `low` to `high` standard deviations."""
        return line_along(
            as_latents(z, len(self.vector)), (self.vector * self.std).astype(np.float32), low, high
        )


@dataclass(frozen=True)
class FieldDirection:
    """A nonlinear direction: `vector_field` returns the step of one standard deviation at each latent.

    Amounts are in standard deviations, or in the unit of `scale` if there is one.

    Examples
    --------
    >>> direction = zatlas.FieldDirection("up", lambda z: np.ones_like(z))
    >>> direction.move(np.zeros((1, 2), np.float32), 1.0).tolist()
    [[1.0, 1.0]]
    """

    name: str
    vector_field: Field
    score: SeparationScore | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # what its method measured, by name
    scale: tuple[Values, Values] | None = None  # amounts, and the standard deviations that produce them
    description: str = ""  # the attribute that it should change, where that is not its name

    def move(self, z: ArrayLike, amount: ArrayLike = 1.0) -> Latents:
        """The latents moved by `amount`; an amount beyond the scale moves them to the scale's end."""
        z = as_latents(z)
        stds = self.in_std(_amounts(amount, len(z)))
        z = np.repeat(z, len(stds), axis=0) if len(z) == 1 else z
        count = max(ceil(float(np.abs(stds).max(initial=0)) / FIELD_STEP), 1)
        step = np.broadcast_to(stds[:, None] / np.float32(count), (len(z), 1))
        for _ in range(count):  # the midpoint method, so that moving back returns to the start
            half = z + step / 2 * self.vector_field(z)
            z = z + step * self.vector_field(half)
        moved: Latents = z.astype(np.float32)
        return moved

    def in_std(self, amount: ArrayLike) -> Values:
        """These amounts in standard deviations."""
        amounts = as_array(amount).astype(np.float32).reshape(-1)
        if self.scale is None:
            return amounts
        return np.interp(amounts, *self.scale).astype(np.float32)

    def walk(self, z: ArrayLike, low: float = -3.0, high: float = 3.0) -> Curve:
        """The curve through one latent (1, d), from the amount `low` to `high`."""
        amounts = np.linspace(low, high, MAX_FIELD_STEPS, dtype=np.float32)
        return Curve(self.move(as_latents(z)[:1], amounts), lerp, anchor_times=(0.0, 1.0))


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
    details = (direction.score, direction.side_effects, direction.facts, direction.description)
    return LinearDirection(direction.name, vector, length, *details)


def is_nonlinear(direction: Direction) -> bool:
    """Whether the step of a direction depends on its starting point."""
    return isinstance(in_std(direction), FieldDirection)


def _amounts(amount: ArrayLike, count: int) -> Values:
    """One amount, or one for each of `count` latents; one latent may take several amounts."""
    amounts = as_array(amount).astype(np.float32).reshape(-1)
    if len(amounts) not in (1, count) and count != 1:
        raise ShapeError(f"There are {count} latents and {len(amounts)} amounts. Give one, or one for each.")
    return amounts


def renamed(direction: D, name: str) -> D:
    """The same direction by another name; its description keeps the attribute it should change."""
    return replace(direction, name=name, description=direction.description or direction.name)
