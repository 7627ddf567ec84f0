"""Contract of every model family with every net."""

import numpy as np
import pytest
import torch

from tests.conftest import recipe, spots
from zatlas.core.registry import MODELS, NETS
from zatlas.models.description import Description, generator, load_weights, save_weights
from zatlas.training.loop import fit

SIZES = {"conv-even": 16}
KINDS = [
    (family, net, extra)
    for family in MODELS.names()
    for net in NETS.names()
    for extra in ({}, {"conditional": True})
    if not (family == "ae" and extra)
]


def described(family: str, net: str, extra: dict) -> Description:
    size = SIZES.get(net, 8)
    layers = {} if net == "mlp" else {"width": 8}
    settings = {"dim": 3, **extra}
    return Description(family, settings, net, layers, (1, size, size), ("a", "b", "c"))


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join([kind[0], kind[1], *kind[2]]))
def description(request) -> Description:
    return described(*request.param)


def test_a_model_decodes_latents_to_images_in_the_unit_range(description):
    made = generator(description, description.build().eval())
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    y = np.arange(5) % 3
    images = made.decode(z, y)
    assert images.shape == (5, *description.shape)
    assert images.dtype == np.float32
    assert 0 <= images.min() <= images.max() <= 1


def test_an_image_does_not_depend_on_its_batch(description):
    made = generator(description, description.build().eval())
    z = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    y = np.arange(6) % 3
    np.testing.assert_allclose(made.decode(z, y)[2:4], made.decode(z[2:4], y[2:4]), atol=1e-5)


def test_an_encoder_gives_one_latent_per_image(description):
    made = generator(description, description.build().eval())
    if made.encoder is None:
        pytest.skip("this family has no encoder")
    x = np.random.default_rng(0).random((4, *description.shape), dtype=np.float32)
    y = np.arange(4) % 3
    assert made.encode(x, y).shape == (4, 3)
    posterior = made.posterior(x, y)
    assert posterior is None or (posterior[1] > 0).all()


def test_a_conditional_model_depends_on_the_label(description):
    made = generator(description, description.build().eval())
    if not made.classes:
        pytest.skip("this model is unconditional")
    z = np.zeros((1, 3), np.float32)
    first, second = (made.decode(z, np.array([label])) for label in (0, 1))
    assert np.abs(first - second).max() > 0


def test_every_player_has_gradients_and_together_they_have_all_parameters(description):
    model = description.build()
    x = torch.rand((8, *description.shape))
    y = torch.arange(8) % 3 if model.classes else None
    rng = torch.Generator().manual_seed(0)
    for player, weights in model.players().items():
        model.zero_grad()
        model.loss(x, y, player, rng, 1.0)["loss"].backward()
        assert all(weight.grad is not None for weight in weights)
    optimized = {id(weight) for weights in model.players().values() for weight in weights}
    assert optimized == {id(weight) for weight in model.parameters()}


def test_a_loss_is_a_pure_function_of_its_generator(description):
    model = description.build().eval()
    x = torch.rand((4, *description.shape))
    y = torch.arange(4) % 3 if model.classes else None
    player = next(iter(model.players()))
    losses = []
    for _ in range(2):
        rng = torch.Generator().manual_seed(3)
        losses.append(model.loss(x, y, player, rng, 1.0)["loss"].item())
    assert losses[0] == losses[1]


def test_a_saved_model_loads_with_equal_images(description, tmp_path):
    model = description.build().eval()
    path = save_weights(tmp_path / "weights.safetensors", description, model.state_dict())
    again, twin = load_weights(path)
    assert again == description
    z = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    y = np.arange(3)
    first, second = generator(description, model), generator(again, twin)
    np.testing.assert_array_equal(first.decode(z, y), second.decode(z, y))


@pytest.mark.parametrize("family", ["ae", "vae"])
def test_training_reduces_the_loss(family, tmp_path):
    images = spots(150)
    run = fit(recipe(family, training={"epochs": 40, "rate": 1e-2}), images, tmp_path / "run")
    rows = run.metrics()
    assert rows[-1]["valid/loss"] < 0.9 * rows[0]["valid/loss"]


def test_a_gan_learns_the_mean_of_the_images(tmp_path):
    images = spots(150)
    run = fit(recipe("gan", training={"epochs": 100, "rate": 2e-3}), images, tmp_path / "run")
    real = images.images(images.rows("train")).mean(0)
    description, trained = load_weights(run.weights)
    z = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    far = [
        np.abs(generator(description, model).decode(z).mean(0) - real).mean()
        for model in (description.build().eval(), trained)
    ]
    assert far[1] < far[0] / 2
    row = run.metrics()[-1]
    assert 0 <= row["train/discriminator/real_accuracy"] <= 1
    assert 0 <= row["train/discriminator/fake_accuracy"] <= 1
