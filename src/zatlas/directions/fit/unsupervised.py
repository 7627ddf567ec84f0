"""Directions without labels: a network learns to recognize them by the change of the images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.arrays import Latents
from zatlas.core.errors import BadRecipe
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import decode_tensor, minimize, require_gradient
from zatlas.directions.estimate import std_along
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.decoding_time import PASSES, announce_decoding
from zatlas.models.generator import Generator

SAMPLES, BATCH, RATE = 7200, 24, 4e-3  # moves of the training, and of each of its steps
IMAGE_SIDE = 32  # pixels of the images that the network gets
MIN_AMOUNT, MAX_AMOUNT = 0.75, 3.0  # standard deviations by which latents are moved
AMOUNT_WEIGHT = 0.25  # of the predicted amount in the loss
TEST_MOVES = 256  # moves on which the accuracy is measured


def fit(
    generator: Generator,
    latents: Latents,
    *,
    count: int = 8,
    samples: int = SAMPLES,
    names: Sequence[str] = (),
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """Orthogonal directions that a small network recognizes, with the amount, by images before and after.

    Voynov and Babenko 2020, https://arxiv.org/abs/2002.03754. The network is trained on `samples` moves. The
    facts hold the accuracy with which each direction is recognized on new moves, and that of a random guess;
    the most accurate comes first.
    """
    if not 1 < count <= generator.space.dim:
        raise BadRecipe(
            f"count is from 2 to {generator.space.dim}, the dimensions of this space, not {count}."
        )
    require_gradient(generator, latents, "This method", "take closed_form with source=metric, or principal.")
    steps = max(samples // BATCH, 1)
    if show:
        decoded = PASSES * steps * BATCH + 2 * TEST_MOVES
        announce_decoding(f"Fitting {count} directions", decoded, generator, latents)
    std = np.maximum(latents.std(axis=0), 1e-9)
    initial = stream(seed, "axes").standard_normal((latents.shape[1], count))
    raw = torch.tensor(initial, dtype=torch.float32, device=generator.device, requires_grad=True)
    channels = generator.decode(latents[:1]).shape[1]
    network = _Recognizer(channels, count, derive(seed, "reader")).to(generator.device)
    sample = _Moves(generator, latents, std, count, derive(seed, "moves"))

    def loss(step: int) -> Tensor:
        indices, amounts, images = sample(_orthonormal(raw), BATCH)
        logits, guess = network(*images)
        return F.cross_entropy(logits, indices) + AMOUNT_WEIGHT * (guess - amounts).abs().mean()

    variables = [raw, *network.parameters()]
    minimize(variables, loss, steps=steps, rate=RATE, label="fitting directions", show=show)
    with torch.no_grad():
        vectors = _orthonormal(raw)
        indices, _, images = sample(vectors, TEST_MOVES)
        correct = (network(*images)[0].argmax(dim=1) == indices).float()
        accuracy = [
            float(correct[indices == k].mean()) if (indices == k).any() else 0.0 for k in range(count)
        ]
    return _directions(vectors.cpu().numpy().T * std, accuracy, latents, names)


def _directions(
    steps: np.ndarray, accuracy: list[float], latents: Latents, names: Sequence[str]
) -> list[Direction]:
    result: list[Direction] = []
    for i, k in enumerate(np.argsort(accuracy)[::-1]):
        vector = (steps[k] / np.linalg.norm(steps[k])).astype(np.float32)
        facts = {"accuracy": accuracy[k], "random_accuracy": 1 / len(accuracy)}
        name = names[i] if i < len(names) else f"unsupervised {i + 1}"
        result.append(LinearDirection(name, vector, std_along(vector, latents), facts=facts))
    return result


def _orthonormal(raw: Tensor) -> Tensor:
    return torch.linalg.qr(raw)[0]


class _Moves:
    """Random moves along random directions, with the images before and after."""

    def __init__(
        self, generator: Generator, latents: Latents, std: np.ndarray, count: int, seed: int
    ) -> None:
        self.generator, self.count = generator, count
        self.latents = torch.from_numpy(latents)
        self.std = torch.tensor(std, dtype=torch.float32, device=generator.device)
        self.rng = torch.Generator().manual_seed(seed)

    def __call__(self, vectors: Tensor, n: int) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        rows = torch.randint(len(self.latents), (n,), generator=self.rng)
        indices = torch.randint(self.count, (n,), generator=self.rng)
        amounts = MAX_AMOUNT * (2 * torch.rand(n, generator=self.rng) - 1)
        amounts = amounts.sign() * amounts.abs().clamp(min=MIN_AMOUNT)
        z, indices, amounts = (x.to(vectors.device) for x in (self.latents[rows], indices, amounts))
        moved = z + amounts[:, None] * vectors.T[indices] * self.std
        with torch.no_grad():
            before = _shrink(decode_tensor(self.generator, z))
        return indices, amounts, (before, _shrink(decode_tensor(self.generator, moved)))


def _shrink(images: Tensor) -> Tensor:
    if min(images.shape[2:]) <= IMAGE_SIDE:
        return images
    return F.adaptive_avg_pool2d(images, IMAGE_SIDE)


class _Recognizer(nn.Module):
    """Predicts the direction (logits) and the amount of a move, by the images before and after."""

    def __init__(self, channels: int, count: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = nn.Sequential(
                nn.Conv2d(2 * channels, 24, 4, 2, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(24, 48, 4, 2, 1),
                nn.LeakyReLU(0.2),
                nn.AdaptiveAvgPool2d(4),
                nn.Flatten(),
                nn.Linear(768, 96),
                nn.LeakyReLU(0.2),
            )
            self.index, self.amount = nn.Linear(96, count), nn.Linear(96, 1)

    def forward(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(torch.cat([before, after - before], dim=1))
        return self.index(h), self.amount(h)[:, 0]
