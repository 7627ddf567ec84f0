"""What every family of models does with every net that it can take."""

import numpy as np
import pytest

from tests.conftest import recipe, spots
from zatlas import testing
from zatlas.core.registry import MODELS, NETS
from zatlas.models.description import generator, load_weights
from zatlas.training.loop import fit

SIZES = {"conv-even": 16}
KINDS = [
    (family, net, extra)
    for family in MODELS.names()
    for net in NETS.names()
    for extra in ({}, {"conditional": True})
    if not (family == "ae" and extra)
]


@pytest.mark.parametrize("check", testing.MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join([kind[0], kind[1], *kind[2]]))
def test_every_family_passes_the_checks_with_every_net(kind, check):
    family, net, settings = kind
    size = SIZES.get(net, 8)
    layers = {} if net == "mlp" else {"width": 8}
    check(testing.described(family, net, model=settings, layers=layers, shape=(1, size, size)))


@pytest.mark.parametrize("family", ["ae", "vae"])
def test_training_reduces_the_loss(family, tmp_path):
    images = spots(150)
    run = fit(recipe(family, training={"epochs": 40, "rate": 1e-2}), images, tmp_path / "run")
    rows = run.metrics()
    assert rows[-1]["valid/loss"] < 0.9 * rows[0]["valid/loss"]


@pytest.mark.slow
def test_a_gan_fits_the_mean_of_the_images(tmp_path):
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
