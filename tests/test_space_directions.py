"""Directions in the latent spaces of a StyleGAN: of style layers, across a boundary, and style channels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import stylegan_files
from tests.stylegan_files import Case
from zatlas.cli import main
from zatlas.core.errors import BadData
from zatlas.create import import_model
from zatlas.directions.find import find_directions
from zatlas.models.classifier import Classifier

CASE = Case("ada", widths=(24, 16), psi=0.7)


def imported(case, folder):
    return import_model(stylegan_files.write(case, folder), folder / "run", truncation=0.7, verbose=False)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return imported(CASE, tmp_path_factory.mktemp("styles"))


@pytest.fixture(scope="module")
def without_aliasing(tmp_path_factory):
    """A StyleGAN3, whose s has the motion of the waves and a channel for each input of its layers."""
    return imported(Case("stylegan3", widths=(16,)), tmp_path_factory.mktemp("stylegan3"))


def style_weights(workspace, rows):
    """The weights of the layers that take these rows of w."""
    synthesis = workspace.generator.decoder.__self__.owner.synthesis
    layers = [layer.style.weight for row, layer in synthesis.modulated() if row in rows]
    return torch.cat(layers).numpy()


def test_closed_form_in_w_uses_the_style_layers(workspace):
    (direction,) = find_directions(workspace.in_space("w"), "closed_form", count=1)
    expected = np.linalg.svd(style_weights(workspace, range(4)))[2][0]
    assert abs(direction.vector @ expected) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("layers", "first", "last"), [("0-1", 0, 1), ("3", 3, 3), ("", 0, 3)])
def test_closed_form_of_some_layers_moves_them_alike(layers, first, last, workspace):
    settings = {"layers": layers} if layers else {}
    (direction,) = find_directions(workspace.in_space("w+"), "closed_form", count=1, **settings)
    rows = direction.vector.reshape(4, 16)
    chosen = rows[first : last + 1]
    np.testing.assert_allclose(chosen, np.repeat(chosen[:1], len(chosen), axis=0), atol=1e-6)
    assert not np.delete(rows, range(first, last + 1), axis=0).any()
    expected = np.linalg.svd(style_weights(workspace, range(first, last + 1)))[2][0]
    assert abs(chosen[0] @ expected) * len(chosen) ** 0.5 == pytest.approx(1, abs=1e-4)


def test_principal_directions_of_w_have_its_largest_variance(workspace):
    w = workspace.in_space("w")
    (direction,) = find_directions(w, "principal", count=1, source="samples", samples=4000)
    largest = np.linalg.eigvalsh(np.cov(w.generator.space.sample(4000, seed=1).T))[-1]
    assert direction.std**2 == pytest.approx(largest, rel=0.15)


def classifier(function, name="bright"):
    return Classifier((name,), function, ("flag",))


def above(values, limit):
    return (40 * (values - limit)).sigmoid()[:, None]


@pytest.fixture(scope="module")
def bright(workspace):
    """A classifier of images whose red channel is brighter than that of three quarters of the samples."""
    w = workspace.in_space("w")
    red = w.decode(w.generator.space.sample(400, seed=9))[:, 0].mean(axis=(1, 2))
    limit = float(np.quantile(red, 0.75))
    return classifier(lambda x: above(x[:, 0].mean(dim=(1, 2)), limit))


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_a_boundary_direction_raises_what_the_classifier_sees(space, workspace, bright):
    inside = workspace.in_space(space)
    settings = {"classifier": bright, "samples": 600}
    (direction,) = find_directions(inside, "boundary", **settings)
    new = inside.generator.space.sample(200, seed=77)
    before, after = (bright.predict(inside.decode(z)) for z in (new, direction.move(new, 2.0)))
    assert (after >= before - 1e-6).mean() > 0.9 and (after - before).mean() > 0.2
    assert direction.facts["fitted_to"] == 120 and direction.score.significant


def test_a_rare_attribute_is_balanced_or_refused(workspace):
    w = workspace.in_space("w")
    red = w.decode(w.generator.space.sample(600, seed=0))[:, 0].mean(axis=(1, 2))
    for rank, count in ((25, 50), (5, 0)):
        limit = float(np.sort(red)[-rank])
        rare = classifier(lambda x, limit=limit: above(x[:, 0].mean(dim=(1, 2)), limit - 1e-6))
        if count:
            (direction,) = find_directions(w, "boundary", classifier=rare, samples=600)
            assert direction.facts["fitted_to"] == count
        else:
            with pytest.raises(BadData, match=r"in 5 of 600 samples.*--samples 2400"):
                find_directions(w, "boundary", classifier=rare, samples=600)


@pytest.mark.parametrize("model", ["workspace", "without_aliasing"])
def test_style_channels_are_ranked_for_an_attribute(model, request):
    s = request.getfixturevalue(model).in_space("s")
    values = s.generator.space.sample(600, seed=0)
    limit = float(np.quantile(values[:, 30], 0.8))

    def decode(z, y=None):
        return z[:, 30, None, None, None].expand(-1, 3, 8, 8)

    shown = replace(s, generator=replace(s.generator, decoder=decode))
    rule = classifier(lambda x: above(x[:, 0, 0, 0], limit), "large")
    first, *_ = find_directions(shown, "channels", classifier=rule, samples=600, count=3)
    assert first.facts["channel"] == 30 and first.vector[30] == 1 and first.name == "large 30"


def test_the_style_channels_of_stylegan3_are_the_motion_of_the_waves_and_the_inputs_of_each_layer(
    without_aliasing,
):
    s = without_aliasing.in_space("s")
    synthesis = without_aliasing.generator.decoder.__self__.owner.synthesis
    assert s.dim == 4 + sum(layer.style.out_features for layer in synthesis.blocks)
    z = s.generator.space.sample(8, seed=0)
    longer = z.copy()
    longer[:, :4] *= 3  # the rotation has length 1, and the translation is relative to it
    np.testing.assert_allclose(s.decode(longer), s.decode(z), atol=1e-4)
    moved = z.copy()
    moved[:, 2] += 0.2
    assert np.abs(s.decode(moved) - s.decode(z)).mean() > 0.01


@pytest.mark.slow
def test_the_commands_find_directions_in_a_space(workspace, tmp_path):
    folder = str(workspace.run.folder)
    for words in (["closed_form", "--set", "layers=0-1"], ["closed_form", "--set", "count=2"]):
        assert main(["directions", "find", folder, *words, "--space", "w+", "--out", str(tmp_path)]) == 0


@pytest.mark.slow
def test_a_saved_direction_of_w_edits_some_layers_and_an_unknown_one_names_the_saved_ones(
    workspace, tmp_path, capsys
):
    folder, space = str(workspace.run.folder), ["--space", "w"]
    words = ["closed_form", "--set", "count=1", "--save", "sefa", "--out", str(tmp_path / "a.png")]
    assert main(["directions", "find", folder, *words, *space]) == 0
    edit = ["--layers", "coarse", "--anchor", "0", "--out", str(tmp_path / "b.png")]
    assert main(["edit", folder, "sefa", *edit, *space]) == 0
    capsys.readouterr()
    assert main(["edit", folder, "sefa 2", *edit, *space]) == 2
    assert "No saved direction named 'sefa 2'. Did you mean" in capsys.readouterr().err
