"""How many random attributes and how many true ones `zatlas directions evaluate` calls significant.

python -m benchmarks.null_directions [--coins 34] [--only NAME ...]

Six small models of drawn faces, digits and clothes: an auto-encoder, VAEs, an auto-encoder with spatial
latents as in latent diffusion, and a GAN. Each image gets random booleans, true of a half, a fifth or a
tenth of the images. For the GAN, a function that looks random decides from the pixels, and a trained
classifier predicts the true attributes. True attributes count if their AUC on held-out latents is over 0.8.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
import torch
from scipy.stats import binomtest
from torch import nn

from zatlas.create import import_model, train
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.directions.default_names import default_properties
from zatlas.directions.direction_report import DirectionReport
from zatlas.directions.measure import evaluate_directions
from zatlas.directions.named_directions import fit_named
from zatlas.models.classifier import Classifier
from zatlas.training.classifier_training import train_classifier
from zatlas.workspace import Workspace

SHARES = (0.5, 0.2, 0.1)  # of the images that a random boolean is true of
COIN = "coin"
MIN_AUC = 0.8
SMALL = {"net.name": "mlp", "net.widths": [256], "training.batch": 64, "training.rate": 2e-3}


@dataclass(frozen=True)
class Case:
    """A model to make: its data, its name in the table, and how it is trained."""

    name: str
    data: str
    size: int
    images: int
    make: Callable[[Path, str, int], Workspace]
    classifier: bool = False


def small(model: str, dim: int, epochs: int) -> Callable[[Path, str, int], Workspace]:
    def make(out: Path, data: str, size: int) -> Workspace:
        settings = {**SMALL, "training.preview": 0}
        return train(
            data, model=model, dim=dim, epochs=epochs, size=size, settings=settings, out=out, verbose=False
        )

    return make


class SpatialEncoder(nn.Module):
    """Images to latents (4, 8, 8)."""

    def __init__(self, channels: int, steps: int) -> None:
        super().__init__()
        widths = [channels, *[32] * steps]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(32, 4, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class SpatialDecoder(nn.Module):
    """Latents (4, 8, 8) to images."""

    def __init__(self, channels: int, steps: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(4, 32, 3, 1, 1), nn.SiLU()]
        for _ in range(steps):
            layers += [nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(32, channels, 3, 1, 1), nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.layers(z)


def spatial(epochs: int) -> Callable[[Path, str, int], Workspace]:
    def make(out: Path, data: str, size: int) -> Workspace:
        images = sources.load(data, size=size)
        x = torch.from_numpy(images.images(images.rows("train")))
        torch.manual_seed(0)
        steps = int(np.log2(size // 8))
        encoder, decoder = SpatialEncoder(x.shape[1], steps), SpatialDecoder(x.shape[1], steps)
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 2e-3)
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(64):
                z = encoder(x[batch])
                noisy = z + 0.1 * torch.randn_like(z)
                loss = ((decoder(noisy) - x[batch]) ** 2).mean() + 1e-4 * z.square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        settings = {"shape": (4, 8, 8), "encoder": encoder.eval(), "pixels": "unit"}
        return import_model(decoder.eval(), out, data=data, verbose=False, **settings)

    return make


CASES = (
    Case("auto-encoder, faces", "faces:count=500", 32, 500, small("ae", 256, 40)),
    Case("spatial latents, faces", "faces:count=600", 32, 600, spatial(30)),
    Case("VAE, digits", "digits", 8, 1797, small("vae", 8, 40)),
    Case("VAE, clothes", "fashion-mini", 28, 3000, small("vae", 32, 15)),
    Case("VAE, faces", "faces:count=20000", 32, 20000, small("vae", 64, 6)),
    Case("GAN, faces", "faces:count=3000", 16, 3000, small("gan", 16, 60), classifier=True),
)


def with_coins(folder: Path, images: ImageDataset, count: int, limit: int) -> str:
    """An npz file of these images with random booleans among the attributes."""
    rng = np.random.default_rng(1)
    rows = np.sort(rng.permutation(len(images))[:limit])
    columns = {f"{COIN} {i}": rng.random(len(rows)) < SHARES[i % len(SHARES)] for i in range(count)}
    columns |= {name: column[rows] for name, column in images.attributes.items()}
    if images.labels is not None:
        columns["labels"] = np.array(images.classes)[images.labels[rows]]
    np.savez(folder / "data.npz", images=images.read_pixels(rows), **columns)
    return str(folder / "data.npz")


def pixel_coins(count: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function of images that returns random booleans: digits of a weighted sum of all pixels."""

    def flip(x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1).double()
        weights = torch.rand(flat.shape[1], count, generator=torch.Generator().manual_seed(2)).double()
        fraction = (flat @ weights * 1e5) % 1
        return (fraction < torch.tensor([SHARES[i % len(SHARES)] for i in range(count)])).float()

    return flip


