"""Properties of every direction that a method finds, in models of every kind."""

import numpy as np
import pytest
import torch

from zatlas import testing
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.registry import DIRECTION_METHODS
from zatlas.core.space import Space
from zatlas.directions.find import find_directions
from zatlas.directions.types import FieldDirection
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator

NAMES = DIRECTION_METHODS.names()
SETTINGS = {
    "closed_form": {"count": 3},
    "principal": {"count": 3, "samples": 600},
    "transform": {"names": ("brightness",), "samples": 400},
    "unsupervised": {"count": 3, "samples": 240},
    "boundary": {"samples": 400},
    "channels": {"samples": 400, "count": 3},
}
NONLINEAR = [
    ("labels", {"method": "local"}),
    ("transform", {"method": "net"}),
    ("predictor", {"method": "local"}),
]
CASES = [(name, {}) for name in NAMES] + NONLINEAR
IDS = [f"{name} {settings.get('method', '')}".strip() for name, settings in CASES]


def light(images: torch.Tensor) -> torch.Tensor:
    return images.mean(dim=(1, 2, 3), keepdim=False)[:, None]


LIGHT = Classifier(("light",), light, ("number",))


def fit(generator: Generator, latents: np.ndarray, method: str, settings: dict, seed: int = 0):
    arguments = {**SETTINGS.get(method, {}), **settings}
    if settings.get("method") == "local":
        arguments["steps"] = 150
    if method == "labels":
        arguments["flags"] = {f"dimension {i}": latents[:, i] > np.median(latents[:, i]) for i in (0, -1)}
    if method in ("predictor", "boundary", "channels"):
        arguments["classifier"] = LIGHT
    if method == "examples":
        arguments |= {"plus": latents[:4], "minus": latents[4:9]}
    return DIRECTION_METHODS.get(method)(generator, latents, **arguments, seed=seed)


def spatial(differentiable: bool = True) -> Generator:
    """A small model of (2, 3, 3) latents, whose pixels are random projections of them."""
    mixer = torch.randn(18, 64, generator=torch.Generator().manual_seed(0))

    def decode(z, y):
        images = (z.flatten(1) @ mixer / 4).reshape(-1, 1, 8, 8).sigmoid()
        return images if differentiable else images.detach()

    return Generator(Space((2, 3, 3)), decode)


def check(result, generator, latents):
    assert result
    z = latents[:5]
    for direction in result:
        assert direction.name
        moved = direction.move(z, 1.0)
        assert moved.shape == z.shape and moved.dtype == np.float32 and np.isfinite(moved).all()
        assert not np.allclose(moved, z)
        np.testing.assert_allclose(direction.move(z, 0.0), z, atol=1e-5)
        moved = direction.move(z, np.linspace(-1, 1, 5))
        np.testing.assert_allclose(moved[-1:], direction.move(z[-1:], 1.0), atol=1e-4)
        curve = direction.walk(z[:1], -1.0, 1.0)
        np.testing.assert_allclose(curve.sample(3)[1:2], z[:1], atol=0.05)
        assert np.isfinite(generator.decode(curve.sample(5))).all()
        assert all(np.isfinite(v) for v in direction.facts.values() if isinstance(v, float))


@pytest.mark.parametrize(("method", "settings"), CASES, ids=IDS)
def test_directions_move_latents_of_a_trained_model(wide, method, settings):
    latents = wide.latents("train")[:400]
    check(fit(wide.generator, latents, method, settings), wide.generator, latents)


@pytest.mark.parametrize("check", testing.DIRECTION_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("method", "settings"), CASES, ids=IDS)
def test_every_method_passes_the_checks(method, settings, check):
    spatial_source = {"source": "metric"} if method == "closed_form" else {}
    few = {"steps": 20} if settings.get("method") == "local" else {}
    check(method, {**SETTINGS.get(method, {}), **settings, **spatial_source, **few})


@pytest.mark.parametrize("method", [name for name in NAMES if name != "unsupervised"])
def test_methods_work_for_a_decoder_without_gradients(method):
    generator = spatial(differentiable=False)
    latents = generator.space.sample(300, seed=1)
    check(fit(generator, latents, method, {}), generator, latents)


@pytest.mark.parametrize("method", NAMES)
def test_a_fit_does_not_change_the_model_or_global_random_states(wide, method):
    latents = wide.latents("train")[:300]
    saved, state = latents.copy(), torch.get_rng_state()
    weights = [p.clone() for p in wide.generator.decoder.__self__.parameters()]
    fit(wide.generator, latents, method, {})
    np.testing.assert_array_equal(latents, saved)
    assert torch.equal(state, torch.get_rng_state())
    for before, after in zip(weights, wide.generator.decoder.__self__.parameters(), strict=True):
        assert torch.equal(before, after) and after.grad is None


@pytest.mark.parametrize(("method", "settings"), NONLINEAR, ids=IDS[len(NAMES) :])
def test_a_nonlinear_direction_returns_to_its_start(method, settings):
    generator = spatial()
    latents = generator.space.sample(300, seed=1)
    for direction in fit(generator, latents, method, settings):
        assert isinstance(direction, FieldDirection)
        amount = 1.0 if direction.scale is None else 0.8 * float(direction.scale[0][-1])
        moved = direction.move(latents[:20], amount)
        error = np.linalg.norm(direction.move(moved, -amount) - latents[:20], axis=1)
        distance = np.linalg.norm(moved - latents[:20], axis=1)
        assert np.median(error / distance) < 0.15 or direction.scale is not None


@pytest.mark.parametrize("method", NAMES)
def test_an_unknown_setting_is_refused(wide, method):
    with pytest.raises(UnknownName, match="setting of"):
        find_directions(wide, method, colour_of_the_sky=1)


@pytest.mark.parametrize("method", ["labels", "examples"])
def test_unusable_examples_are_refused_in_a_sentence(wide, method):
    latents = wide.latents("train")[:50]
    none = {"flags": {"all": np.ones(50, bool)}} if method == "labels" else {"plus": latents[:0]}
    with pytest.raises(BadData, match=r"\."):
        DIRECTION_METHODS.get(method)(wide.generator, latents, **none)
