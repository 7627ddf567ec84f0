"""Checks that every plugin must pass, for its author's own tests.

>>> import pytest
>>> from zatlas import testing
>>> @pytest.mark.parametrize("check", testing.MODEL_CHECKS)
... def test_my_model(check):
...     check(testing.described("my-model"))

`check_model`, `check_net` and `check_layout` run all checks of a kind. A check raises AssertionError with the
rule that is broken.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from zatlas.core.arrays import Labels, Latents
from zatlas.latent.layouts import compute_layout
from zatlas.models.description import Description, generator, load_weights, save_weights
from zatlas.models.nets import Shape

CLASSES = ("a", "b", "c")
DIM = 3
SHAPE = (1, 16, 16)
SEED = 0


def described(
    family: str,
    net: str = "mlp",
    *,
    model: Mapping[str, Any] | None = None,
    layers: Mapping[str, Any] | None = None,
    shape: Shape = SHAPE,
) -> Description:
    """Describe a small model of a registered family and net.

    Parameters
    ----------
    family, net
        Registered names.
    model, layers
        Settings of the family and of the net; the family gets `dim=3` if it is not set.
    shape
        Channels, height and width of its images.
    """
    return Description(family, {"dim": DIM, **(model or {})}, net, layers or {}, shape, CLASSES)


def check_model(family: str, net: str = "mlp", **settings: Any) -> None:
    """Run every check of a registered family; `settings` are those of `described`.

    Raises
    ------
    AssertionError
        With the rule that the model breaks.
    """
    for check in MODEL_CHECKS:
        check(described(family, net, **settings))


def check_net(net: str, family: str = "vae", **settings: Any) -> None:
    """Run every check of a registered net, inside a model of a built-in family."""
    check_model(family, net, **settings)


def check_layout(name: str, **settings: Any) -> None:
    """Run every check of a registered layout with these settings."""
    for check in LAYOUT_CHECKS:
        check(name, settings)


def _images(description: Description, n: int) -> torch.Tensor:
    return torch.rand((n, *description.shape), generator=torch.Generator().manual_seed(SEED))


def _latents(n: int, dim: int = DIM) -> Latents:
    return np.random.default_rng(SEED).normal(size=(n, dim)).astype(np.float32)


def _numpy_state() -> np.ndarray:
    state: Any = np.random.get_state()  # noqa: NPY002
    return np.array(state[1])


def _labels(n: int) -> Labels:
    return np.arange(n) % len(CLASSES)


def decodes_to_images(description: Description) -> None:
    """Latents (n, dim) decode to float32 images (n, channels, height, width) in [0, 1]."""
    model = generator(description, description.build().eval())
    images = model.decode(_latents(5), _labels(5))
    assert images.shape == (5, *description.shape), f"5 latents decode to images of shape {images.shape}."
    assert images.dtype == np.float32 and images.min() >= 0 and images.max() <= 1, (
        f"Images must be float32 in [0, 1]; these are {images.dtype}, {images.min():g} to {images.max():g}."
    )


def decodes_each_latent_alone(description: Description) -> None:
    """An image does not depend on the other latents of its batch."""
    model = generator(description, description.build().eval())
    z, y = _latents(6), _labels(6)
    difference = np.abs(model.decode(z, y)[2:4] - model.decode(z[2:4], y[2:4])).max()
    assert difference < 1e-5, f"In another batch the image of a latent differs by {difference:.2g}."


def encodes_to_latents(description: Description) -> None:
    """An encoder returns (n, dim) latents; a posterior's standard deviations are positive."""
    model = generator(description, description.build().eval())
    if model.encoder is None:
        return
    images, y = _images(description, 4).numpy(), _labels(4)
    shape = model.encode(images, y).shape
    assert shape == (4, DIM), f"4 images encode to latents of shape {shape}, not {(4, DIM)}."
    posterior = model.posterior(images, y)
    assert posterior is None or (posterior[1] > 0).all(), "A posterior has a standard deviation of 0 or less."


def uses_the_label(description: Description) -> None:
    """A conditional model decodes one latent differently for different labels."""
    model = generator(description, description.build().eval())
    if not model.classes:
        return
    first, second = (model.decode(_latents(1), np.array([label])) for label in (0, 1))
    assert np.abs(first - second).max() > 0, "The model takes labels, and decodes alike for all of them."


