"""The discriminator of a GAN, which scores how real images look."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import zatlas
from tests import stylegan_files
from tests.conftest import small_run
from tests.write_stylegan import FILE
from zatlas.cli import main
from zatlas.core.errors import NotSupported
from zatlas.models.importers import discriminator
from zatlas.models.realism import feature_distance
from zatlas.store.run import Run

MAX_DIFFERENCE = 1e-5
CASE = stylegan_files.Case("ada")


def import_with(judge, folder, case=CASE):
    path = stylegan_files.write(case, folder, judge=judge)
    return zatlas.import_model(path, folder / "run", device="cpu", verbose=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", stylegan_files.JUDGES)
def test_the_scores_of_a_group_are_those_of_the_reference_code(name, tmp_path):
    judge = stylegan_files.JUDGES[name]
    import_with(judge, tmp_path, stylegan_files.Case("ada", classes=judge.classes))
    run = Run(tmp_path / "run")
    settings = run.provenance()["imported"]["settings"]["discriminator"]
    net = discriminator.load(run.path(discriminator.FILE), settings)
    labels = judge.labels()
    scores = net.in_groups(torch.from_numpy(judge.images()), None if labels is None else torch.tensor(labels))
    expected = json.loads(Path(FILE).read_text())["judges"][name]
    np.testing.assert_allclose(scores.numpy(), expected, atol=MAX_DIFFERENCE)


@pytest.mark.slow
def test_the_realism_of_an_image_does_not_depend_on_other_images_or_the_space(tmp_path):
    atlas = import_with(stylegan_files.JUDGES["skip"], tmp_path)
    images = atlas.generate(5)
    scores = atlas.realism(images)
    assert scores.shape == (5,) and scores.std() > 1e-4
    np.testing.assert_allclose(atlas.realism(images[3:4]), scores[3:4], atol=1e-6)
    np.testing.assert_allclose(atlas.space("w").realism(images), scores, atol=1e-6)
    metric = atlas.evaluate(["samples"]).metrics["realism"].value
    assert np.isfinite(metric)


@pytest.mark.slow
def test_a_perceptual_inversion_makes_the_features_of_the_discriminator_similar(tmp_path, capsys):
    w = import_with(stylegan_files.JUDGES["skip"], tmp_path).space("w+")
    images = w.decode(w.sample_latents(3, seed=5))[:, :, ::-1]  # upside down, so no latent is exact
    distance = feature_distance(w.generator)
    errors = {}
    for perceptual in (None, "discriminator"):
        result = w.invert(images.copy(), perceptual=perceptual)
        errors[perceptual] = distance(torch.from_numpy(result.images), torch.from_numpy(images.copy()))
    assert errors["discriminator"].mean() < 0.9 * errors[None].mean()
    run = str(tmp_path / "run")
    words = ["invert", run, "--steps", "4", "--perceptual", "discriminator", "--out", str(tmp_path / "a.npz")]
    assert main(words) == 0


def test_a_perceptual_inversion_needs_a_discriminator(digits, capsys):
    assert main(["invert", str(digits.run.folder), "--perceptual", "discriminator"]) == 2
    assert "has no discriminator whose features" in capsys.readouterr().err


@pytest.mark.slow
def test_a_conditional_discriminator_also_judges_the_class(tmp_path):
    atlas = import_with(stylegan_files.JUDGES["orig"], tmp_path, stylegan_files.Case("ada", classes=3))
    images = atlas.generate(2)
    first, second = atlas.realism(images, "0"), atlas.realism(images, "1")
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(atlas.space("w").realism(images, ["0", "1"]), [first[0], second[1]], atol=1e-5)


@pytest.mark.slow
def test_the_discriminator_of_rosinalitys_checkpoint_is_kept(tmp_path):
    atlas = import_with(None, tmp_path, stylegan_files.CASES["rosinality"])
    assert np.isfinite(atlas.realism(atlas.generate(2))).all()
    assert (tmp_path / "run" / discriminator.FILE).exists()


@pytest.mark.slow
def test_a_discriminator_of_other_images_is_left_out(tmp_path):
    atlas = import_with(stylegan_files.JUDGES["skip"], tmp_path, stylegan_files.CASES["one-block"])
    assert not (tmp_path / "run" / discriminator.FILE).exists()
    with pytest.raises(NotSupported, match="has no discriminator"):
        atlas.realism(atlas.generate(1))


def test_the_discriminator_of_a_gan_that_zatlas_trained_scores_images(tmp_path):
    small_run(tmp_path / "gan", "digits", model="gan", dim=2, epochs=1)
    atlas = zatlas.load(tmp_path / "gan", device="cpu")
    assert np.isfinite(atlas.realism(atlas.generate(3))).all()
    assert np.isfinite(atlas.evaluate(["samples"]).metrics["realism"].value)


def test_a_model_without_discriminator_says_which_models_have_one(digits):
    with pytest.raises(NotSupported, match="GANs that zatlas trained have one"):
        zatlas.load(digits.run.folder, device="cpu").realism(digits.generator.decode(np.zeros((1, 2))))
