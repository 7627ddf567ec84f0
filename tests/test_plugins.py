"""Plugins that a script adds for its own process, and the checks for their authors."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from torch import nn

import zatlas
from zatlas import testing
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.registry import LAYOUTS, MODELS
from zatlas.models.ae import AE, AEConfig


@pytest.fixture(autouse=True)
def restored():
    """Remove what a test registers."""
    yield
    for registry in (LAYOUTS, MODELS):
        registry._registered.clear()


@dataclass(frozen=True)
class TwiceConfig(AEConfig):
    """An auto-encoder; with `idle` it has parameters that no player trains."""

    idle: bool = False

    TRAINING: ClassVar[dict[str, object]] = {}

    def build(self, net, shape, classes):
        model = AE(self, net, shape)
        if self.idle:
            model.idle = nn.Linear(2, 2)
            model.networks = lambda: {"model": [*model.encoder.parameters(), *model.decoder.parameters()]}
        return model


def test_a_registered_layout_is_used_by_its_name(digits):
    @zatlas.register("layout", "first-two")
    def first_two(latents, labels, seed, scale: float = 1.0):
        return scale * np.pad(latents, ((0, 0), (0, 1)))[:, :2]

    chart = zatlas.load(digits.run.folder).chart("first-two")
    latents = digits.latents("test")
    np.testing.assert_allclose(chart.positions, latents - latents.mean(axis=0), atol=1e-5)
    testing.check_layout("first-two", scale=0.5)


def test_a_registered_model_is_trained_like_a_built_in_one(tmp_path):
    zatlas.register("model", "twice")(TwiceConfig)
    testing.check_model("twice")
    atlas = zatlas.train("digits", model="twice", epochs=1, out=tmp_path / "run", verbose=False)
    assert atlas.decode(np.zeros((1, 2), np.float32)).shape == (1, 1, 8, 8)


def test_a_check_names_the_rule_that_a_model_breaks():
    zatlas.register("model", "twice")(TwiceConfig)
    with pytest.raises(AssertionError, match=r"No player trains the parameters idle\.weight, idle\.bias"):
        testing.check_model("twice", model={"idle": True})


def test_a_check_names_the_rule_that_a_layout_breaks():
    zatlas.register("layout", "by-luck")(
        lambda latents, labels, seed: np.random.random((len(latents), 2))  # noqa: NPY002
    )
    with pytest.raises(AssertionError, match="The same seed gives other positions"):
        testing.check_layout("by-luck")


def test_a_name_or_a_kind_that_cannot_be_registered_is_refused():
    with pytest.raises(BadData, match="'pca' exists already"):
        zatlas.register("layout", "pca")(print)
    with pytest.raises(UnknownName, match="Did you mean 'layout'"):
        zatlas.register("layuot", "mine")
    with pytest.raises(UnknownName, match="No layout named"):
        LAYOUTS.get("mine")
