"""Ways that bend: followed step by step along a field, where a `Direction` goes straight on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.arrays import Points, Values
from zatlas.latent.curves import Curve, lerp
from zatlas.latent.directions import Direction, Score
from zatlas.latent.steering.fields import Field, Straight

if TYPE_CHECKING:
    from zatlas.latent.proof import Proof

STEP = 0.375  # spreads that are gone at once
STOPS = 25  # of a curve


@dataclass(frozen=True)
class Steer:
    """A way that depends on where it begins; `lead` tells where one spread goes from each point.

    Amounts are in spreads, as those of a `Direction`, unless a scale says what else is asked for.
    """

    name: str
    lead: Field
    score: Score | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # what its method measured, by name
    scale: tuple[Values, Values] | None = None  # amounts that may be asked, and spreads that give them
    meant: str = ""  # the attribute that it is to move, where that is not its name
    proof: "Proof | None" = None  # of spreads, whatever the scale asks for

    def move(self, z: Points, amount: float | Values = 1.0) -> Points:
        """These points, moved by so much; what is beyond the scale is moved to its end."""
        spreads = self.spreads(amount)
        z = np.repeat(z, len(spreads), axis=0) if len(z) == 1 else z
        steps = max(ceil(float(np.abs(spreads).max(initial=0)) / STEP), 1)
        each = np.broadcast_to(spreads[:, None] / np.float32(steps), (len(z), 1))
        for _ in range(steps):  # by the midpoint, so that the way back ends where it began
            half = z + each / 2 * self.lead(z)
            z = z + each * self.lead(half)
        moved: Points = z.astype(np.float32)
        return moved

    def spreads(self, amount: float | Values) -> Values:
        """How far along the field these amounts are."""
        asked = np.asarray(amount, np.float32).reshape(-1)
        if self.scale is None:
            return asked
        return np.interp(asked, *self.scale).astype(np.float32)

    def walk(self, z: Points, low: float = -3.0, high: float = 3.0) -> Curve:
        """The way from `low` to `high` through one point."""
        amounts = np.linspace(low, high, STOPS, dtype=np.float32)
        return Curve(self.move(z[:1], amounts), lerp, marks=(0.0, 1.0))


Way = Direction | Steer
Learn = Callable[..., list[Way]]


def in_spreads(way: Way) -> Way:
    """The same way by amounts in spreads, whatever its scale asks for; one that never bends is straight."""
    if isinstance(way, Direction):
        return way
    if not isinstance(way.lead, Straight):
        return replace(way, scale=None)
    length = float(np.linalg.norm(way.lead.step)) or 1.0
    vector = (way.lead.step / length).astype(np.float32)
    told = (way.score, way.side_effects, way.facts, way.meant, way.proof)
    return Direction(way.name, vector, length, *told)


def bends(way: Way) -> bool:
    """Whether where it leads depends on where it begins."""
    return isinstance(in_spreads(way), Steer)
