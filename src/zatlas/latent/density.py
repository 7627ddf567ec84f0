"""Where the data is: how far a point lies from the codes, and how much of the prior they leave empty."""

from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Points, Values
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.latent.neighbors import nearest

NEIGHBOURS = 5
LONELY = 0.99  # of the codes are nearer to their neighbours than that
FEW = 10  # axes in which gaps can be told
THIN = 10.0  # times less dense than the prior: a gap
SAMPLED = 1000
COMPARED = 10_000  # codes that the prior is compared with


@dataclass(frozen=True)
class Density:
    """The codes of the data, and how far from their neighbours they are among themselves."""

    points: Points
    usual: float  # half of the codes are nearer to their neighbours than that
    lonely: float  # and all but one in a hundred are nearer than that

    def far(self, z: Points) -> Values:
        """How far from the data: 1 is usual for codes, and above 2 is one code in a hundred."""
        found = 1 + (_distance(z, self.points) - self.usual) / self.step
        return np.maximum(found, 0).astype(np.float32)

    @property
    def step(self) -> float:
        """From the usual to the lonely; never 0, though all codes be the same."""
        return (self.lonely - self.usual) or self.usual or 1.0


def density(points: Points, *, seed: int = 0) -> Density:
    """Measure what distances are usual among these codes."""
    count = min(SAMPLED, len(points))
    chosen = stream(seed, "density").choice(len(points), count, replace=False)
    distance = nearest(points[chosen], points, NEIGHBOURS + 1)[1][:, 1:]  # the nearest is itself
    if not distance.size:
        return Density(points, 1.0, 2.0)
    usual, lonely = np.quantile(distance.mean(axis=1), [0.5, LONELY])
    return Density(points, float(usual), float(lonely))


def gap(points: Points, space: Space, *, seed: int = 0, samples: int = 2000) -> tuple[float, float]:
    """Share of the prior's mass where codes are ten times rarer than the prior's own samples; its error.

    Densities are compared by the distances to the nearest neighbours among the codes and among as
    many samples, so that codes which fill the prior have no gaps however many or few they are.
    Where there is no prior, the normal distribution with the codes' mean and covariance stands in:
    what one would sample for want of a prior. In more axes than `FEW`, distances tell little of densities.
    """
    if len(points) > COMPARED:
        points = points[stream(seed, "gap").choice(len(points), COMPARED, replace=False)]
    z = stand_in(points, space, samples, seed=seed)
    others = stand_in(points, space, len(points), seed=seed + 1)
    ratio = np.log(np.maximum(_distance(z, points), 1e-12))
    ratio -= np.log(np.maximum(_distance(z, others), 1e-12))
    share = float((space.dim * ratio > np.log(THIN)).mean())
    return share, float(np.sqrt(share * (1 - share) / samples))


def stand_in(points: Points, space: Space, n: int, *, seed: int) -> Points:
    """Samples of the prior; without one, of the normal distribution that the codes suggest."""
    if space.prior != "none":
        return space.sample(n, seed=seed)
    rng = stream(seed, "stand-in")
    middle = points.mean(axis=0)
    # Of n codes, their weighted sums have the codes' covariance: no d x d matrix is needed.
    weights = rng.standard_normal((n, len(points)), dtype=np.float32) / np.sqrt(len(points))
    return (middle + weights @ (points - middle)).astype(np.float32)


def _distance(z: Points, points: Points) -> Values:
    return nearest(z, points, NEIGHBOURS)[1].mean(axis=1)
