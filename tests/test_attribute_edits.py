"""Edits from a median without an attribute to one with it: both ends, the steps between, and jitter."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from zatlas.cli import main
from zatlas.create import import_model
from zatlas.figures.attribute_edits import attribute
from zatlas.models.external_classifiers import python_classifier

METHODS = ("medians", "chart")
SEEDS = 20


@pytest.fixture(scope="module")
def judge(wide):
    """The digit that an image shows, by the pixels of the nearest reconstructions of real images."""
    rows = wide.rows("train")
    pixels = wide.decode(wide.latents("train")).reshape(len(rows), -1)
    neighbors = KNeighborsClassifier(5).fit(pixels, wide.labels(rows))
    return lambda images: neighbors.predict(images.reshape(len(images), -1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["0", "3"])
def test_an_edit_begins_without_the_attribute_and_ends_with_it_for_every_seed(wide, judge, method, name):
    paths = [attribute(wide, name, method=method, seed=seed) for seed in range(SEEDS)]
    digits = judge(wide.decode(np.concatenate([path.latents(2) for path in paths])))
    right = (digits[0::2] != int(name)) & (digits[1::2] == int(name))
    assert right.sum() >= 0.95 * SEEDS


class Quarters(torch.nn.Module):
    """Decodes four numbers to the brightness of the four quarters of an image."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(2 * z).reshape(-1, 1, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)


def alike(images: np.ndarray) -> np.ndarray:
    """Whether the upper quarters are both bright or both dark: no plane separates these latents."""
    left, right = images[:, 0, 0, 0] > 0.5, images[:, 0, 0, 7] > 0.5
    return (left == right).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_an_edit_ends_with_an_attribute_that_the_medians_of_its_images_do_not_show(tmp_path, method):
    run = import_model(Quarters(), tmp_path / "run", shape=(4,), verbose=False)
    labelled = run.annotate(python_classifier(alike, ("alike",), "flag"))
    paths = [attribute(labelled, "alike", method=method, seed=seed) for seed in range(SEEDS)]
    found = alike(run.decode(np.concatenate([path.latents(2) for path in paths])))
    assert (found[0::2] < found[1::2]).sum() >= 0.95 * SEEDS


@pytest.mark.parametrize("method", METHODS)
def test_the_image_of_an_edit_changes_evenly(wide, method):
    for seed in range(5):
        images = attribute(wide, "8", method=method, seed=seed).images(10)
        steps = np.sqrt(((images[1:] - images[:-1]) ** 2).mean(axis=(1, 2, 3)))
        assert steps.max() < 3 * steps.min()


@pytest.mark.parametrize("method", METHODS)
def test_jitter_chooses_other_ends_for_each_seed_and_none_without_it(wide, method):
    def ends(jitter: float, seed: int) -> np.ndarray:
        return attribute(wide, "3", method=method, jitter=jitter, seed=seed).latents(2)

    np.testing.assert_array_equal(ends(0.0, 0), ends(0.0, 1))
    assert len({ends(1.0, seed).tobytes() for seed in range(5)}) > 1


def test_the_jitter_of_an_edit_is_an_option(wide, tmp_path, capsys):
    run, out = str(wide.run.folder), str(tmp_path / "edit.png")
    assert main(["edit", run, "3", "--method", "medians", "--jitter", "0", "--out", out]) == 0
    assert main(["edit", run, "3", "--method", "medians", "--jitter", "-1", "--out", out]) == 2
    assert "The jitter must be 0 or more" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["mean_difference", "medians"])
def test_an_edit_of_a_conditional_model_decodes_in_the_class_that_is_given(
    conditional, method, tmp_path, capsys
):
    paths = [attribute(conditional, "3", method=method, label=label) for label in (3, 8)]
    latents = [path.latents(3) for path in paths]
    np.testing.assert_array_equal(*latents)
    for path, label in zip(paths, (3, 8), strict=True):
        decoded = conditional.decode(latents[0], label)
        np.testing.assert_allclose(path.images(3), decoded.reshape(path.images(3).shape), atol=1e-6)
    words = ["edit", str(conditional.run.folder), "3", "--method", "medians"]
    assert main([*words, "--label", "x", "--out", str(tmp_path / "edit.png")]) == 2
    assert "class" in capsys.readouterr().err
