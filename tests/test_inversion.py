import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, NotSupported, ShapeError
from zatlas.core.space import Space
from zatlas.encoder import invert, train_encoder
from zatlas.latent.descent import descend, numeric_descent
from zatlas.latent.inversion import invert as search
from zatlas.locate import locate
from zatlas.models.generator import Generator, differentiable
from zatlas.models.inverter import load_inverter
from zatlas.sample import sample_latents
from zatlas.workspace import MAX_DECODED, Workspace


def quiet(count: int) -> None:
    pass


def bare(workspace: Workspace) -> Generator:
    """The generator without its encoder."""
    return replace(workspace.generator, encoder=None)


def black_box(generator: Generator) -> Generator:
    """The same decoder outside of torch, as an ONNX file's is."""

    def decode(z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        with torch.no_grad():
            return torch.from_numpy(generator.decoder(z, y).numpy().copy())

    return replace(generator, decoder=decode, encoder=None)


@pytest.fixture(scope="module")
def rival(tmp_path_factory, own_cache) -> Workspace:
    """A GAN of digits that is trained long enough to generate different digits."""
    folder = tmp_path_factory.mktemp("runs") / "rival"
    settings = {"training.average": 0.0, "training.rate": 1e-3}
    return small_run(folder, "digits", model="gan", dim=12, epochs=30, **settings)


@pytest.fixture(scope="module")
def trained(rival, tmp_path_factory) -> Workspace:
    """A copy of a GAN with a trained inverter."""
    import shutil

    folder = tmp_path_factory.mktemp("taught") / "run"
    shutil.copytree(rival.run.folder, folder)
    return train_encoder(Workspace.open(folder), samples=1024, show=False)


def test_a_gan_finds_its_own_samples(rival):
    z = sample_latents(rival, 16, seed=5)
    result = invert(rival, rival.decode(z), show=False)
    assert np.median(result.psnr) > 35
    np.testing.assert_allclose(result.images, rival.decode(result.latents), atol=1e-6)
    rms = np.sqrt(((result.images - rival.decode(z)) ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(result.rms, rms, atol=1e-6)
    np.testing.assert_allclose(result.psnr, -20 * np.log10(np.maximum(rms, 1e-6)), atol=1e-2)


def test_a_vae_without_its_encoder_comes_nearer_than_the_encoder_does(wide):
    images = wide.dataset.images(wide.rows("test")[:16])
    encoded = wide.decode(wide.generator.encode(images))
    by_encoder = np.sqrt(((encoded - images) ** 2).mean((1, 2, 3)))
    result = search(bare(wide), images, show=False)
    assert np.median(result.rms) < np.median(by_encoder)


def test_points_stay_where_the_prior_puts_its_own(rival):
    noise = np.random.default_rng(0).random((8, *rival.description.shape), np.float32)
    result = invert(rival, noise, show=False)
    default = np.linalg.norm(sample_latents(rival, 1000, seed=1), axis=1)
    norms = np.linalg.norm(result.latents, axis=1)
    assert (norms < 1.5 * default.max()).all()


def test_a_search_starts_at_the_encoder_and_refines_its_latents(wide):
    images = wide.dataset.images(wide.rows("test")[:8])
    output = invert(wide, images, steps=0, show=False)
    np.testing.assert_allclose(output.latents, wide.generator.encode(images), atol=1e-5)
    assert (invert(wide, images, steps=30, show=False).rms <= output.rms + 1e-6).all()


def test_more_starts_are_no_worse_and_the_seed_decides(rival):
    images = rival.decode(sample_latents(rival, 6, seed=8))
    one = invert(rival, images, seed=1, show=False)
    same = invert(rival, images, seed=1, show=False)
    np.testing.assert_array_equal(one.latents, same.latents)
    assert (one.latents != invert(rival, images, seed=2, show=False).latents).any()


def test_images_do_not_disturb_each_other(rival):
    images = rival.decode(sample_latents(rival, 5, seed=8))
    full = invert(rival, images, steps=20, show=False)
    only = invert(rival, images[3:4], steps=20, show=False)
    np.testing.assert_allclose(full.latents[3:4], only.latents, atol=1e-2)


def test_a_black_box_is_felt_for(wide):
    generator = black_box(wide.generator)
    assert differentiable(wide.generator) and not differentiable(generator)
    z = sample_latents(wide, 4, seed=3)
    result = search(generator, generator.decode(z), show=False)
    assert np.median(result.psnr) > 40


def test_a_black_box_of_many_dimensions_is_refused_with_an_alternative():
    generator = Generator(Space((600,)), lambda z, y: torch.ones(len(z), 1, 4, 4))
    with pytest.raises(NotSupported, match="--train-encoder"):
        search(generator, np.ones((1, 1, 4, 4), np.float32), show=False)


def test_a_conditional_model_is_inverted_for_a_class(conditional):
    labels = np.array([1, 7])
    z = sample_latents(conditional, 2, seed=0)
    images = conditional.decode(z, labels)
    result = search(bare(conditional), images, labels, show=False)
    assert np.median(result.psnr) > 30
    with pytest.raises(NotSupported, match="needs the class"):
        search(bare(conditional), images, show=False)


def test_points_of_a_sphere_stay_on_it():
    weights = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))
    space = Space((6,), "sphere")
    generator = Generator(space, lambda z, y: (z @ weights.T).sigmoid().reshape(-1, 1, 4, 4))
    z = space.sample(4, seed=1)
    result = search(generator, generator.decode(z), show=False)
    np.testing.assert_allclose(np.linalg.norm(result.latents, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(result.latents, z, atol=0.05)


def test_a_space_without_prior_is_searched_near_encoded_latents(plain):
    images = plain.dataset.images(plain.rows("test")[:4])
    result = search(bare(plain), images, pool=plain.cloud, show=False)
    assert result.rms.max() < 0.4
    with pytest.raises(NotSupported, match="no prior"):
        search(bare(plain), images, show=False)


def test_what_cannot_be_searched_for_is_refused(rival):
    images = rival.decode(sample_latents(rival, 1, seed=0))
    with pytest.raises(ShapeError, match="decodes to images of 1x8x8"):
        invert(rival, np.zeros((1, 3, 8, 8), np.float32), show=False)
    with pytest.raises(BadRecipe, match="starts must be at least 1"):
        invert(rival, images, starts=0, show=False)


def test_no_images_have_no_points(rival):
    result = invert(rival, np.zeros((0, *rival.description.shape), np.float32), show=False)
    assert result.latents.shape == (0, rival.dim)


def test_going_downhill_ends_at_the_foot_of_each_row_by_itself():
    feet = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    steep = torch.logspace(0, 3, 12)

    def gradient(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rest = z - feet
        return (steep * rest**2).sum(1), 2 * steep * rest

    result, left = descend(gradient, torch.zeros(5, 12), 80, quiet)
    np.testing.assert_allclose(result, feet, atol=1e-2)
    assert left.max() < 1e-3


def test_a_search_without_gradients_reaches_the_same_latent():
    feet = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    result, left = numeric_descent(lambda z, rows: np.tanh(z - feet[rows]), np.zeros_like(feet), 20, quiet)
    np.testing.assert_allclose(result, feet, atol=1e-3)
    assert left.max() < 1e-6


# A trained inverter -----------------------------------------------------------------------------


def test_a_trained_inverter_is_loaded_with_the_run(trained, rival):
    reopened = Workspace.open(trained.run.folder)
    images = rival.decode(sample_latents(rival, 32, seed=4))
    np.testing.assert_array_equal(reopened.generator.encode(images), trained.generator.encode(images))
    output = invert(reopened, images, steps=0, show=False)
    anywhere = invert(rival, images, steps=0, starts=1, show=False)
    assert np.median(output.psnr) > np.median(anywhere.psnr) + 1
    assert np.median(invert(reopened, images, steps=20, show=False).psnr) > np.median(output.psnr) + 3


def test_real_images_then_have_points_in_every_command(trained):
    assert trained.source.indexed
    table = trained.table("test")
    assert table.latents.shape == (len(trained.rows("test")), trained.dim)
    assert locate(trained, "3:0").image is not None
    assert trained.digest != Workspace.open(trained.run.folder).run.weights.name
    assert trained.chart("pca").positions.shape == (len(table), 2)
    assert trained.nearest(table.latents[:2], 1, "test")[0][:, 0].tolist() == table.rows[:2].tolist()


def test_an_inverter_of_other_weights_is_not_used(trained):
    assert load_inverter(trained.run.inverter, "of another model") is None


def test_latents_are_encoded_again_for_another_inverter(trained, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(trained.run.folder, folder)
    before = Workspace.open(folder)
    after = train_encoder(before, samples=256, epochs=1, seed=1, show=False)
    assert before.digest != after.digest
    assert (before.latents("test") != after.latents("test")).any()


def test_a_model_with_an_encoder_needs_no_inverter(wide):
    with pytest.raises(NotSupported, match="has an encoder already"):
        train_encoder(wide, show=False)


def test_an_inverter_of_a_black_box_is_trained_on_latents_only(rival):
    from zatlas.training.inverter_training import train_inverter

    z = sample_latents(rival, 512, seed=0)
    inverter = train_inverter(black_box(rival.generator), z, epochs=2, show=False)
    result = inverter(torch.from_numpy(rival.decode(z[:4])))
    assert result.shape == (4, rival.dim)


# The command line -------------------------------------------------------------------------------


def figure(rival: Workspace, folder: Path) -> Path:
    """A sample of the model as a file."""
    grey = rival.decode(sample_latents(rival, 1, seed=11))[0, 0]
    Image.fromarray((255 * grey).astype(np.uint8)).save(folder / "one.png")
    return folder / "one.png"


def test_the_command_prints_the_error_and_saves_latents_and_figure(rival, tmp_path, capsys):
    file = figure(rival, tmp_path)
    out = tmp_path / "points.npz"
    assert main(["invert", str(rival.run.folder), str(file), "--out", str(out)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["file"] == str(file) and row["psnr"] > 25
    saved = np.load(out)
    np.testing.assert_allclose(saved["images"], rival.decode(saved["latents"]), atol=1e-6)
    with Image.open(out.with_suffix(".png")) as sampled:
        assert sampled.size[0] > 50


def test_without_files_its_own_samples_are_searched_for(rival, tmp_path, capsys):
    out = tmp_path / "points.npz"
    assert main(["invert", str(rival.run.folder), "--steps", "5", "--out", str(out)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 16
    assert main(["invert", str(rival.run.folder), "--out", "points.xyz"]) == 2
    assert "Choose one of .png" in capsys.readouterr().err


def test_an_image_file_is_an_anchor_for_a_model_without_encoder(rival, tmp_path, capsys):
    stop = locate(rival, str(figure(rival, tmp_path)))
    decoded = rival.decode(stop.latent)
    assert np.sqrt(((decoded - stop.image) ** 2).mean()) < 0.05
    assert "searches for the latent of one.png" in capsys.readouterr().err


def test_samples_have_neighbours_and_a_chart(rival):
    index, far = rival.nearest(rival.samples[:3], 1)
    assert index[:, 0].tolist() == [0, 1, 2] and far.max() < 1e-3
    assert len(rival.chart("pca").positions) == MAX_DECODED
