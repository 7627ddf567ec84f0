"""Weights of tutorials without their net: layers are inferred from shapes, or the import is refused."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from zatlas.core.errors import NotSupported
from zatlas.create import import_model
from zatlas.data import digits
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace


class ExampleVAE(nn.Module):
    """The names and sizes of the VAE in the examples of PyTorch."""

    side, colors, last = 28, 1, "sigmoid"

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21 = nn.Linear(400, 20)
        self.fc22 = nn.Linear(400, 20)
        self.fc3 = nn.Linear(20, 400)
        self.fc4 = nn.Linear(400, 784)

    def encode(self, x):
        h = self.fc1(x.flatten(1)).relu()
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return self.fc4(self.fc3(z).relu()).sigmoid()


class ConvVAE(nn.Module):
    """A typical tutorial: strided convolutions, two heads, and transposed convolutions."""

    side, colors, last = 28, 1, "sigmoid"

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten())
        )
        self.fc_mu, self.fc_logvar = nn.Linear(784, 6), nn.Linear(784, 6)
        self.fc_decode = nn.Linear(6, 784)
        self.decoder = nn.Sequential(
            *(nn.ConvTranspose2d(16, 8, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 3, 2, 1, 1)),
            nn.Sigmoid(),
        )

    def encode(self, x):
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def decode(self, z):
        return self.decoder(self.fc_decode(z).unflatten(1, (16, 7, 7)))


class NormedVAE(nn.Module):
    """Blocks with norms and leaky ReLU, and a last convolution, as in collections of VAEs."""

    side, colors, last = 32, 3, "tanh"

    def __init__(self):
        super().__init__()
        widths = (8, 16, 32)
        down = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))
            for a, b in pairwise((3, *widths))
        ]
        up = [
            nn.Sequential(nn.ConvTranspose2d(a, b, 3, 2, 1, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))
            for a, b in pairwise(widths[::-1])
        ]
        self.encoder = nn.Sequential(*down)
        self.fc_mu, self.fc_var = nn.Linear(512, 5), nn.Linear(512, 5)
        self.decoder_input = nn.Linear(5, 512)
        self.decoder = nn.Sequential(*up)
        self.final_layer = nn.Sequential(
            *(nn.ConvTranspose2d(8, 8, 3, 2, 1, 1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(8, 3, 3, padding=1), nn.Tanh()),
        )

    def encode(self, x):
        h = self.encoder(x).flatten(1)
        return self.fc_mu(h), self.fc_var(h)

    def decode(self, z):
        return self.final_layer(self.decoder(self.decoder_input(z).unflatten(1, (32, 4, 4))))


class AutoEncoder(nn.Module):
    """Linear layers down to 3 values and back."""

    side, colors, last = 8, 1, "sigmoid"

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))
        self.up = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 64), nn.Sigmoid())

    def encode(self, x):
        z = self.down(x.flatten(1))
        return z, torch.full_like(z, -9.0)

    def decode(self, z):
        return self.up(z)


class Tutorial(nn.Module):
    """The generator of the DCGAN tutorial, with fewer channels."""

    def __init__(self, activation=nn.ReLU):
        super().__init__()
        layers = [nn.ConvTranspose2d(20, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), activation()]
        for a, b in pairwise((32, 16, 8, 4)):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), activation()]
        layers += [nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def decode(self, z):
        return self.main(z[:, :, None, None])


class Leaky(nn.LeakyReLU):
    def __init__(self):
        super().__init__(0.2)


class Upsampling(nn.Module):
    """A linear layer, then convolutions after upsampling."""

    def __init__(self):
        super().__init__()
        self.l1 = nn.Sequential(nn.Linear(20, 512))
        self.conv_blocks = nn.Sequential(
            *(nn.BatchNorm2d(8), nn.Upsample(scale_factor=2), nn.Conv2d(8, 8, 3, padding=1)),
            *(nn.BatchNorm2d(8), Leaky(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 4, 3, padding=1)),
            *(nn.BatchNorm2d(4), Leaky(), nn.Conv2d(4, 1, 3, padding=1), nn.Tanh()),
        )

    def decode(self, z):
        return self.conv_blocks(self.l1(z).unflatten(1, (8, 8, 8)))


class Rows(nn.Module):
    """Linear layers with norms, whose rows are the pixels."""

    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            *(nn.Linear(20, 32), Leaky(), nn.Linear(32, 64), nn.BatchNorm1d(64), Leaky()),
            *(nn.Linear(64, 64), nn.BatchNorm1d(64), Leaky(), nn.Linear(64, 784), nn.Tanh()),
        )

    def decode(self, z):
        return self.model(z)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def trained(model, steps=60):
    """Train a VAE for a moment on the digits of scikit-learn."""
    images = torch.from_numpy(digits.load(size=8).images(np.arange(1200))).float()
    images = nn.functional.interpolate(images, size=model.side).expand(-1, model.colors, -1, -1)
    images = images if model.last == "sigmoid" else 2 * images - 1
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(steps):
        batch = images[step * 32 % 1024 :][:32]
        mean, variance = model.encode(batch)
        z = mean + torch.randn_like(mean) * (variance / 2).exp()
        error = (model.decode(z).reshape(batch.shape) - batch).square().sum() / 32
        loss = error + 0.5 * (mean.square() + variance.exp() - variance).sum() / 32
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def settled(model, dim=20):
    """Return a generator whose norms have the statistics of its features."""
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.momentum = None  # the mean of all batches
    with torch.no_grad():
        for _ in range(8):
            model.decode(torch.randn(64, dim))
    return model.eval()


def imported(model, path, **options):
    """Import the weights, and check that images are those of the model."""
    state = model.state_dict()
    (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    workspace = import_model(path, path.with_suffix(""), verbose=False, **options)
    workspace = Workspace.open(workspace.run.folder)
    z = sample_latents(workspace, 7, seed=0)
    with torch.no_grad():
        expected = model.decode(torch.from_numpy(z)).numpy().reshape(7, -1)
    expected = expected if getattr(model, "last", "tanh") == "sigmoid" else (expected + 1) / 2
    np.testing.assert_allclose(workspace.decode(z).reshape(7, -1), expected, atol=1e-5)
    return workspace


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        (ExampleVAE, ".pt"),
        (ConvVAE, ".safetensors"),
        pytest.param(ExampleVAE, ".safetensors", marks=pytest.mark.slow),
        pytest.param(ConvVAE, ".pt", marks=pytest.mark.slow),
        pytest.param(AutoEncoder, ".pt", marks=pytest.mark.slow),
    ],
)
def test_a_vae_is_inferred_with_its_encoder(kind, suffix, tmp_path):
    model = trained(kind())
    workspace = imported(model, tmp_path / f"vae{suffix}")
    images = np.random.default_rng(0).random((4, 1, model.side, model.side), dtype=np.float32)
    with torch.no_grad():
        mean, _ = model.encode(torch.from_numpy(images))
    np.testing.assert_allclose(workspace.generator.encode(images), mean.numpy(), atol=1e-5)


@pytest.mark.slow
def test_statistics_of_norms_show_the_activation_of_a_vae(tmp_path):
    workspace = imported(settled(NormedVAE(), 5), tmp_path / "vae.pt", pixels="signed")
    info = imported_model_of(workspace.run)
    assert info.settings["config"]["hidden"] == "leaky_relu" and info.image == (3, 32, 32)


@pytest.mark.parametrize(
    ("make", "hidden", "image"),
    [
        (Tutorial, "relu", (3, 64, 64)),
        pytest.param(lambda: Tutorial(Leaky), "leaky_relu", (3, 64, 64), marks=pytest.mark.slow),
        (Upsampling, "leaky_relu", (1, 32, 32)),
        pytest.param(Rows, "leaky_relu", (1, 28, 28), marks=pytest.mark.slow),
    ],
)
def test_a_generator_is_inferred(make, hidden, image, tmp_path):
    info = imported_model_of(imported(settled(make()), tmp_path / "g.pt").run)
    assert (info.shape, info.image, info.settings["config"]["hidden"]) == ((20,), image, hidden)


@pytest.mark.slow
def test_the_generator_of_a_whole_gan_is_inferred(tmp_path):
    gan = nn.ModuleDict({"generator": settled(Rows()), "discriminator": nn.Linear(784, 1)})
    gan.decode = gan["generator"].decode
    imported(gan.eval(), tmp_path / "gan.ckpt")


@pytest.mark.slow
def test_a_decoder_is_inferred_without_an_encoder_that_is_not_plain(tmp_path):
    model = trained(ConvVAE())
    model.encoder = nn.Sequential(nn.Conv2d(1, 5, 7), nn.Conv2d(9, 2, 3))
    workspace = imported(model, tmp_path / "vae.pt")
    assert workspace.generator.encoder is None


def classifier():
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def denoiser():
    convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((3, 8, 8, 8, 8, 3))]
    return nn.Sequential(*convs)


def many_classes():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 100))


def discriminator():
    return nn.Sequential(*(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise((3, 8, 16, 32, 1))))


def with_attention():
    return nn.Sequential(nn.Linear(8, 64), nn.MultiheadAttention(64, 4), nn.Linear(64, 784))


def embedding():
    return nn.Sequential(nn.Embedding(1000, 16), nn.LayerNorm(16))


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [classifier, denoiser, many_classes, discriminator, with_attention, embedding]
)
def test_other_weights_come_with_a_class_to_complete(make, tmp_path):
    torch.save(make().state_dict(), tmp_path / "x.pt")
    with pytest.raises(NotSupported, match="class Net"):
        import_model(tmp_path / "x.pt", tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()
