import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.core.errors import BadData, BadRecipe, BadRun, Damaged, NotSupported, ShapeError, UnknownName
from zatlas.data import faces
from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.directions.find import find_direction
from zatlas.locate import locate
from zatlas.models.classifier import Classifier, load_classifier, resized, save_classifier
from zatlas.models.external_classifiers import python_classifier
from zatlas.predictions import Predictions, load_predictions, save_predictions
from zatlas.sample import sample_latents
from zatlas.training.classifier_training import (
    blur_randomly,
    choose,
    encode,
    evaluate_classifier,
    train_classifier,
)
from zatlas.workspace import Workspace

SHIPPED = Path(str(resources.files("zatlas") / "shipped"))
READ = (
    "Gray_Hair",
    "Black_Hair",
    "Brown_Hair",
    "Blond_Hair",
    "Bangs",
    "Bald",
    "No_Beard",
    "Pale_Skin",
    "Mouth_Slightly_Open",
    "Smiling",
    "Oval_Face",
    "Male",
)
NAMES = ("Bald", "skin_tone", "hair_colour")


def drawn_faces(count: int, size: int, seed: int = 0, **columns: np.ndarray) -> ImageDataset:
    """Drawn faces, with some columns replaced or added."""
    factors = faces.factors(count, seed=seed)
    split = np.where(np.arange(count) % 4 == 3, 2, 0).astype(np.uint8)
    table = {**faces.attributes(factors), **columns}
    return image_dataset("faces", faces.draw(factors, size), attributes=table, split=split)


@pytest.fixture(scope="module")
def few() -> ImageDataset:
    return drawn_faces(480, 16)


@pytest.fixture(scope="module")
def trained(few):
    return train_classifier(few, NAMES, epochs=12, show=False)


def test_a_classifier_predicts_flags_numbers_and_texts_of_held_out_images(few, trained):
    result = evaluate_classifier(trained, few)
    assert {name: one.measure for name, one in result.items()} == {
        "Bald": "accuracy",
        "skin_tone": "R2",
        "hair_colour": "accuracy",
    }
    assert all(one.images == 120 for one in result.values())
    assert result["skin_tone"].value > 0.7
    assert result["hair_colour"].value > result["hair_colour"].baseline + 0.3


def test_a_text_has_a_column_for_each_of_its_classes_and_they_sum_to_one(few, trained):
    colours = tuple(f"hair_colour={name}" for name in ("black", "blond", "brown", "gray"))
    assert trained.names == ("Bald", "skin_tone", *colours)
    assert trained.kinds == ("flag", "number", *["class"] * 4)
    scores = trained.predict(few.images(np.arange(30)))
    assert scores.shape == (30, 6) and scores.dtype == np.float32
    np.testing.assert_allclose(scores[:, 2:].sum(1), 1, atol=1e-5)
    assert 0 <= scores[:, 0].min() <= scores[:, 0].max() <= 1


def test_the_same_seed_gives_the_same_classifier(few):
    images = few.images(few.rows("test"))
    torch.manual_seed(1)
    one = train_classifier(few, ["Bald"], epochs=1, seed=3, show=False)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    same = train_classifier(few, ["Bald"], epochs=1, seed=3, show=False)
    assert torch.equal(state, torch.get_rng_state())  # nobody else's chance is touched
    other = train_classifier(few, ["Bald"], epochs=1, seed=4, show=False)
    assert np.array_equal(one.predict(images), same.predict(images))
    assert not np.array_equal(one.predict(images), other.predict(images))


def test_it_comes_back_from_its_file_to_the_bit(tmp_path, few, trained):
    images = few.images(few.rows("test"))
    loaded = load_classifier(save_classifier(tmp_path / "s.safetensors", trained))
    assert (loaded.names, loaded.kinds, loaded.shape) == (trained.names, trained.kinds, trained.shape)
    assert np.array_equal(loaded.predict(images), trained.predict(images))
    half = save_classifier(tmp_path / "half.safetensors", trained, half=True)
    assert half.stat().st_size < 0.6 * (tmp_path / "s.safetensors").stat().st_size
    np.testing.assert_allclose(load_classifier(half).predict(images), trained.predict(images), atol=0.02)


