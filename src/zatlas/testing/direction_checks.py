"""What every method of finding directions must do."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from zatlas.core.arrays import Latents
from zatlas.core.registry import DIRECTION_METHODS
from zatlas.core.requirements import accepted
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator
from zatlas.testing.samples import SEED, numpy_state, spatial_generator

COUNT = 300  # latents
LIGHT = Classifier(("light",), lambda images: images.mean(dim=(1, 2, 3))[:, None], ("number",))


def check_direction_method(name: str, **settings: Any) -> None:
    """Run every check of a registered method with these settings.

    A method that takes `flags`, a classifier or two groups of examples gets them if the settings lack them.

    Raises
    ------
    AssertionError
        With the rule that the method breaks.
    """
    for check in DIRECTION_CHECKS:
        check(name, settings)


def moves_latents(name: str, settings: Mapping[str, Any]) -> None:
    """Each direction has a name and moves latents: finite float32 of the same shape."""
    generator, latents = _case()
    z = latents[:5]
    for direction in _fitted(generator, latents, name, settings):
        assert direction.name, "A direction has no name."
        moved = direction.move(z, 1.0)
        right = moved.shape == z.shape and moved.dtype == np.float32 and np.isfinite(moved).all()
        assert right, f"{direction.name!r} moves latents to {moved.dtype} {moved.shape}, or not to numbers."
        assert not np.allclose(moved, z), f"{direction.name!r} does not move latents."
        images = generator.decode(direction.walk(z[:1], -1.0, 1.0).sample(5))
        assert np.isfinite(images).all(), f"Latents along {direction.name!r} do not decode."


def amounts_are_distances(name: str, settings: Mapping[str, Any]) -> None:
    """The amount 0 moves nothing; several amounts move as each of them does."""
    generator, latents = _case()
    z = latents[:5]
    for direction in _fitted(generator, latents, name, settings):
        assert np.allclose(direction.move(z, 0.0), z, atol=1e-5), f"{direction.name!r} moves latents by 0."
        moved = direction.move(z, np.linspace(-1, 1, 5))
        same = np.allclose(moved[-1:], direction.move(z[-1:], 1.0), atol=1e-4)
        assert same, f"{direction.name!r} does not take one amount for each latent."


def finds_the_same_for_a_seed(name: str, settings: Mapping[str, Any]) -> None:
    """The same seed gives the same directions."""
    generator, latents = _case()
    first, second = (_fitted(generator, latents, name, settings, seed=3) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        same = np.array_equal(a.move(latents[:3], 1.5), b.move(latents[:3], 1.5))
        assert same, f"The same seed gives another direction {a.name!r}."


def changes_nothing_else(name: str, settings: Mapping[str, Any]) -> None:
    """The latents and the global random generators stay as they were."""
    generator, latents = _case()
    before, states = latents.copy(), (torch.get_rng_state(), numpy_state())
    _fitted(generator, latents, name, settings)
    assert np.array_equal(latents, before), "The method changes the latents that it is given."
    assert torch.equal(states[0], torch.get_rng_state()), "The method uses torch's global generator."
    assert np.array_equal(states[1], numpy_state()), "The method uses numpy's global generator."


def _case() -> tuple[Generator, Latents]:
    generator = spatial_generator()
    return generator, generator.space.sample(COUNT, seed=1)


def _fitted(
    generator: Generator, latents: Latents, name: str, settings: Mapping[str, Any], seed: int = SEED
) -> list[Any]:
    fit = DIRECTION_METHODS.get(name)
    flags = {f"dimension {i}": latents[:, i] > np.median(latents[:, i]) for i in (0, -1)}
    offered = {"flags": flags, "classifier": LIGHT, "plus": latents[:4], "minus": latents[4:9]}
    result = fit(generator, latents, **{**accepted(fit, **offered), **settings}, seed=seed)
    assert isinstance(result, list) and result, "A method returns a list of at least one direction."
    return result


DIRECTION_CHECKS: tuple[Callable[[str, Mapping[str, Any]], None], ...] = (
    moves_latents,
    amounts_are_distances,
    finds_the_same_for_a_seed,
    changes_nothing_else,
)
