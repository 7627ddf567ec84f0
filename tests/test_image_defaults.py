import numpy as np
import pytest

from tests.conftest import small_run
from zatlas import cli
from zatlas.create import train
from zatlas.training.image_defaults import MAX_EPOCHS, MIN_STEPS
from zatlas.training.recipe import explain_defaults, make_recipe, parse_recipe

DATA = {"data": {"source": "x"}}
GREY, COLOUR = (1, 28, 28), (3, 64, 64)


def lines(tables, shape, count):
    return explain_defaults(tables, make_recipe(tables, shape, count), shape, count)


def test_few_images_are_trained_for_enough_steps():
    for shape, count, least in ((GREY, 5000, MIN_STEPS), (COLOUR, 500, MIN_STEPS)):
        training = make_recipe(DATA, shape, count).training
        steps = -(-count // training.batch)
        assert least <= training.epochs * steps < least + steps
    assert "500 images, 16 steps an epoch: training 125 epochs (2,000 steps)" in lines(DATA, COLOUR, 500)[-1]


def test_many_images_are_trained_for_the_usual_epochs():
    assert make_recipe(DATA, GREY, 60_000).training.epochs == 30
    assert lines(DATA, GREY, 60_000) == []
    assert make_recipe(DATA, GREY, 2).training.epochs == MAX_EPOCHS


def test_the_number_of_epochs_is_written_into_the_recipe():
    recipe = make_recipe(DATA, COLOUR, 500)
    assert make_recipe(parse_recipe(recipe.to_toml()), COLOUR, 60_000) == recipe


def test_epochs_that_give_too_few_steps_get_one_warning():
    few = {**DATA, "training": {"epochs": 6}}
    assert make_recipe(few, COLOUR, 500).training.epochs == 6
    warning = lines(few, COLOUR, 500)[-1]
    assert "Training 6 epochs of 500 images is only 96 steps" in warning and "125 epochs" in warning
    assert lines({**DATA, "training": {"epochs": 250}}, GREY, 5000) == []


def test_a_gan_has_a_least_number_of_steps_of_its_own():
    gan = {**DATA, "model": {"family": "gan"}}
    small, large = make_recipe(gan, GREY, 4800), make_recipe(gan, GREY, 60_000)
    assert small.training.epochs * 75 >= 4500 and large.training.epochs == 10
    assert not small.model["augment"] and not large.model["augment"]


def test_a_gan_of_very_few_images_sees_augmented_images():
    gan = {**DATA, "model": {"family": "gan"}}
    assert make_recipe(gan, GREY, 500).model["augment"]
    assert any("model.augment=true, because" in line for line in lines(gan, GREY, 500))
    given = {**DATA, "model": {"family": "gan", "augment": False}}
    assert not make_recipe(given, GREY, 500).model["augment"]


def test_a_gan_of_larger_images_has_a_larger_penalty_and_a_lower_rate():
    gan = {**DATA, "model": {"family": "gan"}}
    small, large = make_recipe(gan, (1, 28, 28), 60_000), make_recipe(gan, (3, 64, 64), 60_000)
    assert (small.model["r1"], small.training.rate) == (0.3, 2e-3)
    assert (large.model["r1"], large.training.rate) == (10, 5e-4)
    assert [line.split(",")[0] for line in lines(gan, (3, 64, 64), 60_000)] == [
        "Chosen for these images: model.r1=10.0",
        "Chosen for these images: training.rate=0.0005",
    ]
    given = {**DATA, "model": {"family": "gan", "r1": 1.0}, "training": {"rate": 1e-4}}
    assert make_recipe(given, (3, 64, 64), 60_000).model["r1"] == 1
    assert make_recipe(given, (3, 64, 64), 60_000).training.rate == 1e-4


def test_the_rate_of_a_gan_is_stable_for_its_net_too():
    rates = {
        net: make_recipe({**DATA, "model": {"family": "gan"}, "net": {"name": net}}).training.rate
        for net in ("conv-resize", "mlp", "dcgan")
    }
    assert rates == {"conv-resize": 2e-3, "mlp": 2e-3, "dcgan": 2e-4}
    slow = {**DATA, "model": {"family": "gan"}, "net": {"name": "dcgan"}}
    assert make_recipe(slow, (3, 64, 64), 60_000).training.rate == 2e-4


def test_colour_images_get_a_likelihood_for_colours_with_the_reason():
    assert make_recipe(DATA, COLOUR, 5000).model["likelihood"] == "gaussian"
    assert make_recipe(DATA, GREY, 5000).model["likelihood"] == "bernoulli"
    assert any("model.likelihood=gaussian, because" in line for line in lines(DATA, COLOUR, 5000))


@pytest.mark.parametrize("model", [{"likelihood": "bernoulli"}, {"pixels": "dynamic"}])
def test_a_given_likelihood_or_treatment_of_pixels_is_not_replaced(model):
    tables = {**DATA, "model": model}
    assert make_recipe(tables, COLOUR, 5000).model["likelihood"] == "bernoulli"
    assert not any("likelihood" in line for line in lines(tables, COLOUR, 5000))


def test_the_command_says_what_it_chose(tmp_path, capsys):
    np.savez(tmp_path / "few.npz", x_train=np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), np.uint8))
    words = ["train", str(tmp_path / "few.npz"), "--set", "net.name=mlp", "--set", "net.widths=[8]"]
    assert cli.main([*words, "--epochs", "2", "--out", str(tmp_path / "run"), "--threads", "1"]) == 0
    printed = capsys.readouterr().err
    assert "model.likelihood=gaussian, because" in printed
    assert "Training 2 epochs of " in printed and "Without --epochs" in printed


def test_a_training_from_python_has_the_same_defaults(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 3, 8, 8), np.uint8)
    settings = {"net.name": "mlp", "net.widths": [8], "training.preview": 0}
    run = train(images, epochs=1, settings=settings, out=tmp_path / "run", verbose=False)
    assert run.recipe.model["likelihood"] == "gaussian"
    assert small_run(tmp_path / "grey", images[:, 0], epochs=1).recipe.model["likelihood"] == "bernoulli"