def test_batches_change_nothing_but_rounding(few, trained):
    images = few.images(np.arange(20))
    one = Classifier(trained.names, trained.function, trained.kinds, batch=7)
    np.testing.assert_allclose(one.predict(images), trained.predict(images), atol=1e-5)
    assert trained.predict(images[:0]).shape == (0, 6)


def test_missing_values_are_not_trained_on(few):
    """What stands in the place of a missing value is never looked at."""
    rows = np.arange(len(few))
    flag = few.attributes["Bald"].astype(np.float32)
    tone, colour = few.attributes["skin_tone"].copy(), few.attributes["hair_colour"].copy()
    flag[rows % 2 == 0], tone[rows % 3 == 0], colour[rows % 5 == 0] = np.nan, np.nan, ""
    holed = drawn_faces(480, 16, Bald=flag, skin_tone=tone, hair_colour=colour)
    classifier = train_classifier(holed, NAMES, epochs=2, show=False)
    assert classifier.kinds[0] == "flag"  # with holes it comes as numbers, and is a flag all the same
    result = evaluate_classifier(classifier, holed)
    test = holed.rows("test")
    assert result["Bald"].images == (test % 2 != 0).sum()
    assert result["skin_tone"].images == (test % 3 != 0).sum()
    assert result["hair_colour"].images == (test % 5 != 0).sum()
    assert np.isfinite(classifier.predict(holed.images(test))).all()


def test_an_image_without_any_value_moves_no_weight(few):
    gone = np.arange(len(few)) >= 64
    flag = np.where(gone, np.nan, few.attributes["Bald"]).astype(np.float32)
    one = drawn_faces(480, 16, Bald=flag)
    pixels = one.pixels.copy()
    pixels[gone] = 255 - pixels[gone]
    other = image_dataset("faces", pixels, attributes={"Bald": flag}, split=one.split)
    classifiers = [train_classifier(s, ["Bald"], epochs=1, show=False) for s in (one, other)]
    images = few.images(few.rows("test"))
    assert np.array_equal(classifiers[0].predict(images), classifiers[1].predict(images))


def test_values_are_coded_by_kind():
    table = {
        "flag": np.array([-1, 1, np.nan], np.float32),
        "number": np.array([2, 4, np.nan], np.float32),
        "text": np.array(["b", "", "a"]),
    }
    images = image_dataset("three", np.zeros((3, 1, 4, 4), np.uint8), attributes=table)
    targets = choose(images, np.arange(3), None)
    assert [target.kind for target in targets] == ["flag", "number", "class"]
    assert (targets[1].mean, targets[1].std) == (3, 1)
    np.testing.assert_array_equal(
        encode(targets, table), np.float32([[0, 2, 1], [1, 4, np.nan], [np.nan, np.nan, 0]])
    )


def test_the_classes_of_a_set_are_an_attribute_too(blobs):
    classifier = train_classifier(blobs, epochs=8, show=False)
    assert classifier.names == ("label=below", "label=left", "label=right")
    assert evaluate_classifier(classifier, blobs)["label"].value > 0.9


def test_any_function_of_images_works_as_a_classifier(few):
    def brightness(x: torch.Tensor) -> torch.Tensor:
        return x.mean((1, 2, 3))[:, None]

    classifier = Classifier(("brightness",), brightness, ("number",))
    images = few.images(np.arange(5))
    np.testing.assert_allclose(classifier.predict(images)[:, 0], images.mean((1, 2, 3)), rtol=1e-5)
    with pytest.raises(NotSupported, match="can be saved"):
        save_classifier(Path("nowhere"), classifier)
    with pytest.raises(ShapeError, match="one row per image"):
        Classifier(("a", "b"), brightness, ("number", "number")).predict(images)


