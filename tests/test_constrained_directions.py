"""Linear directions that flip one attribute and keep the others."""

import numpy as np
import pytest

from zatlas.core.space import Space
from zatlas.directions.fit import labels
from zatlas.directions.types import LinearDirection
from zatlas.models.generator import Generator

SPACE = Space((4,))
FLAT = Generator(SPACE, lambda z, y: z.reshape(-1, 1, 2, 2))


@pytest.fixture(scope="module")
def data():
    """Latents with two attributes: "red" follows dimension 0, and "left" the sum of dimensions 0 and 1."""
    latents = SPACE.sample(3000, seed=0)
    return latents, {"red": latents[:, 0] > 0.5, "left": latents[:, 0] + latents[:, 1] > 0}


def flip_shares(direction, latents, flags):
    """The shares of latents whose "red" and whose "left" flip, at three standard deviations."""
    moved = direction.move(latents, np.where(flags["red"], -3.0, 3.0))
    red, left = moved[:, 0] > 0.5, moved[:, 0] + moved[:, 1] > 0
    return (red != flags["red"]).mean(), (left != flags["left"]).mean()


@pytest.mark.slow
def test_a_constrained_direction_flips_its_attribute_and_keeps_the_other(data):
    latents, flags = data
    results = {
        method: labels.fit(FLAT, latents, flags=flags, names=["red"], method=method, steps=300)[0]
        for method in ("mean_difference", "constrained")
    }
    constrained = results["constrained"]
    red, left = flip_shares(constrained, latents, flags)
    assert red > 0.9 and left < 0.15 < 0.4 < flip_shares(results["mean_difference"], latents, flags)[1]
    assert isinstance(constrained, LinearDirection) and constrained.score.significant
    assert np.linalg.norm(constrained.vector) == pytest.approx(1, abs=1e-5)


def test_the_same_seed_gives_the_same_constrained_direction(data):
    latents, flags = data
    first, second = (
        labels.fit(FLAT, latents, flags=flags, names=["red"], method="constrained", steps=50, seed=1)[0]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.vector, second.vector)


def test_a_single_attribute_has_a_constrained_direction(data):
    latents, flags = data
    (direction,) = labels.fit(FLAT, latents, flags={"red": flags["red"]}, method="constrained", steps=100)
    assert direction.vector[0] > 0.95
