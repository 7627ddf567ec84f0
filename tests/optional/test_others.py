"""Real models of other people's packages, brought: what they decode here is what they decode there."""

import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import zatlas
from zatlas.cli import main
from zatlas.create import import_model
from zatlas.directions.find import find_direction
from zatlas.figures import paths, sheets
from zatlas.locate import locate_all
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.models.onnx_export import export_decoder, export_encoder
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

pytestmark = pytest.mark.optional


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """The face generator that comes along with the package gan-face-generate, brought."""
    folder = tmp_path_factory.mktemp("faces")
    expected = ["--no-deps", "--dest", str(folder), "gan-face-generate==1.1.1"]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", *expected], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        (folder / "weights.tar").write_bytes(wheel.read("gan_face_generate/weights.tar"))
    assert main(["import", str(folder / "weights.tar"), "--out", str(folder / "faces-gan")]) == 0
    return folder / "faces-gan"


def test_the_example_of_a_gan_draws_its_figures(faces):
    script = Path(__file__).parents[2] / "examples" / "faces_gan.py"
    done = subprocess.run([sys.executable, str(script), str(faces.parent)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.split()] == [
        "samples.png",
        "glasses.png",
        "interpolation.png",
        *(f"closed-form-{n}.png" for n in range(1, 5)),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["sample"],
        ["interpolate", "0", "1", "2"],
        ["chart", "--layout", "pca"],
        ["decode", "--layout", "pca"],
        ["traverse", "--count", "2"],
        ["geometry"],
        ["arithmetic", "6,14 - 9,13 + 10"],
    ],
    ids=lambda words: words[0],
)
def test_the_faces_of_a_stranger_go_through_every_command(words, faces, capsys):
    assert main([words[0], str(faces), *words[1:]]) == 0
    assert capsys.readouterr().out


def test_the_faces_are_what_the_tutorials_net_makes_of_its_weights(faces):
    workspace = Workspace.open(faces)
    about = imported_model_of(workspace.run)
    assert (about.shape, about.image, about.pixels) == ((100,), (3, 64, 64), "signed")
    images = workspace.decode(sample_latents(workspace, 64, seed=0))
    assert images.min() < 0.05 and images.max() > 0.9 and images.std(axis=0).mean() > 0.1


def test_the_faces_are_a_page_without_a_server(faces, tmp_path):
    pytest.importorskip("onnxscript")
    from zatlas.site import run_tree

    tree = run_tree(Workspace.open(faces), max_points=100)
    assert tree.entry["decoder"]["bytes"] < 10e6


def pages(workspace, folder):
    """Both halves can be files of a page that needs no server."""
    pytest.importorskip("onnxscript")
    for name, export in (("decoder", export_decoder), ("encoder", export_encoder)):
        assert export(workspace.generator, folder / f"{name}.onnx").error < 1e-2


