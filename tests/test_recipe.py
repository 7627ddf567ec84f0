import math
import tomllib
from datetime import date

import pytest

from zatlas.core.errors import BadRecipe, UnknownName, ZatlasError
from zatlas.core.registry import MODELS, NETS
from zatlas.core.settings import fill
from zatlas.create import compose
from zatlas.training.presets import presets
from zatlas.training.recipe import Training, make_recipe, parse_recipe, preset, read_recipe
from zatlas.training.schedule import rate_at


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_a_recipe_and_survives_being_written(name):
    recipe = make_recipe(preset(name))
    assert make_recipe(parse_recipe(recipe.to_toml())) == recipe


def test_a_recipe_with_text_of_any_kind_survives_being_written():
    source = 'odd "name"\\with\ttabs, ümlauts and 🗺'
    recipe = make_recipe({"data": {"source": source, "label": "it's"}})
    assert make_recipe(tomllib.loads(recipe.to_toml())) == recipe


ODD_OPTIONS = {
    "delete": "a\x7fb",
    "control": "\x00\x1f\u2028",
    "infinite": [float("inf"), float("-inf")],
    "small": 1e-300,
    "when": date(2026, 1, 31),
    "table": {"a key with spaces": [{"x": True}], "é": 1},
    'a "quoted" key': 2,
}


@pytest.mark.parametrize("name", ODD_OPTIONS)
def test_an_option_of_any_toml_type_survives_being_written(name):
    recipe = make_recipe({"data": {"source": "digits", name: ODD_OPTIONS[name]}})
    assert make_recipe(tomllib.loads(recipe.to_toml())) == recipe


def test_nan_survives_being_written():
    recipe = make_recipe({"data": {"source": "digits", "missing": float("nan")}})
    assert math.isnan(tomllib.loads(recipe.to_toml())["data"]["missing"])


def test_missing_settings_have_the_defaults_of_the_family():
    recipe = make_recipe({"data": {"source": "digits"}, "model": {"family": "gan"}})
    assert recipe.net == "conv-resize"
    assert recipe.training.schedule == "constant" and recipe.training.beta1 == 0.5


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"model.dim": 0}, r"model.dim must be a whole number from 1 to 100,000, not 0\."),
        ({"model.dim": 2.5}, "model.dim must be a whole number, not 2.5"),
        ({"model.dim": True}, "model.dim must be a whole number, not True"),
        ({"model.dim": 10**5000}, "not a number of very many digits"),
        ({"model.beta": -1.0}, "model.beta must be a number of at least 0, not -1.0"),
        ({"model.beta": 10**400}, "model.beta must be a number, not a number of very many digits"),
        ({"model.sigma": float("inf")}, "model.sigma must be a number of at least 0, not inf"),
        ({"model.samples": 0}, "model.samples must be a whole number from 1 to 10,000"),
        ({"model.family": 5}, "model.family must be text, not 5"),
        ({"model.likelihood": ["mse"]}, "No value of model.likelihood named"),
        ({"net.widths": -1}, "net.widths must be a whole number from 1 to 1,000,000, not -1"),
        ({"net.widths": [64, 0]}, "net.widths must be a whole number from 1 to 1,000,000, not 0"),
        ({"net.widths": "wide"}, "net.widths must be a whole number, not 'wide'"),
        ({"net.name": ["mlp"]}, "net.name must be text"),
        ({"net.name": "conv", "net.width": 0}, "net.width must be a whole number from 1 to 65,536"),
        ({"net.name": "conv-even", "net.dropout": 1}, "net.dropout must be a number of at least 0 and below"),
        ({"training.epochs": 0}, "training.epochs must be a whole number from 1 to 1,000,000, not 0"),
        ({"training.batch": -5}, "training.batch must be a whole number from 1 to"),
        ({"training.rate": 0.0}, "training.rate must be a number above 0, not 0.0"),
        ({"training.rate": float("nan")}, "training.rate must be a number above 0, not nan"),
        ({"training.rate": "fast"}, "training.rate must be a number, not 'fast'"),
        ({"training.average": 1.0}, "training.average must be a number of at least 0 and below 1"),
        ({"training.beta1": 1.0}, "training.beta1 must be a number of at least 0 and below 1"),
        ({"training.clip": -1.0}, "training.clip must be a number of at least 0"),
        ({"training.preview": -1}, "training.preview must be a whole number from 0"),
        ({"seed": -1}, "seed must be a whole number from 0 to 9,223,372,036,854,775,807, not -1"),
        ({"seed": "x"}, "seed must be a whole number, not 'x'"),
        ({"data.source": 5}, "data.source must be text, not 5"),
        ({"data.source": "/photos/\udcff"}, "is not UTF-8, so a recipe cannot store it"),
        ({"data.size": "64"}, "data.size must be a whole number, not '64'"),
        ({"data.size": 0}, "data.size must be a whole number from 1 to 65,536"),
        ({"beta": 4}, "is not the name of a setting. Write table.name"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_by_name(settings, match):
    with pytest.raises(ZatlasError, match=match):
        make_recipe(compose(None, None, {"data.source": "digits", **settings}))


@pytest.mark.parametrize("name", ["data", "model", "net", "training"])
@pytest.mark.parametrize("value", [5, "vae", [1], [{"a": 1}], None], ids=str)
def test_a_table_that_is_none_is_refused_by_name(name, value):
    tables = {"data": {"source": "digits"}, name: value}
    with pytest.raises(BadRecipe, match=rf"\[{name}\] must be a table of settings"):
        make_recipe(tables)


def test_every_number_of_a_recipe_has_bounds():
    registries = [registry.get(name) for registry in (MODELS, NETS) for name in registry.names()]
    for kind in (Training, *registries):
        for name, default in vars(kind()).items():
            number = default[0] if isinstance(default, tuple) else default
            if isinstance(number, bool | str):
                continue
            for value in (-(10**18), 10**400, float("nan"), float("inf"), "1", None):
                with pytest.raises(ZatlasError, match=f"table.{name} must be"):
                    fill(kind, {name: value}, "table")
            if isinstance(number, int):
                with pytest.raises(ZatlasError, match=f"table.{name} must be a whole number from"):
                    fill(kind, {name: 10**18}, "table")


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"model.family": "vea"}, "Did you mean 'vae'"),
        ({"net.name": "covn"}, "Did you mean 'conv'"),
        ({"model.betta": 1.0}, "Did you mean 'beta'"),
        ({"trainng.rate": 1.0}, "Did you mean 'training'"),
        ({"training.schedule": "constnt"}, "Did you mean 'constant'"),
    ],
)
def test_a_misspelt_setting_is_answered_with_the_nearest(settings, hint):
    with pytest.raises(UnknownName) as error:
        make_recipe(compose(None, None, {"data.source": "digits", **settings}))
    assert hint in str(error.value)


