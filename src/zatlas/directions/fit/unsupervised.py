"""Steering where nothing is known: the directions whose effects are told apart most easily."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.arrays import Latents
from zatlas.core.errors import BadRecipe
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import minimize, decode_tensor, require_gradient
from zatlas.directions.estimate import std_along
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.generator import Generator

STEPS, BATCH, RATE = 300, 24, 4e-3
IMAGE_SIDE = 32  # pixels of the images that the reader sees
FARTHEST, NEAREST = 3.0, 0.75  # spreads by which points are moved
FAR_WEIGHT = 0.25  # of how far, against which
CHECKED_PAIRS = 256  # moves by which the reader is tested


def fit(
    generator: Generator,
    latents: Latents,
    *,
    count: int = 8,
    steps: int = STEPS,
    names: Sequence[str] = (),
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """Directions at right angles that a small net tells apart, and how far, by images before and after.

    Voynov and Babenko 2020, https://arxiv.org/abs/2002.03754. The facts tell how often each is known
    among the others on new points, against chance; the surest comes first.
    """
    if not 1 < count <= generator.space.dim:
        raise BadRecipe(
            f"From 2 to {generator.space.dim} directions can be told apart in this space, not {count}."
        )
    require_gradient(generator, latents, "This method", "take closed_form with source=metric, or principal.")
    std = np.maximum(latents.std(axis=0), 1e-9)
    first = stream(seed, "axes").standard_normal((latents.shape[1], count))
    raw = torch.tensor(first, dtype=torch.float32, device=generator.device, requires_grad=True)
    channels = generator.decode(latents[:1]).shape[1]
    reader = _Reader(channels, count, derive(seed, "reader")).to(generator.device)
    draw = _Draws(generator, latents, std, count, derive(seed, "moves"))

    def loss(number: int) -> Tensor:
        which, far, images = draw(_square(raw), BATCH)
        said, guess = reader(*images)
        return F.cross_entropy(said, which) + FAR_WEIGHT * (guess - far).abs().mean()

    parts = [raw, *reader.parameters()]
    minimize(parts, loss, steps=steps, rate=RATE, label="telling directions apart", show=show)
    with torch.no_grad():
        axes = _square(raw)
        which, _, images = draw(axes, CHECKED_PAIRS)
        said, _ = reader(*images)
        right = (said.argmax(dim=1) == which).float()
        known = [float(right[which == k].mean()) if (which == k).any() else 0.0 for k in range(count)]
    return _directions(axes.cpu().numpy().T * std, known, latents, names)


def _directions(
    steps: np.ndarray, known: list[float], latents: Latents, names: Sequence[str]
) -> list[Direction]:
    result: list[Direction] = []
    for i, k in enumerate(np.argsort(known)[::-1]):
        axis = (steps[k] / np.linalg.norm(steps[k])).astype(np.float32)
        facts = {"known": known[k], "chance": 1 / len(known)}
        name = names[i] if i < len(names) else f"unsupervised {i + 1}"
        result.append(LinearDirection(name, axis, std_along(axis, latents), facts=facts))
    return result


def _square(raw: Tensor) -> Tensor:
    """Columns at right angles, of length 1."""
    return torch.linalg.qr(raw)[0]


class _Draws:
    """Moves by chance along one of the axes, with the images before and after."""

    def __init__(
        self, generator: Generator, latents: Latents, std: np.ndarray, count: int, seed: int
    ) -> None:
        self.generator, self.count = generator, count
        self.points = torch.from_numpy(latents)
        self.std = torch.tensor(std, dtype=torch.float32, device=generator.device)
        self.chance = torch.Generator().manual_seed(seed)

    def __call__(self, axes: Tensor, n: int) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        some = torch.randint(len(self.points), (n,), generator=self.chance)
        which = torch.randint(self.count, (n,), generator=self.chance)
        far = FARTHEST * (2 * torch.rand(n, generator=self.chance) - 1)
        far = far.sign() * far.abs().clamp(min=NEAREST)
        z, which, far = (part.to(axes.device) for part in (self.points[some], which, far))
        moved = z + far[:, None] * axes.T[which] * self.std
        with torch.no_grad():
            before = _small(decode_tensor(self.generator, z))
        return which, far, (before, _small(decode_tensor(self.generator, moved)))


def _small(images: Tensor) -> Tensor:
    if min(images.shape[2:]) <= IMAGE_SIDE:
        return images
    return F.adaptive_avg_pool2d(images, IMAGE_SIDE)


class _Reader(nn.Module):
    """Which direction was gone and how far, by the images before and after."""

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
            self.which, self.far = nn.Linear(96, count), nn.Linear(96, 1)

    def forward(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(torch.cat([before, after - before], dim=1))
        return self.which(h), self.far(h)[:, 0]