@pytest.fixture(scope="module")
def pythae_vae(tmp_path_factory):
    """A VAE that pythae itself has trained and saved, and the model as it holds it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pythae.models import VAE, VAEConfig
        from pythae.trainers import BaseTrainer, BaseTrainerConfig
        from sklearn.datasets import load_digits

        folder = tmp_path_factory.mktemp("pythae")
        data = (load_digits().images[:, None] / 16).astype(np.float32)
        model = VAE(VAEConfig(input_dim=(1, 8, 8), latent_dim=6))
        settings = BaseTrainerConfig(
            output_dir=str(folder / "out"),
            num_epochs=3,
            learning_rate=1e-3,
            no_cuda=True,
            per_device_train_batch_size=128,
        )
        from pythae.data.datasets import BaseDataset

        train = BaseDataset(torch.from_numpy(data), torch.zeros(len(data)))
        BaseTrainer(model, train, training_config=settings).train()
        model.eval().save(str(folder / "vae"))
    return folder / "vae", model, data


def test_a_vae_of_pythae_rebuilds_as_pythae_does(pythae_vae, tmp_path):
    folder, model, data = pythae_vae
    import_model(folder, tmp_path / "run", data="digits", verbose=False)
    workspace = Workspace.open(tmp_path / "run")
    about = imported_model_of(workspace.run)
    assert (about.pixels, about.std, about.prior) == ("unit", "log_variance", "normal")
    x = data[:100]
    with torch.no_grad():
        theirs = model.predict(torch.from_numpy(x))
        std = (model.encoder(torch.from_numpy(x)).log_covariance / 2).exp()
    mean, deviation = workspace.generator.posterior(x)
    np.testing.assert_allclose(mean, theirs.embedding.numpy(), atol=1e-4)
    np.testing.assert_allclose(deviation, std.numpy(), atol=1e-4)
    np.testing.assert_allclose(workspace.generator.decode(mean), theirs.recon_x.numpy(), atol=1e-4)
    sheets.reconstruction_sheet([workspace])
    assert find_direction(workspace, "0").score.auc > 0.8
    pages(workspace, tmp_path)


def test_a_net_of_the_person_in_pythae_is_named_not_unpickled(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pythae.models import AE, AEConfig
        from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_AE_MNIST

        config = AEConfig(input_dim=(1, 28, 28), latent_dim=5)
        model = AE(config, Encoder_Conv_AE_MNIST(config), Decoder_Conv_AE_MNIST(config)).eval()
        model.save(str(tmp_path / "ae"))
    with pytest.raises(zatlas.core.errors.NotSupported, match="never read"):
        import_model(tmp_path / "ae", tmp_path / "run", verbose=False)
    nets = "pythae.models.nn.benchmarks.mnist"
    workspace = import_model(
        tmp_path / "ae",
        tmp_path / "run",
        module=f"{nets}:Decoder_Conv_AE_MNIST",
        encoder=f"{nets}:Encoder_Conv_AE_MNIST",
        verbose=False,
    )
    assert imported_model_of(workspace.run).prior == "none"
    x = np.random.default_rng(0).random((4, 1, 28, 28), np.float32)
    with torch.no_grad():
        theirs = model.predict(torch.from_numpy(x))
    z = workspace.generator.encode(x)
    np.testing.assert_allclose(z, theirs.embedding.numpy(), atol=1e-4)
    np.testing.assert_allclose(workspace.decode(z), theirs.recon_x.numpy(), atol=1e-4)


def tiny(diffusers):
    few = (8, 8, 8, 8)
    model = diffusers.AutoencoderTiny(
        encoder_block_out_channels=few,
        decoder_block_out_channels=few,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    last = model.decoder.layers[-1]
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 4, 8, 8), np.float32))
    with torch.no_grad():  # else all pixels are as good as black, or black and white
        last.weight.mul_(0.5 / model.decode(z).sample.std())
        last.bias.sub_(model.decode(z).sample.mean((0, 2, 3)))
    return model


def stable(diffusers):
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=32,
    )


def compressed(diffusers):
    return diffusers.AutoencoderDC(
        latent_channels=4,
        attention_head_dim=8,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 16),
        decoder_block_out_channels=(8, 16),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        scaling_factor=0.41,
    )


def quantized(diffusers, width=8, channels=3, **settings):
    return diffusers.VQModel(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(width, width),
        norm_num_groups=4,
        latent_channels=channels,
        vq_embed_dim=4,
        num_vq_embeddings=32,
        **settings,
    )


def spatial(diffusers):
    model = quantized(diffusers, 32, 4, norm_type="spatial")
    with torch.no_grad():
        model.decoder.conv_out.weight.mul_(0.3)  # else most pixels are black or white
    return model


@pytest.mark.parametrize("make", [tiny, stable, compressed, quantized, spatial])
def test_auto_encoders_of_diffusers_decode_as_diffusers_does(make, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        torch.manual_seed(0)  # some random nets give nearly the same image for all latents
        model = make(diffusers).eval()
        model.save_pretrained(tmp_path / "vae")
        import_model(tmp_path / "vae", tmp_path / "run", verbose=False)
        workspace = Workspace.open(tmp_path / "run")
    shape, scale = workspace.generator.space.shape, model.config.scaling_factor
    assert len(shape) == 3 and shape[0] == 4
    z = sample_latents(workspace, 3, seed=0)
    with torch.no_grad():
        how = {"force_not_quantize": True} if make is spatial else {}
        theirs = model.decode(torch.from_numpy(z).reshape(-1, *shape) / scale, **how).sample
    expected = (theirs.numpy() / 2 + 0.5).clip(0, 1)
    assert expected.std() > 0.02 and ((expected > 0) & (expected < 1)).mean() > 0.5
    np.testing.assert_allclose(workspace.decode(z), expected, atol=1e-5)
    with torch.no_grad():
        result = model.encode(torch.from_numpy(2 * expected - 1))
    kinds = {stable: lambda: result.latent_dist.mean, compressed: lambda: result.latent}
    latents = kinds.get(make, lambda: result.latents)()
    theirs = latents.numpy().reshape(3, -1) * scale
    np.testing.assert_allclose(workspace.generator.encode(expected), theirs, atol=1e-3)
    paths.interpolation(workspace, locate_all(workspace, ["0", "1"])).strip(3)
    workspace.chart("pca")
    if make in (tiny, stable):  # 16 bits may move a latent to another codebook vector
        pages(workspace, tmp_path)