def test_a_classifier_can_be_limited_to_some_names(few, trained):
    images = few.images(np.arange(5))
    selected = trained.select(["hair_colour=gray", "Bald"])
    assert selected.kinds == ("class", "flag")
    np.testing.assert_array_equal(selected.predict(images), trained.predict(images)[:, [5, 0]])
    with pytest.raises(UnknownName, match="Did you mean 'Bald'"):
        trained.select(["bald"])


def test_an_array_that_holds_no_images_is_refused_in_one_sentence(trained):
    with pytest.raises(ShapeError, match=r"these have shape \(3, 16, 16\)"):
        trained.predict(np.zeros((3, 16, 16), np.float32))


def test_an_attribute_that_no_classifier_can_predict_is_refused(few, blobs):
    with pytest.raises(UnknownName, match="Did you mean 'Smiling'"):
        train_classifier(few, ["Smilling"], show=False)
    with pytest.raises(BadData, match="equal for all images"):
        train_classifier(drawn_faces(8, 16, flat=np.zeros(8, bool)), ["flat"], show=False)
    bare = image_dataset("bare", blobs.pixels)
    with pytest.raises(BadData, match="no attributes"):
        train_classifier(bare, show=False)
    with pytest.raises(BadRecipe, match="at least 1 epoch"):
        train_classifier(few, epochs=0, show=False)


def test_files_that_hold_no_classifier_are_refused(tmp_path, trained):
    with pytest.raises(BadRun, match="no classifier at"):
        load_classifier(tmp_path / "none")
    (tmp_path / "noise").write_bytes(b"noise" * 9)
    with pytest.raises(Damaged):
        load_classifier(tmp_path / "noise")
    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(BadRun, match="not a classifier"):
        load_classifier(tmp_path / "other")


def test_softened_images_are_images_and_half_of_them_are_sharp():
    x = torch.rand(200, 3, 8, 8)
    soft = blur_randomly(x, torch.Generator().manual_seed(0))
    assert soft.shape == x.shape and 0 <= soft.min() <= soft.max() <= 1
    moved = (soft - x).abs().mean((1, 2, 3))
    assert 0.3 < (moved < 0.05).float().mean() < 0.8


@pytest.mark.parametrize("name", READ)
def test_the_shipped_classifier_predicts_attributes_of_drawn_faces(fresh, name):
    assert fresh[name].value >= 0.95


@pytest.fixture(scope="module")
def fresh():
    return evaluate_classifier(load_classifier(SHIPPED / "faces-classifier.safetensors"), portraits(300))


def portraits(count: int) -> ImageDataset:
    """Faces as the shipped models know them, but none that they have seen."""
    factors = faces.factors(count, seed=987)
    table = faces.attributes(factors)
    split = np.full(count, 2, np.uint8)
    return image_dataset("faces", faces.draw(factors, 64), attributes=table, split=split)


def test_a_flag_has_an_area_under_its_curve(few, trained):
    result = evaluate_classifier(trained, few)
    assert 0.5 < result["Bald"].auc <= 1
    assert result["skin_tone"].auc is None


def test_images_of_any_size_are_converted_to_the_input_of_the_classifier(trained):
    large = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    small = resized(torch.from_numpy(large), (3, 16, 16)).numpy()
    assert 0 < small.min() < small.max() < 1
    np.testing.assert_array_equal(trained.predict(large), trained.predict(small))
    grey = small[:, :1]
    np.testing.assert_array_equal(trained.predict(grey), trained.predict(np.repeat(grey, 3, axis=1)))


def test_gradients_pass_through_the_resizing(trained):
    images = torch.rand(2, 1, 32, 40, requires_grad=True)
    trained.select(["Bald"])(images).sum().backward()
    assert images.grad.shape == images.shape and images.grad.abs().sum() > 0


