"""What every model family and every net must do."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from zatlas.core.arrays import Labels
from zatlas.models.description import Description, generator, load_weights, save_weights
from zatlas.models.generator import Generator
from zatlas.models.nets import Shape
from zatlas.testing.samples import DIM, SEED, random_latents

CLASSES = ("a", "b", "c")
SHAPE = (1, 16, 16)


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


def _images(description: Description, n: int) -> torch.Tensor:
    return torch.rand((n, *description.shape), generator=torch.Generator().manual_seed(SEED))


def _labels(model: Generator, n: int) -> Labels | None:
    """The class of each of n images; None if the model is not conditional."""
    return np.arange(n) % len(CLASSES) if model.classes else None


def decodes_to_images(description: Description) -> None:
    """Latents (n, dim) decode to float32 images (n, channels, height, width) in [0, 1]."""
    model = generator(description, description.build().eval())
    images = model.decode(random_latents(5), _labels(model, 5))
    assert images.shape == (5, *description.shape), f"5 latents decode to images of shape {images.shape}."
    assert images.dtype == np.float32 and images.min() >= 0 and images.max() <= 1, (
        f"Images must be float32 in [0, 1]; these are {images.dtype}, {images.min():g} to {images.max():g}."
    )


def decodes_each_latent_alone(description: Description) -> None:
    """An image does not depend on the other latents of its batch."""
    model = generator(description, description.build().eval())
    z, y = random_latents(6), _labels(model, 6)
    part = model.decode(z[2:4], None if y is None else y[2:4])
    difference = np.abs(model.decode(z, y)[2:4] - part).max()
    assert difference < 1e-5, f"In another batch the image of a latent differs by {difference:.2g}."


def encodes_to_latents(description: Description) -> None:
    """An encoder returns (n, dim) latents; a posterior's standard deviations are positive."""
    model = generator(description, description.build().eval())
    if model.encoder is None:
        return
    images, y = _images(description, 4).numpy(), _labels(model, 4)
    shape = model.encode(images, y).shape
    assert shape == (4, DIM), f"4 images encode to latents of shape {shape}, not {(4, DIM)}."
    posterior = model.posterior(images, y)
    assert posterior is None or (posterior[1] > 0).all(), "A posterior has a standard deviation of 0 or less."


def uses_the_label(description: Description) -> None:
    """A conditional model decodes one latent differently for different labels."""
    model = generator(description, description.build().eval())
    if not model.classes:
        return
    first, second = (model.decode(random_latents(1), np.array([label])) for label in (0, 1))
    assert np.abs(first - second).max() > 0, "The model takes labels, and decodes alike for all of them."


def trains_every_parameter(description: Description) -> None:
    """Each player's loss has a gradient for all its parameters, and every parameter has a player."""
    model: Any = description.build()
    images = _images(description, 8)
    labels = torch.arange(8) % len(CLASSES) if model.classes else None
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
    labels = torch.arange(4) % len(CLASSES) if model.classes else None
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
    first, second = (
        each.decode(random_latents(3), _labels(each, 3))
        for each in (generator(description, model), generator(description, loaded))
    )
    assert np.array_equal(first, second), "The model from the weights file decodes other images."


MODEL_CHECKS: tuple[Callable[[Description], None], ...] = (
    decodes_to_images,
    decodes_each_latent_alone,
    encodes_to_latents,
    uses_the_label,
    trains_every_parameter,
    draws_noise_from_its_generator,
    is_rebuilt_from_its_file,
)
