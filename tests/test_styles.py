"""The layers of a StyleGAN: style mixing, edits of some layers, truncation and noise."""

import numpy as np
import pytest

from tests import stylegan_files
from tests.stylegan_files import Case
from zatlas.atlas import Atlas
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName
from zatlas.create import import_model
from zatlas.directions.layers import named_ranges
from zatlas.render.pixels import as_color

CASE = Case("ada", widths=(24, 16, 16), psi=0.7)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("styles")
    return Atlas(
        import_model(stylegan_files.write(CASE, folder), folder / "run", truncation=0.7, verbose=False)
    )


@pytest.mark.parametrize("layers", ["coarse", "medium", "fine", "2-4", 0, (1, 5)])
def test_mixing_takes_exactly_the_named_layers(layers, atlas):
    styles = atlas.styles
    first, last = styles.ranges.get(layers, (0, 0)) if isinstance(layers, str) else (0, 0)
    first, last = {"2-4": (2, 4), 0: (0, 0), (1, 5): (1, 5)}.get(layers, (first, last))
    mixed = styles.mix("7", "random:3", layers).reshape(6, 16)
    into, source = (atlas.space("w+").locate(name).latent.reshape(6, 16) for name in ("7", "random:3"))
    taken = (np.arange(6) >= first) & (np.arange(6) <= last)
    np.testing.assert_array_equal(mixed[taken], source[taken])
    np.testing.assert_array_equal(mixed[~taken], into[~taken])


def test_an_amount_moves_the_layers_in_part(atlas):
    wide = atlas.space("w+")
    into, whole = wide.locate("7").latent, atlas.styles.mix("7", "3", "coarse")
    half = atlas.styles.mix("7", "3", "coarse", amount=0.25)
    np.testing.assert_allclose(half, into + 0.25 * (whole - into), atol=1e-6)


def test_the_ranges_are_those_of_the_paper_for_1024_pixels():
    assert named_ranges(18) == {"coarse": (0, 3), "medium": (4, 7), "fine": (8, 17)}
    for count in range(1, 30):
        rows = [row for first, last in named_ranges(count).values() for row in range(first, last + 1)]
        assert rows == list(range(count))


def test_the_grid_shows_destinations_with_layers_of_the_sources(atlas, tmp_path, capsys):
    words = ["mix", str(atlas.workspace.run.folder), "0", "1", "--into", "5", "--layers", "coarse"]
    assert main([*words, "--out", str(tmp_path / "mix.png")]) == 0
    assert (tmp_path / "mix.png").stat().st_size > 1000
    wide = atlas.space("w+")
    mixed = np.concatenate([atlas.styles.mix("5", name, "coarse") for name in ("0", "1")])
    shown = as_color(wide.decode(mixed))
    assert np.abs(shown[0] - shown[1]).max() > 0.05
    assert main([*words[:-1], "fair", "--out", str(tmp_path / "x.png")]) == 2
    assert "layers=coarse" in capsys.readouterr().err


def test_a_direction_of_w_moves_only_the_named_layers_in_w_plus(atlas):
    (direction,) = atlas.space("w").find_directions("closed_form", settings={"count": 1})
    coarse = direction.in_layers("coarse")
    z = coarse.workspace.generator.space.sample(3, seed=0)
    moved = (coarse.move(z, 2.0) - z).reshape(3, 6, 16)
    step = 2 * 0.7 * direction.direction.std * direction.direction.vector  # 0.7 is psi
    np.testing.assert_allclose(moved[:, :2], np.broadcast_to(step, (3, 2, 16)), atol=1e-5)
    assert not moved[:, 2:].any()
    w = atlas.space("w").sample_latents(3)
    whole = direction.in_layers("0-5").move(z, 1.0)
    np.testing.assert_allclose(
        coarse.workspace.decode(whole), atlas.space("w").decode(direction.move(w, 1.0)), atol=1e-4
    )
    again = coarse.in_layers("0")
    assert not again.direction.vector.reshape(6, 16)[1:].any()
    with pytest.raises(BadRecipe, match="does not move the layers fine"):
        coarse.in_layers("fine")


def test_edit_takes_layers(atlas, tmp_path):
    (direction,) = atlas.space("w").find_directions("closed_form", settings={"count": 1})
    direction.save("turn")
    words = ["edit", str(atlas.workspace.run.folder), "turn", "--space", "w", "--layers", "fine"]
    assert main([*words, "--anchor", "3", "--out", str(tmp_path / "turn.png")]) == 0


def test_noise_is_fixed_zero_or_random_by_seed(atlas):
    z = atlas.space("w+").sample_latents(2)
    fixed = atlas.styles.decode(z)
    np.testing.assert_allclose(fixed, atlas.space("w+").decode(z), atol=1e-6)
    zero, one, two = (
        atlas.styles.decode(z, noise=n, seed=s) for n, s in (("zero", 0), ("random", 1), ("random", 2))
    )
    assert np.abs(zero - fixed).max() > 0.01 and np.abs(one - two).max() > 0.01
    np.testing.assert_array_equal(one, atlas.styles.decode(z, noise="random", seed=1))
    with pytest.raises(UnknownName, match="fixed"):
        atlas.styles.decode(z, noise="loud")


def test_figures_of_a_stylegan_are_in_its_gallery(atlas, tmp_path):
    for name in ("mixing", "truncation"):
        assert main(["gallery", str(atlas.workspace.run.folder), "--only", name, "--out", str(tmp_path)]) == 0
    atlas.styles.noise(2).save(tmp_path / "noise.png")
    assert {path.name for path in tmp_path.iterdir()} >= {"mixing.png", "truncation.png", "noise.png"}


def test_other_models_have_no_layers_to_mix(tmp_path):
    import torch
    from torch import nn

    with torch.random.fork_rng():
        net = nn.Sequential(nn.Linear(5, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    plain = Atlas(import_model(net, tmp_path / "run", shape=(5,), verbose=False))
    with pytest.raises(NotSupported, match="no layers to mix"):
        plain.styles  # noqa: B018