def with_classifier(images: ImageDataset, count: int) -> Classifier:
    """A classifier of the true attributes that also predicts random booleans."""
    trained = train_classifier(images, show=False)
    coins = pixel_coins(count)
    names = (*trained.names, *(f"{COIN} {i}" for i in range(count)))
    kinds = (*trained.kinds, *["flag"] * count)
    return Classifier(names, lambda x: torch.cat([trained.function(x), coins(x)], dim=1), kinds)


def measure(case: Case, folder: Path, coins: int) -> tuple[Workspace, Sequence[DirectionReport], float]:
    folder.mkdir()
    images = sources.load(case.data, size=case.size)
    data = with_coins(folder, images, 0 if case.classifier else coins, case.images)
    workspace, classifier = case.make(folder / "run", data, case.size), None
    if case.classifier:
        classifier = with_classifier(workspace.dataset, coins)
        workspace = workspace.annotate(classifier)
    begun = process_time()
    fitted = fit_named(workspace, default_properties(workspace)[0])
    reports = evaluate_directions(workspace, fitted.directions, classifier)
    return workspace, reports, process_time() - begun


def row(name: str, found: int, of: int) -> str:
    if not of:
        return "0 of 0"
    interval = binomtest(found, of).proportion_ci(method="wilson")
    return f"{found} of {of} ({interval.low:.1%} to {interval.high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coins", type=int, default=34)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    total = np.zeros(4, int)
    p_values: list[float] = []
    print("model | dimensions | latents | random called significant | true called significant | cpu s")
    for case in CASES:
        if given.only and not any(text in case.name for text in given.only):
            continue
        with TemporaryDirectory() as folder:
            workspace, reports, seconds = measure(case, Path(folder) / "case", given.coins)
            random = [report for report in reports if report.name.startswith(COIN)]
            true = [report for report in reports if report not in random]
            clear = [each for each in true if each.direction.score and each.direction.score.auc > MIN_AUC]
            counts = [sum(r.significant for r in random), len(random)]
            counts += [sum(r.significant for r in clear), len(clear)]
            total += counts
            if not case.classifier:  # whose readings of the moved images are random for a random attribute
                p_values += [r.shuffled.p for r in random if r.shuffled is not None]
            cells = [case.name, str(workspace.dim), f"{len(workspace.cloud):,}"]
            cells += [row("random", *counts[:2]), row("true", *counts[2:]), f"{seconds:.0f}"]
            print(" | ".join(cells), flush=True)
            for report in [*(r for r in random if r.significant), *(r for r in clear if not r.significant)]:
                print(f"  {report.name}: {report.summary()}", file=sys.stderr)
    print(" | ".join(["all", "", "", row("random", *total[:2]), row("true", *total[2:]), ""]))
    low = np.mean(np.array(p_values) <= 0.05) if p_values else float("nan")
    print(f"with an encoder, p is at most 0.05 for {low:.1%} of {len(p_values)} random attributes")


if __name__ == "__main__":
    main()