# Predictions for a run ------------------------------------------------------------------------


def ink(images: np.ndarray) -> np.ndarray:
    """Whether there is much white."""
    return (images.mean((1, 2, 3)) > 0.3).astype(np.float32)


INK = python_classifier(ink, ("inky",), "flag")


@pytest.fixture(scope="module")
def sketcher(tmp_path_factory, own_cache) -> Workspace:
    """A GAN whose samples are not all alike."""
    folder = tmp_path_factory.mktemp("runs") / "sketcher"
    settings = {"training.average": 0.0, "training.rate": 1e-3}
    return small_run(folder, "digits", model="gan", dim=12, epochs=20, **settings)


@pytest.mark.slow
def test_samples_of_a_gan_get_labels_and_directions(sketcher):
    with pytest.raises(NotSupported, match="no encoder"):
        find_direction(sketcher, "inky")
    result = sketcher.annotate(INK)
    assert result.source.generated and result.source.indexed and not sketcher.source.indexed
    rows = result.rows("test")
    images = result.dataset.images(rows)
    np.testing.assert_allclose(images, sketcher.decode(result.latents("test")), atol=1 / 255)
    np.testing.assert_array_equal(result.flags("inky", rows), ink(images) > 0.5)
    direction = find_direction(sketcher, "inky", classifier=INK)
    assert direction.score.significant
    z = sample_latents(sketcher, 200, seed=9)
    lighter = ink(sketcher.decode(direction.move(z, 2.0))).mean() - ink(sketcher.decode(z)).mean()
    assert lighter > 0.2


def test_predictions_are_saved_and_used_by_every_command(sketcher, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(sketcher.run.folder, folder)
    Workspace.open(folder).annotate(INK, save=True)
    loaded = Workspace.open(folder)
    assert loaded.source.generated and "inky" in loaded.dataset.attributes
    assert locate(loaded, "inky:2").image is not None
    assert len(loaded.chart("pca", supervise="inky").positions) == len(loaded.latents("test"))
    result = loaded.query("select avg(inky::int) as share from train")["share"][0].as_py()
    assert result == pytest.approx(loaded.flags("inky", loaded.rows("train")).mean())
    assert main(["edit", str(folder), "inky", "--out", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").exists()


def test_predictions_of_other_weights_are_not_used(sketcher, tmp_path):
    path = save_predictions(tmp_path / "r.parquet", Predictions("d", {"a": np.array([True])}), "model")
    assert load_predictions(path, "model").columns["a"].tolist() == [True]
    assert load_predictions(path, "another") is None
    path.write_bytes(b"noise")
    with pytest.raises(Damaged, match="predict again"):
        load_predictions(path, "model")


def test_predictions_of_two_classifiers_are_combined(portraits, trained):
    light = python_classifier(lambda x: x.mean((1, 2, 3)), ("light",))
    result = portraits.annotate(trained).annotate(light)
    assert {"Bald", "light", "hair_colour"} <= set(result.dataset.attributes)
    assert find_direction(result, "light").score.auc > 0.7
    assert result.flags("hair_colour=gray", result.rows("test")).dtype == bool


def test_the_command_trains_and_predicts(tmp_path, capsys, sketcher):
    file = tmp_path / "digits.safetensors"
    assert main(["classifier", "train", "digits", "--out", str(file), "--epochs", "2"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["attribute"] == "label" and row["value"] > row["baseline"] + 0.2
    assert main(["classifier", "predict", str(file), "digits"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["metric"] == "accuracy" and sum(row["predicted"].values()) == pytest.approx(1, abs=0.01)
    folder = tmp_path / "run"
    shutil.copytree(sketcher.run.folder, folder)
    assert main(["classifier", "predict", str(file), str(folder)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["kind"] == "class" and Workspace.open(folder).source.generated
