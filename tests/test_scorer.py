from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from zatlas.core.errors import (
    BadData,
    BadRecipe,
    BadRun,
    Damaged,
    NotSupported,
    ShapeError,
    UnknownName,
)
from zatlas.data import faces
from zatlas.data.imageset import ImageSet, image_set
from zatlas.models.scorer import Scorer, load_scorer, save_scorer
from zatlas.training.scoring import check, choose, encode, soften, train_scorer

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


def drawn(count: int, size: int, seed: int = 0, **columns: np.ndarray) -> ImageSet:
    """Drawn faces, with some columns replaced or added."""
    factors = faces.factors(count, seed=seed)
    split = np.where(np.arange(count) % 4 == 3, 2, 0).astype(np.uint8)
    table = {**faces.attributes(factors), **columns}
    return image_set("faces", faces.draw(factors, size), attributes=table, split=split)


@pytest.fixture(scope="module")
def few() -> ImageSet:
    return drawn(480, 16)


@pytest.fixture(scope="module")
def taught(few):
    return train_scorer(few, NAMES, epochs=12, show=False)


def test_it_reads_flags_numbers_and_texts_of_images_it_has_not_seen(few, taught):
    found = check(taught, few)
    assert {name: one.measure for name, one in found.items()} == {
        "Bald": "accuracy",
        "skin_tone": "R2",
        "hair_colour": "accuracy",
    }
    assert all(one.images == 120 for one in found.values())
    assert found["skin_tone"].value > 0.7
    assert found["hair_colour"].value > found["hair_colour"].chance + 0.3


def test_a_text_has_a_column_for_each_of_its_classes_and_they_sum_to_one(few, taught):
    colours = tuple(f"hair_colour={name}" for name in ("black", "blond", "brown", "gray"))
    assert taught.names == ("Bald", "skin_tone", *colours)
    assert taught.kinds == ("flag", "number", *["class"] * 4)
    scores = taught.score(few.images(np.arange(30)))
    assert scores.shape == (30, 6) and scores.dtype == np.float32
    np.testing.assert_allclose(scores[:, 2:].sum(1), 1, atol=1e-5)
    assert 0 <= scores[:, 0].min() <= scores[:, 0].max() <= 1


def test_the_seed_alone_decides(few):
    images = few.images(few.rows("test"))
    torch.manual_seed(1)
    one = train_scorer(few, ["Bald"], epochs=1, seed=3, show=False)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    same = train_scorer(few, ["Bald"], epochs=1, seed=3, show=False)
    assert torch.equal(state, torch.get_rng_state())  # nobody else's chance is touched
    other = train_scorer(few, ["Bald"], epochs=1, seed=4, show=False)
    assert np.array_equal(one.score(images), same.score(images))
    assert not np.array_equal(one.score(images), other.score(images))


def test_it_comes_back_from_its_file_to_the_bit(tmp_path, few, taught):
    images = few.images(few.rows("test"))
    again = load_scorer(save_scorer(tmp_path / "s.safetensors", taught))
    assert (again.names, again.kinds, again.shape) == (taught.names, taught.kinds, taught.shape)
    assert np.array_equal(again.score(images), taught.score(images))
    half = save_scorer(tmp_path / "half.safetensors", taught, half=True)
    assert half.stat().st_size < 0.6 * (tmp_path / "s.safetensors").stat().st_size
    np.testing.assert_allclose(load_scorer(half).score(images), taught.score(images), atol=0.02)


def test_batches_change_nothing_but_rounding(few, taught):
    images = few.images(np.arange(20))
    one = Scorer(taught.names, taught.function, taught.kinds, batch=7)
    np.testing.assert_allclose(one.score(images), taught.score(images), atol=1e-5)
    assert taught.score(images[:0]).shape == (0, 6)


def test_missing_values_teach_nothing(few):
    """What stands in the place of a missing value is never looked at."""
    rows = np.arange(len(few))
    flag = few.attributes["Bald"].astype(np.float32)
    tone, colour = few.attributes["skin_tone"].copy(), few.attributes["hair_colour"].copy()
    flag[rows % 2 == 0], tone[rows % 3 == 0], colour[rows % 5 == 0] = np.nan, np.nan, ""
    holed = drawn(480, 16, Bald=flag, skin_tone=tone, hair_colour=colour)
    scorer = train_scorer(holed, NAMES, epochs=2, show=False)
    assert scorer.kinds[0] == "flag"  # with holes it comes as numbers, and is a flag all the same
    found = check(scorer, holed)
    test = holed.rows("test")
    assert found["Bald"].images == (test % 2 != 0).sum()
    assert found["skin_tone"].images == (test % 3 != 0).sum()
    assert found["hair_colour"].images == (test % 5 != 0).sum()
    assert np.isfinite(scorer.score(holed.images(test))).all()


