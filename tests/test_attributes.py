"""Numbers, categories and named classes of a dataset are used as attributes by every command."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import small_run, spots
from zatlas.cli import main
from zatlas.directions.find import find_direction
from zatlas.figures.attribute_edits import attribute


@pytest.fixture(scope="module")
def people(tmp_path_factory, own_cache):
    """A VAE of images named as in UTKFace; the place of a bright spot depends on gender and age."""
    folder = tmp_path_factory.mktemp("utk")
    images = spots(150, size=16, channels=3)
    for number, (pixels, kind) in enumerate(zip(images.pixels, images.labels, strict=True)):
        name = f"{10 + 20 * kind + number % 7}_{int(kind == 1)}_{number % 2}_20170116{number:03}.png"
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / name)
    return small_run(folder / "run", f"utkface:root={folder}", dim=4, size=16, epochs=20)


def test_without_booleans_numbers_and_categories_are_edited_by_default(people, tmp_path, capsys):
    assert main(["edit", str(people.run.folder), "--frames", "2", "--out", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {f"edit-{name}.png" for name in GROUPS}
    assert "age: above 33, the median. For another limit: 'age>NUMBER'" in capsys.readouterr().err


GROUPS = ("age", "gender-female", "gender-male", "race-Black", "race-White")


def test_the_limit_of_a_number_is_said_and_can_be_chosen(people):
    direction = find_direction(people, "age")
    assert direction.facts["meaning"] == "age: above 33, the median"
    assert attribute(people, "age").note.startswith("age: above 33, the median; AUC")
    old = attribute(people, "age>45")
    assert "above" not in old.note and old.title.startswith("age>45")
    train = people.table("train").rows
    ages = people.dataset.attributes["age"][train]
    latents = people.latents("train")
    expected = latents[ages > 45].mean(axis=0) - latents[ages <= 45].mean(axis=0)
    vector = find_direction(people, "age>45").vector
    assert vector @ expected / np.linalg.norm(expected) == pytest.approx(1, abs=1e-4)


def test_directions_of_numbers_and_categories_are_evaluated(people, tmp_path, capsys):
    words = ["directions", "evaluate", str(people.run.folder), "gender=female", "age>45", "age<=20"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["direction"] for row in rows] == ["gender=female", "age>45", "age<=20"]
    assert [row["moves"] for row in rows] == ["gender=female", "age", "age"]
    assert all(row["effect"] > 0.05 and row["better than chance"] for row in rows)


@pytest.mark.slow
def test_the_gallery_has_the_attributes_with_their_limits(people, tmp_path, capsys):
    assert main(["gallery", str(people.run.folder), "--no-open", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "index.html").read_text()
    assert all(f'src="edit-{name}.png"' in page for name in GROUPS)
    assert "<h3>age: above 33, the median</h3>" in page and "<h3>gender: female</h3>" in page


def test_the_names_of_classes_of_an_npz_are_names_of_its_images(tmp_path, capsys):
    images = spots(60)
    arrays = {"images": images.pixels, "labels": images.labels, "classes": ["cat", "dog", "elephant"]}
    np.savez(tmp_path / "animals.npz", **arrays)
    run = small_run(tmp_path / "run", str(tmp_path / "animals.npz"), dim=2, epochs=2)
    assert run.dataset.classes == ("cat", "dog", "elephant")
    words = ["interpolate", str(tmp_path / "run"), "elephant", "dog", "--out", str(tmp_path / "a.png")]
    assert main(words) == 0
    del arrays["classes"]
    np.savez(tmp_path / "animals.npz", **arrays)
    settings = {"data.classes": ["Katze", "Hund", "Elefant"]}
    run = small_run(tmp_path / "other", str(tmp_path / "animals.npz"), dim=2, epochs=1, **settings)
    assert run.dataset.classes == ("Katze", "Hund", "Elefant")
    assert main(["sample", str(tmp_path / "other")]) == 0  # the recipe keeps the names


def test_images_of_a_dataset_without_a_test_part_are_called_held_out(tmp_path, capsys):
    images = spots(60)
    np.savez(tmp_path / "a.npz", images=images.pixels, labels=images.labels)
    run = small_run(tmp_path / "run", str(tmp_path / "a.npz"), dim=2, epochs=1)
    assert [run.dataset.kind_of(split) for split in ("train", "valid", "test")] == [
        "training",
        "held-out",
        "held-out",
    ]
    assert main(["scatter", str(tmp_path / "run"), "--out", str(tmp_path / "a.svg")]) == 0
    assert "3 held-out images in run" in (tmp_path / "a.svg").read_text()
    assert main(["interpolate", str(tmp_path / "run"), "0", "9"]) == 2
    assert "There is no held-out image 9: they are numbered from 0 to 2." in capsys.readouterr().err
