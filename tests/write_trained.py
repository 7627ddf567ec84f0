"""Write the fixtures of networks that their reference code has trained for some steps on a processor.

    python -m tests.write_trained stylegan2-ada-pytorch pytorch-pretrained-BigGAN

The arguments are folders with the reference code. The files hold weights and pixels, both as numbers.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch.nn import functional as F

from tests.test_trained_references import BIGGAN, FOLDER, images_of_biggan, images_of_stylegan

STEPS, ROWS, SIDE = 60, 16, 16
SMALL = {"channel_base": 128, "channel_max": 8}


def stylegan(folder: str) -> None:
    """Train a generator against a discriminator, both of StyleGAN2-ADA, on images of disks."""
    sys.path.insert(0, folder)
    from training import networks

    torch.manual_seed(0)
    first = networks.Generator(8, 0, 8, SIDE, 3, {"num_layers": 2}, SMALL)
    second = networks.Discriminator(0, SIDE, 3, **SMALL)
    players = [torch.optim.Adam(net.parameters(), 5e-3, betas=(0.0, 0.99)) for net in (first, second)]
    none = torch.zeros(ROWS, 0)
    for _ in range(STEPS):
        fakes = first(torch.randn(ROWS, 8), none)
        loss = F.softplus(second(fakes.detach(), none)) + F.softplus(-second(disks(), none))
        step(players[1], loss.mean())
        step(players[0], F.softplus(-second(fakes, none)).mean())
    first.eval()
    z = torch.randn(4, 8)
    with torch.no_grad():
        images = first(z, none[:4], truncation_psi=0.7, noise_mode="const").numpy()
    save("stylegan2", first.state_dict(), z, images, images_of_stylegan)


def biggan(folder: str) -> None:
    """Train a generator of pytorch-pretrained-biggan to draw disks of a color for each class."""
    package = ModuleType("pytorch_pretrained_biggan")
    package.__path__ = [str(Path(folder) / "pytorch_pretrained_biggan")]
    sys.modules[package.__name__] = package
    sys.modules[f"{package.__name__}.file_utils"] = ModuleType("file_utils")
    sys.modules[f"{package.__name__}.file_utils"].cached_path = None
    model, config = (importlib.import_module(f"{package.__name__}.{name}") for name in ("model", "config"))
    torch.manual_seed(0)
    net = model.BigGAN(config.BigGANConfig.from_dict(BIGGAN))
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(STEPS):
        label = torch.eye(3)[torch.randint(3, (ROWS,))]
        target = disks() * (2 * label - 1)[:, :, None, None]
        step(optimizer, (net(torch.randn(ROWS, 8), label, 1.0) - target).square().mean())
    net.eval()
    z = torch.randn(3, 8)
    with torch.no_grad():
        images = net(0.4 * z, torch.eye(3), 0.4).numpy()
    save("biggan-deep", net.state_dict(), z, images, images_of_biggan)


def disks() -> torch.Tensor:
    """Return images of a disk at a random place."""
    place = torch.linspace(-1, 1, SIDE)
    x, y = torch.rand(2, ROWS, 1, 1) - 0.5
    inside = (place[None, :, None] - y).square() + (place[None, None] - x).square() < 0.2
    return (2.0 * inside - 1)[:, None].expand(-1, 3, -1, -1)


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take one step of an optimizer."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def save(name, state, z, images, decode):
    """Write the weights and the images, and print the largest difference of a pixel to those of zatlas."""
    weights = {f"weight.{key}": value.numpy() for key, value in state.items()}
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(path, **weights, z=z.numpy(), images=images)
    print(f"{name}: std {images.std():.3f}, difference {np.abs(decode(state, z.numpy()) - images).max():.2g}")


if __name__ == "__main__":
    stylegan(sys.argv[1])
    biggan(sys.argv[2])