def test_an_image_without_any_value_moves_no_weight(few):
    gone = np.arange(len(few)) >= 64
    flag = np.where(gone, np.nan, few.attributes["Bald"]).astype(np.float32)
    one = drawn(480, 16, Bald=flag)
    pixels = one.pixels.copy()
    pixels[gone] = 255 - pixels[gone]
    other = image_set("faces", pixels, attributes={"Bald": flag}, split=one.split)
    scorers = [train_scorer(s, ["Bald"], epochs=1, show=False) for s in (one, other)]
    images = few.images(few.rows("test"))
    assert np.array_equal(scorers[0].score(images), scorers[1].score(images))


def test_values_are_coded_by_kind():
    table = {
        "flag": np.array([-1, 1, np.nan], np.float32),
        "number": np.array([2, 4, np.nan], np.float32),
        "text": np.array(["b", "", "a"]),
    }
    images = image_set("three", np.zeros((3, 1, 4, 4), np.uint8), attributes=table)
    targets = choose(images, np.arange(3), None)
    assert [target.kind for target in targets] == ["flag", "number", "class"]
    assert (targets[1].mean, targets[1].spread) == (3, 1)
    np.testing.assert_array_equal(
        encode(targets, table), np.float32([[0, 2, 1], [1, 4, np.nan], [np.nan, np.nan, 0]])
    )


def test_the_classes_of_a_set_are_an_attribute_too(blobs):
    scorer = train_scorer(blobs, epochs=8, show=False)
    assert scorer.names == ("label=below", "label=left", "label=right")
    assert check(scorer, blobs)["label"].value > 0.9


def test_any_function_is_a_scorer(few):
    def brightness(x: torch.Tensor) -> torch.Tensor:
        return x.mean((1, 2, 3))[:, None]

    scorer = Scorer(("brightness",), brightness, ("number",))
    images = few.images(np.arange(5))
    np.testing.assert_allclose(scorer.score(images)[:, 0], images.mean((1, 2, 3)), rtol=1e-5)
    with pytest.raises(NotSupported, match="can be saved"):
        save_scorer(Path("nowhere"), scorer)
    with pytest.raises(ShapeError, match="a row an image"):
        Scorer(("a", "b"), brightness, ("number", "number")).score(images)


def test_some_names_of_a_scorer(few, taught):
    images = few.images(np.arange(5))
    some = taught.only(["hair_colour=gray", "Bald"])
    assert some.kinds == ("class", "flag")
    np.testing.assert_array_equal(some.score(images), taught.score(images)[:, [5, 0]])
    with pytest.raises(UnknownName, match="Did you mean 'Bald'"):
        taught.only(["bald"])


def test_images_of_another_shape_are_refused_in_one_sentence(taught):
    with pytest.raises(ShapeError, match=r"reads images of 3x16x16; it was given 1x16x16"):
        taught.score(np.zeros((2, 1, 16, 16), np.float32))
    with pytest.raises(ShapeError, match="reads images of 3x16x16"):
        taught.score(np.zeros((3, 16, 16), np.float32))


def test_what_cannot_be_learnt_is_said(few, blobs):
    with pytest.raises(UnknownName, match="Did you mean 'Smiling'"):
        train_scorer(few, ["Smilling"], show=False)
    with pytest.raises(BadData, match="the same for all images"):
        train_scorer(drawn(8, 16, flat=np.zeros(8, bool)), ["flat"], show=False)
    bare = image_set("bare", blobs.pixels)
    with pytest.raises(BadData, match="no attributes"):
        train_scorer(bare, show=False)
    with pytest.raises(BadRecipe, match="at least 1 epoch"):
        train_scorer(few, epochs=0, show=False)


def test_files_that_are_no_scorer_are_told_apart(tmp_path, taught):
    with pytest.raises(BadRun, match="no scorer at"):
        load_scorer(tmp_path / "none")
    (tmp_path / "noise").write_bytes(b"noise" * 9)
    with pytest.raises(Damaged):
        load_scorer(tmp_path / "noise")
    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(BadRun, match="not those of a scorer"):
        load_scorer(tmp_path / "other")


def test_softened_images_are_images_and_half_of_them_are_sharp():
    x = torch.rand(200, 3, 8, 8)
    soft = soften(x, torch.Generator().manual_seed(0))
    assert soft.shape == x.shape and 0 <= soft.min() <= soft.max() <= 1
    moved = (soft - x).abs().mean((1, 2, 3))
    assert 0.3 < (moved < 0.05).float().mean() < 0.8


@pytest.mark.parametrize("name", READ)
def test_the_shipped_scorer_reads_drawn_faces(fresh, name):
    assert fresh[name].value >= 0.95


@pytest.fixture(scope="module")
def fresh():
    return check(load_scorer(SHIPPED / "faces-scorer.safetensors"), portraits(300))


def portraits(count: int) -> ImageSet:
    """Faces as the shipped models know them, but none that they have seen."""
    factors = faces.factors(count, seed=987)
    table = faces.attributes(factors)
    split = np.full(count, 2, np.uint8)
    return image_set("faces", faces.draw(factors, 64), attributes=table, split=split)
