import numpy as np
import pytest

from zatlas.core.errors import BadRecipe, NotSupported, UnknownName, ZatlasError
from zatlas.core.registry import DATASETS, MODELS, NETS, Registry
from zatlas.core.seeds import derive, stream
from zatlas.core.settings import fill
from zatlas.core.space import Space
from zatlas.models.vae import VAEConfig


def test_a_misspelt_name_is_answered_with_the_nearest_one():
    with pytest.raises(UnknownName, match=r"No model named 'vea'. Did you mean 'vae'\? Known: ae, gan, vae."):
        MODELS.get("vea")


def test_of_very_many_names_those_that_contain_the_unknown_one_are_listed():
    names = [f"{animal} {number}" for number in range(100) for animal in ("tabby cat", "dog")]
    expected = "No class named 'Tabby'. 100 of 200 contain it: tabby cat 0, "
    assert str(UnknownName("class", "Tabby", names)).startswith(expected)
    numbers = [str(number) for number in range(1000)]
    assert str(UnknownName("class", "tench", numbers)) == "No class named 'tench'. Known: 0 to 999."
    assert str(UnknownName("class", "x", numbers[:11])).endswith(" 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.")


def test_every_registered_name_leads_to_something():
    for registry in (MODELS, NETS, DATASETS):
        assert registry.names()
        for name in registry.names():
            assert registry.get(name) is not None


def test_plugins_come_through_the_door_of_the_built_in_ones():
    assert Registry("plugin", "pytest11", ()).names() is not None
    assert MODELS.group == "zatlas.models"


def test_streams_of_different_names_are_different_and_repeatable():
    assert derive(0, "order", 1) == derive(0, "order", 1)
    result = {derive(seed, name, n) for seed in (0, 1) for name in ("order", "flip") for n in (0, 1)}
    assert len(result) == 8
    assert stream(0, "a").random() == stream(0, "a").random()


def test_a_big_seed_is_not_the_small_one_it_begins_with():
    assert derive(1, "x") != derive(1 + 2**32, "x")


def test_the_prior_is_normal_and_temperature_scales_it():
    z = Space((64,)).sample(500, seed=0)
    assert z.shape == (500, 64) and z.dtype == np.float32
    assert abs(z.std() - 1) < 0.02
    np.testing.assert_allclose(Space((64,)).sample(500, seed=0, temperature=0.5), z / 2)


def test_points_of_a_sphere_lie_on_it():
    z = Space((2, 3), "sphere").sample(10, seed=0)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)


def test_a_space_without_a_prior_says_what_to_do():
    with pytest.raises(NotSupported, match="Encode a dataset"):
        Space((2,), "none").sample(1, seed=0)


def test_settings_are_filled_strictly():
    assert fill(VAEConfig, {"dim": 4, "beta": 2}, "model") == VAEConfig(dim=4, beta=2.0)
    with pytest.raises(UnknownName, match="Did you mean 'beta'"):
        fill(VAEConfig, {"betta": 2}, "model")
    for wrong in ({"dim": 2.5}, {"dim": True}, {"beta": "much"}, {"conditional": 1}):
        with pytest.raises(BadRecipe, match="must be"):
            fill(VAEConfig, wrong, "model")
    with pytest.raises(UnknownName, match="bernoulli, gaussian, mse"):
        fill(VAEConfig, {"likelihood": "poisson"}, "model")


def test_every_error_of_ours_has_an_exit_status():
    assert {kind.exit_code for kind in ZatlasError.__subclasses__()} == {1, 2}
