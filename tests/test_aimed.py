"""Straight ways that are aimed at what they are to turn."""

import numpy as np
import pytest

from zatlas.core.space import Space
from zatlas.directions.fit import labels
from zatlas.directions.types import LinearDirection
from zatlas.models.generator import Generator

SPACE = Space((4,))
FLAT = Generator(SPACE, lambda z, y: z.reshape(-1, 1, 2, 2))


@pytest.fixture(scope="module")
def known():
    """Two attributes: the second goes with the sum of two axes, one of which is the first's own."""
    latents = SPACE.sample(3000, seed=0)
    return latents, {"red": latents[:, 0] > 0.5, "left": latents[:, 0] + latents[:, 1] > 0}


def changed(direction, latents, flags):
    """The shares of points whose red turns, and whose left changes, three spreads away."""
    moved = direction.move(latents, np.where(flags["red"], -3.0, 3.0))
    red, left = moved[:, 0] > 0.5, moved[:, 0] + moved[:, 1] > 0
    return (red != flags["red"]).mean(), (left != flags["left"]).mean()


def test_an_aimed_way_turns_as_much_as_means_and_holds_the_rest(known):
    latents, flags = known
    told = {
        direction: labels.fit(FLAT, latents, flags=flags, names=["red"], method=direction, steps=300)[0]
        for direction in ("mean_difference", "aimed")
    }
    turned, aside = changed(told["aimed"], latents, flags)
    assert turned > 0.9 and aside < 0.15 < 0.4 < changed(told["mean_difference"], latents, flags)[1]
    aimed = told["aimed"]
    assert isinstance(aimed, LinearDirection) and aimed.score.significant
    assert np.linalg.norm(aimed.vector) == pytest.approx(1, abs=1e-5)


def test_an_aimed_way_is_the_same_for_the_same_seed(known):
    latents, flags = known
    first, again = (
        labels.fit(FLAT, latents, flags=flags, names=["red"], method="aimed", steps=50, seed=1)[0]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.vector, again.vector)


def test_what_is_alone_is_aimed_with_nothing_to_hold(known):
    latents, flags = known
    (direction,) = labels.fit(FLAT, latents, flags={"red": flags["red"]}, method="aimed", steps=100)
    assert direction.vector[0] > 0.95
