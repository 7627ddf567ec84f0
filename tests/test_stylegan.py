"""Generators of StyleGAN: the images of the reference code, and runs that work like others."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import stylegan_files
from tests.write_stylegan import FILE, some
from zatlas.cli import main
from zatlas.core.errors import BadData, BadRecipe, NotSupported, UnknownName
from zatlas.create import import_model
from zatlas.figures import paths, sheets
from zatlas.locate import locate_all
from zatlas.models.nets_stylegan2 import StyleGAN2
from zatlas.models.onnx_export import export_decoder
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

MAX_DIFFERENCE = 1e-4  # of a pixel from -1 to 1
QUICK = ("one-block", "conditional")
CASES = [
    pytest.param(
        name, marks=[] if name in QUICK else pytest.mark.nightly if name == "full" else pytest.mark.slow
    )
    for name in stylegan_files.CASES
]


def import_case(case, folder, **settings):
    path = stylegan_files.write(case, folder)
    settings |= {"truncation": case.psi, "truncation_layers": case.cutoff}
    return import_model(path, folder / "run", verbose=False, device="cpu", **settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_images_are_those_of_the_reference_code(name, tmp_path):
    case = stylegan_files.CASES[name]
    import_case(case, tmp_path)
    workspace = Workspace.open(tmp_path / "run")
    expected = json.loads(Path(FILE).read_text())[name]
    images = 2 * workspace.generator.decode(case.latents(), case.labels()) - 1
    assert images.shape == (3, case.channels, case.side, case.side)
    difference = np.abs(some(images) - np.clip(expected["pixels"], -1, 1)).max()
    assert difference <= MAX_DIFFERENCE and images.std() > 0.02
    assert len(workspace.generator.classes) == case.classes


@pytest.mark.slow
def test_an_imported_run_works_like_a_trained_one(tmp_path, capsys):
    workspace = import_case(stylegan_files.CASES["skip"], tmp_path)
    z = sample_latents(workspace, 4, seed=1)
    sheets.sample_sheet(workspace, 4)
    paths.interpolation(workspace, locate_all(workspace, ["0", "1"])).strip(4)
    paths.traversal(workspace, count=2).strip(4)
    assert export_decoder(workspace.generator, tmp_path / "decoder.onnx").error < 1e-2
    assert np.isfinite(workspace.decode(z)).all()
    assert main(["sample", str(tmp_path / "run")]) == 0
    assert main(["grid", str(tmp_path / "run")]) == 0


@pytest.mark.slow
def test_a_conditional_generator_mixes_classes_and_exports(tmp_path):
    workspace = import_case(stylegan_files.CASES["conditional"], tmp_path)
    generator, z = workspace.generator, sample_latents(workspace, 2, seed=1)
    assert generator.classes == ("0", "1", "2")
    between = generator.decode(z, np.array([[0.5, 0.5, 0], [0, 0, 1]], np.float32))
    np.testing.assert_allclose(between[1], generator.decode(z, np.array([0, 2]))[1], atol=1e-5)
    assert np.abs(between[0] - generator.decode(z, np.array([0, 2]))[0]).max() > 0.01
    assert export_decoder(generator, tmp_path / "decoder.onnx").error < 1e-2


@pytest.mark.slow
def test_a_stylegan3_exports_to_onnx(tmp_path):
    workspace = import_case(stylegan_files.CASES["stylegan3-t"], tmp_path)
    assert export_decoder(workspace.generator, tmp_path / "decoder.onnx").error < 1e-2


@pytest.mark.slow
def test_truncation_moves_all_or_the_first_layers_to_the_mean(tmp_path):
    case = stylegan_files.CASES["skip"]
    path, z = stylegan_files.write(case, tmp_path), case.latents()
    images = []
    for number, settings in enumerate(({}, {"truncation": 0.0}, {"truncation": 0.0, "truncation_layers": 2})):
        workspace = import_model(path, tmp_path / str(number), verbose=False, device="cpu", **settings)
        images.append(workspace.decode(z))
    whole, mean, part = (array.std(axis=0).mean() for array in images)
    assert mean < 1e-6 < part < whole


@pytest.mark.parametrize("settings", [{"truncation": float("nan")}, {"truncation_layers": -1}])
def test_an_impossible_truncation_is_refused(settings, tmp_path):
    path = stylegan_files.write(stylegan_files.CASES["one-block"], tmp_path)
    with pytest.raises(BadRecipe, match=r"[Tt]runcat(ion|ed layers) (goes|must)"):
        import_model(path, tmp_path / "run", verbose=False, **settings)


def test_noise_is_fixed_random_zero_or_given():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = StyleGAN2(widths=(8, 8), z_dim=4, w_dim=4, hidden=4, depth=1).build().eval()
        for name, value in net.named_parameters():
            if name.endswith("strength"):
                torch.nn.init.ones_(value)
        w = net.mapping(torch.randn(2, 4))
        assert w.shape == (2, 4, 4)
        synthesis = net.synthesis
        fixed, zero = synthesis(w), synthesis(w, "zero")
        assert torch.equal(fixed, synthesis(w, synthesis.noises("fixed", 2)))
        assert torch.equal(zero, synthesis(w, [None] * 3))
        first, second = synthesis(w, "random"), synthesis(w, "random")
        assert (first - second).abs().max() > 0.01 and (fixed - zero).abs().max() > 0.01


@pytest.mark.slow
def test_another_network_of_the_file_is_chosen_by_its_key(tmp_path):
    case = stylegan_files.CASES["skip"]
    generator = stylegan_files.generator(case)
    (tmp_path / "x.pkl").write_bytes(stylegan_files.pickled({"G": generator, "G_ema": None}))
    workspace = import_model(tmp_path / "x.pkl", tmp_path / "run", verbose=False, key="G")
    assert workspace.decode(case.latents()).shape == (3, 3, 16, 16)
    with pytest.raises(UnknownName, match="G_mea"):
        import_model(tmp_path / "x.pkl", tmp_path / "other", verbose=False, key="G_mea")


@pytest.mark.slow
def test_networks_that_zatlas_lacks_are_refused_with_a_reason(tmp_path):
    def refuse(content, kind, message):
        (tmp_path / "x.pkl").write_bytes(stylegan_files.pickled(content))
        with pytest.raises(kind, match=message):
            import_model(tmp_path / "x.pkl", tmp_path / "run", verbose=False)
        assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]

    other = stylegan_files.module({"fc.weight": torch.zeros(2, 2)}, {}, {"a": 1})
    refuse({"D": other}, NotSupported, "holds a Generator under 'D', which is not a generator of StyleGAN")
    refuse({"a": [1, 2]}, BadData, "holds no network of StyleGAN")
    generator = stylegan_files.generator(stylegan_files.CASES["skip"])
    generator.state["_modules"]["mapping"].state["_modules"]["fc0"].state["activation"] = "relu"
    refuse({"G_ema": generator}, NotSupported, "activation 'relu'")