def trains_every_parameter(description: Description) -> None:
    """Each player's loss has a gradient for all its parameters, and every parameter has a player."""
    model: Any = description.build()
    images = _images(description, 8)
    labels = torch.from_numpy(_labels(8)) if model.classes else None
    for player, parameters in model.networks().items():
        model.zero_grad()
        model.loss(images, labels, player, torch.Generator().manual_seed(SEED), 1.0)["loss"].backward()
        without = sum(parameter.grad is None for parameter in parameters)
        assert not without, f"The loss of {player!r} has no gradient for {without} of its parameters."
    moved = {id(parameter) for parameters in model.networks().values() for parameter in parameters}
    names = [name for name, parameter in model.named_parameters() if id(parameter) not in moved]
    assert not names, f"No player trains the parameters {', '.join(names)}."


def draws_noise_from_its_generator(description: Description) -> None:
    """The loss is the same for the same images, weights and random generator."""
    model: Any = description.build().eval()
    images = _images(description, 4)
    labels = torch.from_numpy(_labels(4)) if model.classes else None
    player = next(iter(model.networks()))
    losses = [
        model.loss(images, labels, player, torch.Generator().manual_seed(SEED), 1.0)["loss"].item()
        for _ in range(2)
    ]
    assert losses[0] == losses[1], (
        f"The loss is {losses[0]:g}, then {losses[1]:g}: draw noise by zatlas.models.noise."
    )


def is_rebuilt_from_its_file(description: Description) -> None:
    """The weights file gives the same model without other files, and the same images to the bit."""
    model = description.build().eval()
    with TemporaryDirectory() as folder:
        path = save_weights(Path(folder) / "weights.safetensors", description, model.state_dict())
        loaded_description, loaded = load_weights(path)
    assert loaded_description == description, "The description in the weights file differs."
    first, second = (generator(description, each).decode(_latents(3), _labels(3)) for each in (model, loaded))
    assert np.array_equal(first, second), "The model from the weights file decodes other images."


def lays_out_any_latents(name: str, settings: Mapping[str, Any]) -> None:
    """Positions are finite, float32 and (n, 2), whatever the latents."""
    random = np.random.default_rng(SEED)
    for n in (0, 1, 2, 3, 5, 60):
        for kind, latents in {
            "constant": np.full((n, 8), 3.0),
            "one-dimensional": random.normal(size=(n, 1)),
            "on a line": np.outer(np.arange(n), np.ones(5)),
            "huge": 1e30 * random.normal(size=(n, 4)),
            "tiny": 1e-30 * random.normal(size=(n, 4)),
        }.items():
            positions = compute_layout(name, latents.astype(np.float32), seed=1, **settings)
            right = positions.shape == (n, 2) and positions.dtype == np.float32
            assert right and np.isfinite(positions).all(), f"{n} {kind} latents have no finite positions."


def lays_out_alike_for_a_seed(name: str, settings: Mapping[str, Any]) -> None:
    """The same seed gives the same positions; the latents and numpy's global generator stay as they were."""
    latents = _latents(60, 8)
    before, state = latents.copy(), _numpy_state()
    first, second = (compute_layout(name, latents, seed=4, **settings) for _ in range(2))
    assert np.array_equal(first, second), "The same seed gives other positions."
    assert np.array_equal(latents, before), "The layout changes the latents that it is given."
    assert np.array_equal(state, _numpy_state()), "The layout uses numpy's global generator."


def accepts_any_labels(name: str, settings: Mapping[str, Any]) -> None:
    """Labels may be all alike, all different, or -1 for none."""
    latents = _latents(60, 8)
    for labels in (np.zeros(60), np.arange(60), np.full(60, -1), np.arange(60) % 2 - 1):
        positions = compute_layout(name, latents, labels.astype(np.int64), **settings)
        assert np.isfinite(positions).all(), "Positions are not finite for some labels."


MODEL_CHECKS: tuple[Callable[[Description], None], ...] = (
    decodes_to_images,
    decodes_each_latent_alone,
    encodes_to_latents,
    uses_the_label,
    trains_every_parameter,
    draws_noise_from_its_generator,
    is_rebuilt_from_its_file,
)
LAYOUT_CHECKS: tuple[Callable[[str, Mapping[str, Any]], None], ...] = (
    lays_out_any_latents,
    lays_out_alike_for_a_seed,
    accepts_any_labels,
)
