"""The latent spaces inside a model: w, w+ and s of a StyleGAN, and the class embedding of a BigGAN."""

import json
import re

import numpy as np
import pytest
import torch

from tests import stylegan_files
from tests.stylegan_files import Case
from tests.test_imported_gans import SMALL, small_shapes
from tests.test_references import torch_weights
from zatlas.atlas import Atlas
from zatlas.cli import main
from zatlas.core.errors import BadData, UnknownName
from zatlas.create import import_model
from zatlas.gallery import draw_gallery
from zatlas.locate import locate
from zatlas.metrics.run_summary import RunSummary
from zatlas.models.onnx_export import export_decoder
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

PSI = 0.7


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A function that returns the run of a case, imported once."""
    runs = {}

    def make(case):
        if case not in runs:
            folder = tmp_path_factory.mktemp("spaces")
            source = stylegan_files.write(case, folder)
            cutoff = case.cutoff
            import_model(source, folder / "run", truncation=case.psi, truncation_layers=cutoff, verbose=False)
            runs[case] = folder / "run"
        return runs[case]

    return make


PLAIN = Case("ada", widths=(24, 16), psi=PSI)
CASES = {
    "stylegan2": PLAIN,
    "residual": Case("ada", widths=(24, 24, 16), architecture="resnet", psi=0.5, cutoff=3),
    "conditional": Case("ada", widths=(16, 16), classes=3),
    "stylegan3": Case("stylegan3", widths=(16,), clamp=256.0, psi=PSI, cutoff=3),
}


@pytest.fixture
def run(imported):
    return imported(PLAIN)


@pytest.fixture(scope="module")
def biggan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("biggan")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps(SMALL))
    torch.save(torch_weights(small_shapes()), folder / "model" / "pytorch_model.bin")
    return import_model(folder / "model", folder / "run", truncation=0.4, verbose=False).run.folder


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_sample_decodes_to_the_same_image_in_every_space(name, imported):
    workspace = Workspace.open(imported(CASES[name]))
    classes = workspace.generator.classes
    labels = np.arange(4) % len(classes) if classes else None
    expected = workspace.decode(sample_latents(workspace, 4), labels)
    assert expected.std() > 0.01
    for space in workspace.generator.spaces:
        inside = workspace.in_space(space)
        images = inside.decode(sample_latents(inside, 4))
        np.testing.assert_allclose(images, expected, atol=1e-5)
    assert tuple(workspace.generator.spaces) == ("w", "w+", "s")


def test_the_spaces_have_the_shapes_of_their_latents(run):
    workspace = Workspace.open(run)
    assert workspace.in_space("w").generator.space.shape == (16,)
    assert workspace.in_space("w+").generator.space.shape == (4, 16)
    assert workspace.in_space("s").dim == 24 + 24 + 24 + 16 + 16  # conv, pixels, up, conv, pixels
    assert workspace.in_space("w").in_space("z").dim == 16
    with pytest.raises(UnknownName, match=r"Known: s, w, w\+, z"):
        workspace.in_space("v")


@pytest.mark.slow
def test_temperature_in_w_is_the_truncation_psi(run, tmp_path):
    w = Workspace.open(run).in_space("w")
    mean = w.generator.space.mean
    half, full = sample_latents(w, 5, temperature=0.5), sample_latents(w, 5)
    np.testing.assert_allclose(half, mean + 0.5 * (full - mean), atol=1e-5)
    source = stylegan_files.write(PLAIN, tmp_path)
    other = import_model(source, tmp_path / "run", truncation=PSI / 2, verbose=False)
    np.testing.assert_allclose(w.decode(half), other.decode(sample_latents(other, 5)), atol=1e-5)


@pytest.mark.slow
def test_the_noise_of_a_run_is_chosen_at_import(run, tmp_path):
    source = stylegan_files.write(PLAIN, tmp_path)
    atlas = Atlas(Workspace.open(run))
    made = {
        noise: import_model(source, tmp_path / noise, truncation=PSI, noise=noise, verbose=False)
        for noise in ("fixed", "zero", "random")
    }
    z = sample_latents(atlas.workspace, 3)
    w = sample_latents(atlas.workspace.in_space("w+"), 3)
    images = {noise: Workspace.open(each.run.folder).decode(z) for noise, each in made.items()}
    np.testing.assert_array_equal(images["fixed"], atlas.decode(z))
    np.testing.assert_allclose(images["zero"], atlas.styles.decode(w, noise="zero"), atol=1e-6)
    assert all(np.abs(images["random"] - images[other]).max() > 1e-3 for other in ("fixed", "zero"))


@pytest.mark.slow
def test_a_model_without_noise_takes_no_noise(tmp_path, capsys):
    source = stylegan_files.write(CASES["stylegan3"], tmp_path)
    assert main(["import", str(source), "--noise", "zero", "--out", str(tmp_path / "run")]) == 2
    assert "does not take --noise. Omit it" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_class_has_samples_and_a_center_of_its_own_in_w(imported):
    workspace = Workspace.open(imported(CASES["conditional"]))
    w = workspace.in_space("w")
    z = sample_latents(workspace, 3)
    np.testing.assert_allclose(w.decode(sample_latents(w, 3, label=2)), workspace.decode(z, 2), atol=1e-5)
    np.testing.assert_array_equal(locate(w, "class:2").latent, sample_latents(w, 1, label=2))
    same = sample_latents(w, 3, label=1, temperature=0)
    np.testing.assert_allclose(same, np.repeat(w.generator.space.center(1), 3, axis=0), atol=1e-5)
    assert np.abs(same - w.generator.space.center(2)).max() > 0.01


def test_a_biggan_decodes_from_the_embeddings_of_its_classes(biggan):
    workspace = Workspace.open(biggan)
    inside = workspace.in_space("embedding")
    assert inside.generator.space.shape == (2, 6) and not inside.generator.classes
    expected = workspace.decode(sample_latents(workspace, 2), 207)
    np.testing.assert_allclose(inside.decode(sample_latents(inside, 2, label=207)), expected, atol=1e-5)
    path = Atlas(inside).interpolate("class:207", "class:3", method="lerp")
    np.testing.assert_allclose(
        path.images(3)[0], workspace.decode(sample_latents(workspace, 1), 207)[0], atol=1e-5
    )
    rows = path.latents(3).reshape(3, 2, 6)
    np.testing.assert_allclose(rows[1], (rows[0] + rows[2]) / 2, atol=1e-6)


def test_what_is_saved_in_a_space_stays_there(run):
    atlas = Atlas(Workspace.open(run))
    w = atlas.space("w")
    (direction,) = w.find_directions("principal", settings={"count": 1})
    path = direction.save()
    assert path.is_relative_to(run / "spaces" / "w") and not atlas.directions()
    assert [each.name for each in w.directions()] == ["principal 1"]
    assert w.chart("pca").latents.shape[1] == 16
    assert w.workspace.gallery.is_relative_to(run) and w.workspace.gallery != atlas.workspace.gallery


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--count", "4", "--temperature", "0.5"],
        ["interpolate", "0", "random:5"],
        ["chart", "--layout", "pca"],
        ["traverse", "--count", "2"],
        ["prior", "--kind", "mixture"],
        ["arithmetic", "0 - 1 + 2"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("space", ["w", "w+", "s"])
def test_look_and_move_commands_work_in_every_space(words, space, run, capsys):
    status = main([words[0], str(run), *words[1:], "--space", space])
    assert status == 0, capsys.readouterr().err


def test_commands_to_copy_name_the_space(run, tmp_path, capsys):
    w = Workspace.open(run).in_space("w+")
    assert w.command("sample", run).endswith("--space w+")
    draw_gallery(w, tmp_path / "gallery")
    commands = re.findall(r"zatlas [a-z]+ [^<]*", (tmp_path / "gallery" / "index.html").read_text())
    assert commands and all("--space w+" in command for command in commands)
    words = ["directions", "list", str(run), "--space", "w+"]
    assert main(words) == 0
    assert "--save --space w+" in capsys.readouterr().err
    (direction,) = Atlas(w).find_directions("principal", settings={"count": 1})
    direction.save()
    with pytest.raises(BadData, match=r"rename .*run 'principal 1' NEW --space w\+$"):
        direction.save()


def test_suggestions_of_an_evaluation_name_the_space(run):
    summary = RunSummary.of(Workspace.open(run).in_space("w"), {})
    assert summary.sample_fitted("", "flow").command.endswith("--prior flow --space w")


def test_a_wrong_space_is_one_sentence(run, capsys):
    assert main(["sample", str(run), "--space", "x"]) == 2
    assert "No latent space of this model named 'x'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "space"), [*[("stylegan2", space) for space in ("w", "w+", "s")], ("stylegan3", "s")]
)
def test_a_page_decodes_from_a_space(name, space, imported, tmp_path):
    generator = Workspace.open(imported(CASES[name])).in_space(space).generator
    assert export_decoder(generator, tmp_path / "decoder.onnx").error < 1e-2