def test_a_recipe_without_images_says_so():
    with pytest.raises(BadRecipe, match="needs images"):
        make_recipe({})


def test_a_file_that_is_no_recipe_is_named(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[model\n")
    with pytest.raises(BadRecipe, match="not a recipe in TOML"):
        read_recipe(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadRecipe):
        read_recipe(path)
    with pytest.raises(ZatlasError, match=r"The recipe .* does not exist"):
        read_recipe(tmp_path / "none.toml")


def test_other_images_than_the_preset_s_do_not_take_its_options():
    recipe = make_recipe(compose("gan-d2", None, {"data.source": "faces"}))
    assert (recipe.source, recipe.size, dict(recipe.options)) == ("faces", 128, {})
    assert make_recipe(compose("gan-d2", None, {})).options == {"count": 15000}


def test_large_images_are_given_a_net_that_suits_them():
    tables = {"data": {"source": "faces"}}
    assert make_recipe(tables, (1, 28, 28)).net == "mlp"
    assert make_recipe(tables, (3, 64, 64)).net == "conv-patch"
    assert make_recipe(tables, (3, 65, 65)).net == "mlp"
    assert make_recipe({**tables, "net": {"name": "mlp"}}, (3, 64, 64)).net == "mlp"


def test_a_setting_of_any_default_net_is_accepted_before_the_size_of_the_images_is_known():
    tables = {"data": {"source": "faces"}, "net": {"norm": "none"}}
    assert make_recipe(tables).net == "conv-patch"
    assert make_recipe(tables, (3, 64, 64)).layers["norm"] == "none"
    with pytest.raises(UnknownName, match=r"No setting of \[net\] named 'norm'"):
        make_recipe(tables, (1, 28, 28))


def test_the_one_cycle_rate_rises_to_its_highest_and_falls_to_nothing():
    training = make_recipe({"data": {"source": "x"}, "training": {"epochs": 10, "rate": 1.0}}).training
    rates = [rate_at(training, step, 100) for step in range(1000)]
    top = rates.index(max(rates))
    assert 50 < top < 200 and rates[top] == pytest.approx(1, abs=1e-3)
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 1e-4


def test_the_exponential_rate_falls_once_an_epoch():
    output = {"epochs": 3, "rate": 1.0, "schedule": "exponential", "decay": 0.5}
    training = make_recipe({"data": {"source": "x"}, "training": output}).training
    assert [rate_at(training, step, 2) for step in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
