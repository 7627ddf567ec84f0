"""Import a BigGAN folder and a ProGAN file: sizes, classes and truncation are read, and images are equal."""

import json

import numpy as np
import pytest
import torch

from tests import reference_weights as reference
from tests.test_references import fixture, our_biggan, our_plain, our_progan, torch_weights
from zatlas.cli import main
from zatlas.core.errors import BadData, ZatlasError
from zatlas.create import import_model
from zatlas.figures import anchor_sheets, paths
from zatlas.locate import locate_all
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.models.onnx_export import export_decoder
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

SMALL = {
    "z_dim": 6,
    "channel_width": 8,
    "num_classes": 1000,
    "layers": [[False, 2, 2], [True, 2, 1]],
    "attention_layer_position": 1,
    "eps": 1e-4,
    "n_stats": 51,
}


def small_shapes():
    """The shapes of a BigGAN of 8 pixels, from those of the published one."""
    shapes, _, _ = fixture("biggan-128-1.0")
    result = {"embeddings.weight": [6, 1000]}
    sizes = {"0": 16, "2": 16}

    def norm(name, size):
        for part, shape in (("running_means", [51, size]), ("running_vars", [51, size])):
            result[f"{name}.{part}"] = shape

    def spectral(name, out, *inner, bias=False):
        result[f"{name}.weight_orig"] = [out, *inner]
        result[f"{name}.weight_u"], result[f"{name}.weight_v"] = [out], [int(np.prod(inner))]
        if bias:
            result[f"{name}.bias"] = [out]

    spectral("generator.gen_z", 16 * 16, 12, bias=True)
    for number, before in sizes.items():
        block, after = f"generator.layers.{number}", 16 if number == "0" else 8
        for k, (size, out, kernel) in enumerate(((before, 4, 1), (4, 4, 3), (4, 4, 3), (4, after, 1))):
            norm(f"{block}.bn_{k}", size)
            spectral(f"{block}.bn_{k}.scale", size, 12)
            spectral(f"{block}.bn_{k}.offset", size, 12)
            spectral(f"{block}.conv_{k}", out, size, kernel, kernel, bias=True)
    attention = "generator.layers.1"
    for part, out, size in (("theta", 2, 16), ("phi", 2, 16), ("g", 8, 16), ("o_conv", 16, 8)):
        spectral(f"{attention}.snconv1x1_{part}", out, size, 1, 1)
    result[f"{attention}.gamma"] = [1]
    norm("generator.bn", 8)
    result["generator.bn.weight"] = result["generator.bn.bias"] = [8]
    spectral("generator.conv_to_rgb", 8, 8, 3, 3, bias=True)
    assert {name.replace("layers.8", "layers.1") for name in shapes if "layers.8" in name} <= set(result)
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as pytorch-pretrained-biggan reads it."""
    path = tmp_path_factory.mktemp("biggan") / "biggan-deep-8"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(SMALL))
    torch.save(torch_weights(small_shapes()), path / "pytorch_model.bin")
    return path


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "biggan"
    return import_model(folder, out, truncation=0.4, verbose=False).run.folder


def test_a_biggan_folder_becomes_a_run_of_1000_classes(folder, run):
    workspace = Workspace.open(run)
    assert len(workspace.generator.classes) == 1000 and workspace.dim == 6
    z = sample_latents(workspace, 3, seed=0)
    decode = our_biggan(SMALL, torch_weights(small_shapes()), 0.4)
    labels = np.eye(1000, dtype=np.float32)[[207, 0, 999]]
    expected = (decode(z, labels) + 1) / 2
    np.testing.assert_allclose(workspace.decode(z, ["207", "0", "999"]), expected, atol=1e-6)
    assert expected.shape == (3, 3, 8, 8) and expected.std() > 0.05


@pytest.mark.slow
def test_truncation_scales_the_latents_and_selects_statistics(folder, tmp_path):
    full = import_model(folder, tmp_path / "full", verbose=False)
    assert imported_model_of(full.run).settings["truncation"] == 1
    half = import_model(folder, tmp_path / "half", truncation=0.5, verbose=False)
    z = sample_latents(full, 2, seed=0)
    assert np.abs(full.decode(z, 3) - half.decode(2 * z, 3)).max() > 0.01  # other statistics
    with pytest.raises(ZatlasError, match="from 0 to 1"):
        import_model(folder, tmp_path / "more", truncation=1.5, verbose=False)


def test_a_path_leads_from_class_to_class_without_a_label(run):
    workspace = Workspace.open(run)
    path = paths.interpolation(workspace, locate_all(workspace, ["class:207", "class:3"]))
    images = path.images(5)
    z = locate_all(workspace, ["class:207", "class:3"])
    np.testing.assert_allclose(images[0], workspace.decode(z[0].latent, 207)[0], atol=1e-5)
    np.testing.assert_allclose(images[-1], workspace.decode(z[1].latent, 3)[0], atol=1e-5)
    assert np.abs(images[2] - images[0]).max() > 0.01
    anchor_sheets.class_sheet(workspace, locate_all(workspace, ["random:1"]))


def test_the_commands_take_classes_of_a_biggan_by_number(run, tmp_path, capsys):
    for words in (
        ["sample", "--label", "207"],
        ["interpolate", "class:207", "class:3"],
        ["interpolate", "random:1", "random:2", "--label", "12"],
        ["grid", "--by", "class"],
    ):
        out = tmp_path / f"{words[0]}.png"
        assert main([words[0], str(run), *words[1:], "--out", str(out)]) == 0, words
        assert out.stat().st_size > 1000
    for words in (["sample", "--label", "tench"], ["interpolate", "class:tench", "class:3"]):
        assert main([words[0], str(run), *words[1:]]) == 2
        assert capsys.readouterr().err == "zatlas: No class named 'tench'. Known: 0 to 999.\n"


@pytest.mark.slow
def test_class_names_are_read_from_a_file(folder, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"animal {number}" for number in range(1000)))
    words = ["import", str(folder), "--out", str(tmp_path / "run"), "--classes", str(names)]
    assert main(words) == 0
    assert Workspace.open(tmp_path / "run").generator.classes[207] == "animal 207"
    with pytest.raises(BadData, match="1000 classes, and 2 names"):
        import_model(folder, tmp_path / "two", classes=("a", "b"), verbose=False)


@pytest.mark.slow
def test_a_biggan_is_exported_to_onnx(run, tmp_path):
    assert export_decoder(Workspace.open(run).generator, tmp_path / "x.onnx").error < 1e-2


@pytest.mark.slow
def test_a_biggan_with_other_weights_is_refused(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({**SMALL, "channel_width": 16}))
    (other / "pytorch_model.bin").write_bytes((folder / "pytorch_model.bin").read_bytes())
    with pytest.raises(ZatlasError, match="does not hold the weights that it describes"):
        import_model(other, tmp_path / "run", verbose=False)
    (other / "config.json").write_text(json.dumps({**SMALL, "layers": "many"}))
    with pytest.raises(BadData, match="not a configuration of a BigGAN-deep"):
        import_model(other, tmp_path / "run", verbose=False)


@pytest.mark.parametrize(
    "name",
    [
        "progan-32",
        *(
            pytest.param(f"progan-64-{kind}", marks=pytest.mark.slow)
            for kind in ("fused", "classes", "growing")
        ),
    ],
)
def test_a_progan_checkpoint_needs_no_options(name, tmp_path):
    *_, classes, _, lod = reference.PROGANS[name]
    shapes, _, _ = fixture(name)
    state = {**torch_weights(shapes), "lod": torch.tensor(lod)}
    other = {"generator": {"x": torch.zeros(2)}, "discriminator": {"x": torch.zeros(2)}}
    torch.save({"models": {**other, "generator_smooth": state}}, tmp_path / "progan.pth")
    options = {"shape": (reference.Z_DIM,)} if classes else {}
    workspace = import_model(tmp_path / "progan.pth", tmp_path / "run", verbose=False, **options)
    z = sample_latents(workspace, 2, seed=0)
    label = torch.eye(classes)[:2] if classes else None
    expected = (our_progan(state, reference.Z_DIM)(z, label) + 1) / 2
    images = Workspace.open(tmp_path / "run").decode(z, [0, 1] if classes else None)
    np.testing.assert_allclose(images, expected.clip(0, 1), atol=1e-5)
    if name == "progan-32":  # larger ones with random weights amplify the rounding to 16 bits
        assert export_decoder(workspace.generator, tmp_path / "x.onnx").error < 1e-2


@pytest.mark.parametrize(
    "name", ["light-16-opacity", pytest.param("light-32-attention", marks=pytest.mark.slow)]
)
def test_a_checkpoint_of_stylegan2_pytorch_needs_no_options(name, tmp_path):
    state = torch_weights(fixture(name)[0])
    others = {"D.to_logit.weight": torch.zeros(1, 4), "G.initial_conv.weight": torch.zeros(2, 2, 3, 3)}
    torch.save({"GAN": {**others, **state}, "version": "1.8.9"}, tmp_path / "model_3.pt")
    workspace = import_model(tmp_path / "model_3.pt", tmp_path / "run", truncation=0.7, verbose=False)
    info = imported_model_of(workspace.run)
    assert info.image == (3, reference.LIGHTS[name][0], reference.LIGHTS[name][0])
    assert info.layout == ("rgba" if "opacity" in name else "nchw")
    z = sample_latents(workspace, 2, seed=0)
    images = Workspace.open(tmp_path / "run").decode(z)
    assert images.std() > 0.05 and np.isfinite(images).all()
    if "attention" in name:
        assert export_decoder(workspace.generator, tmp_path / "x.onnx").error < 1e-2


@pytest.mark.slow
def test_weights_of_a_biggan_need_no_options(tmp_path):
    state = torch_weights(fixture("plain-32")[0])
    torch.save(state, tmp_path / "G_ema.pth")
    import_model(tmp_path / "G_ema.pth", tmp_path / "run", truncation=0.5, verbose=False)
    workspace = Workspace.open(tmp_path / "run")
    assert workspace.generator.classes == ("0", "1", "2", "3", "4") and workspace.dim == reference.Z_DIM
    z = sample_latents(workspace, 2, seed=0)
    expected = (our_plain(state)(0.5 * z, [4, 0]) + 1) / 2
    np.testing.assert_allclose(workspace.decode(z, [4, 0]), expected, atol=1e-5)
