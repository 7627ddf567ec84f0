"""Runs with changed weights: blends of two models, and models that are tuned to an image."""

import numpy as np
import pytest
from PIL import Image

from tests import stylegan_files
from tests.stylegan_files import Case
from zatlas.atlas import Atlas
from zatlas.cli import main
from zatlas.core.errors import BadData, NotSupported
from zatlas.create import import_model
from zatlas.models.realism import realism
from zatlas.variants import blend, tune
from zatlas.workspace import Workspace

CASE = Case("ada", widths=(24, 16, 16), psi=0.7)
THREE = Case("stylegan3", widths=(16,), clamp=256.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A model, and a copy whose weights differ a little, as after fine-tuning."""
    folder = tmp_path_factory.mktemp("pair")
    source = stylegan_files.write(CASE, folder, judge=stylegan_files.JUDGES["skip"])
    first = import_model(source, folder / "first", truncation=0.7, verbose=False)
    z = first.generator.space.sample(1, seed=4)
    second = tune(first, np.zeros((1, 3, 16, 16), np.float32), z, folder / "second", steps=12).run
    return first, Workspace.open(second.folder)


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
def test_a_blend_lies_between_two_models(amount, pair, tmp_path):
    first, second = pair
    result = Workspace.open(blend(first, second, tmp_path / "run", amount=amount).folder)
    z = first.generator.space.sample(4, seed=1)
    at_first, at_second, between = (each.decode(z) for each in (first, second, result))
    gap = np.abs(at_first - at_second).mean()
    assert gap > 1e-3
    if amount in (0, 1):
        np.testing.assert_allclose(between, (at_first, at_second)[int(amount)], atol=1e-6)
    else:
        assert max(np.abs(between - each).mean() for each in (at_first, at_second)) < gap


@pytest.mark.parametrize("make", [lambda first, second, out: blend(first, second, out), None])
def test_a_changed_model_keeps_the_discriminator_of_the_first(make, pair, tmp_path):
    first, second = pair
    changed = Workspace.open(make(first, second, tmp_path / "run").folder) if make else second
    images = first.generator.decode(first.generator.space.sample(3, seed=2))
    expected = realism(first.generator, images)
    assert expected.std() > 0
    np.testing.assert_array_equal(realism(changed.generator, images), expected)
    np.testing.assert_array_equal(realism(changed.in_space("w").generator, images), expected)


def test_a_blend_of_some_layers_keeps_the_others(pair, tmp_path):
    first, second = pair
    run = blend(first, second, tmp_path / "run", amount=1.0, layers="coarse")
    states = [
        each.generator.decoder.__self__.owner.state_dict()
        for each in (first, second, Workspace.open(run.folder))
    ]
    changed = {name for name in states[0] if not states[0][name].equal(states[1][name])}
    assert {name.split(".")[2] for name in changed if ".blocks." in name} == {"0", "1", "2"}
    for name, value in states[2].items():
        row = 0 if name == "synthesis.constant" else None
        if name.startswith("synthesis.blocks."):
            number, part = name.split(".")[2:4]
            row = {"up": 2 * int(number) - 1, "conv": 2 * int(number), "pixels": 2 * int(number) + 1}[part]
        expected = states[1] if row in (0, 1) else states[0]
        assert value.equal(expected[name]), name


@pytest.mark.slow
def test_models_of_different_architectures_cannot_be_blended(pair, tmp_path, capsys):
    source = stylegan_files.write(THREE, tmp_path)
    import_model(source, tmp_path / "three", verbose=False)
    words = ["blend", str(pair[0].run.folder), str(tmp_path / "three"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "different architectures" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(BadData):
        blend(pair[0], Workspace.open(tmp_path / "three"), tmp_path / "out")


@pytest.mark.slow
def test_a_stylegan3_blends_in_layers(tmp_path):
    source = stylegan_files.write(THREE, tmp_path)
    first = import_model(source, tmp_path / "three", verbose=False)
    run = blend(first, first, tmp_path / "run", layers="0-2")
    z = first.generator.space.sample(2, seed=0)
    np.testing.assert_allclose(Workspace.open(run.folder).decode(z), first.decode(z), atol=1e-6)


def test_tuning_to_an_image_raises_its_psnr_and_keeps_other_images(pair, tmp_path):
    first, _ = pair
    w = first.in_space("w")
    z = w.generator.space.sample(2, seed=8)
    image = 0.8 * w.decode(z[:1]) + 0.2 * w.decode(z[1:])
    result = tune(w, image, z[:1], tmp_path / "tuned", steps=60)
    assert result.after > result.before + 6
    tuned = Workspace.open(result.run.folder).in_space("w")
    assert np.abs(tuned.decode(z[:1]) - image).mean() < np.abs(w.decode(z[:1]) - image).mean() / 2
    far = w.generator.space.sample(8, seed=20)
    assert np.abs(tuned.decode(far) - w.decode(far)).mean() < 0.05


@pytest.mark.parametrize("space", ["w", "w+"])
def test_an_image_is_inverted_in_a_space_and_tuned(space, pair, tmp_path, capsys):
    first, _ = pair
    image = np.rint(255 * first.decode(first.generator.space.sample(1, seed=3))[0].transpose(1, 2, 0))
    Image.fromarray(image.astype(np.uint8)).resize((16, 16)).save(tmp_path / "a.png")
    words = ["invert", str(first.run.folder), str(tmp_path / "a.png"), "--space", space, "--steps", "40"]
    assert main([*words, "--tune", str(tmp_path / "tuned"), "--out", str(tmp_path / "a.npz")]) == 0
    assert "dB before" in capsys.readouterr().err
    saved = np.load(tmp_path / "a.npz")
    assert saved["latents"].shape[1] == first.in_space(space).dim and saved["psnr"][0] > 20
    assert Atlas(Workspace.open(tmp_path / "tuned")).space(space).sample_latents(2).shape[0] == 2
    assert main([*words[:2], "--tune", str(tmp_path / "x")]) == 2


def test_models_of_other_programs_cannot_be_changed(tmp_path):
    import torch
    from torch import nn

    with torch.random.fork_rng():
        net = nn.Sequential(nn.Linear(5, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    plain = import_model(net, tmp_path / "run", shape=(5,), verbose=False)
    with pytest.raises(NotSupported, match="cannot be changed"):
        blend(plain, plain, tmp_path / "out")
