"""Teaching a net to answer with the point that a generator made an image from: its missing encoder.

Zhu et al. 2016, https://arxiv.org/abs/1609.03552 . It learns from samples alone, blurred, dimmed and made
noisy a little, since images from elsewhere are never quite the generator's own.
"""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Labels, Pixels, Points, Rows
from zatlas.core.errors import BadRecipe, Diverged
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import derive, stream
from zatlas.models.generator import Generator, differentiable
from zatlas.models.inverter import Inverter
from zatlas.training.recipe import Training
from zatlas.training.schedule import rate_at
from zatlas.training.scoring import net_for, silent, soften

TRAINING = Training(epochs=12, batch=64, rate=2e-3)
NET: Mapping[str, Any] = {"width": 32, "hidden": 512, "norm": "group"}  # where it is of convolutions
PIXELS = 300.0  # what a pixel's squared error counts, against a coordinate's
FIRST = 0.7  # of the epochs that look at points alone: pixels mean little before, and cost much


def teach(
    generator: Generator,
    points: Points,
    labels: Labels | None = None,
    *,
    epochs: int = TRAINING.epochs,
    pixels: float = PIXELS,
    seed: int = 0,
    show: bool = True,
) -> Inverter:
    """An encoder that has learnt from the images of these points, each seen once an epoch.

    Its answers are to be near the points and, where torch can differentiate the decoder, their images
    near those that it was shown.
    """
    if epochs < 1:
        raise BadRecipe(f"An encoder is taught for at least 1 epoch, not {epochs}.")
    bank = _decoded(generator, points, labels, show)
    _, *shape = bank.shape
    training = Training(epochs=epochs, batch=TRAINING.batch, rate=TRAINING.rate)
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "inverter"))
        net, layers = net_for((shape[0], shape[1], shape[2]))
        inverter = Inverter(
            generator.space,
            (shape[0], shape[1], shape[2]),
            len(generator.classes),
            net,
            dict(NET) if net == "conv" else layers,
        ).to(generator.device)
        inverter.middle.copy_(torch.from_numpy(points.mean(axis=0)))
        inverter.spread.fill_(float(points.std()) or 1.0)
    told = bar("teaching the encoder", epochs * len(points)) if show else nullcontext(silent)
    with told as advance:
        weight = pixels if differentiable(generator) else 0.0
        _teach(generator, inverter, (bank, points, labels), training, weight, seed, advance)
    return inverter.eval()


def _teach(
    generator: Generator,
    inverter: Inverter,
    known: tuple[Pixels, Points, Labels | None],
    training: Training,
    weight: float,
    seed: int,
    advance: Advance,
) -> None:
    optimizer = torch.optim.Adam(inverter.parameters(), betas=(0.9, 0.99))
    chance = torch.Generator(generator.device).manual_seed(derive(seed, "soften"))
    steps = -(-len(known[1]) // training.batch)
    for epoch in range(training.epochs):
        order = stream(seed, "order", epoch).permutation(len(known[1]))
        for index in range(steps):
            rows = order[index * training.batch : (index + 1) * training.batch]
            for group in optimizer.param_groups:
                group["lr"] = rate_at(training, epoch * steps + index, steps)
            x, z, y = _batch(known, rows, generator.device)
            late = weight * (epoch >= FIRST * training.epochs)
            loss = _loss(generator, inverter, x, soften(x, chance), z, y, late)
            if not math.isfinite(loss.item()):
                raise Diverged(
                    f"The encoder's loss is no longer a number at step {epoch * steps + index + 1:,}."
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            advance(len(rows))


def _loss(
    generator: Generator,
    inverter: Inverter,
    x: Tensor,
    shown: Tensor,
    z: Tensor,
    y: Tensor | None,
    weight: float,
) -> Tensor:
    """Squared errors of the point, in spreads, and of the image that is made of it."""
    found = inverter(shown, y)
    loss = ((found - z) / inverter.spread).square().mean()
    if weight:
        made = generator.decoder(found.reshape(-1, *generator.space.shape), y)
        loss = loss + weight * (made - x).square().mean()
    return loss


def _batch(
    known: tuple[Pixels, Points, Labels | None], rows: Rows, device: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    pixels, points, labels = known
    x = torch.as_tensor(pixels[rows], device=device).float() / 255
    y = None if labels is None else torch.as_tensor(labels[rows], device=device)
    return x, torch.as_tensor(points[rows], device=device), y


def _decoded(generator: Generator, points: Points, labels: Labels | None, show: bool) -> Pixels:
    """The images of the points as bytes: they are looked at many times, and decoded once."""
    parts = []
    told = bar("decoding samples", len(points)) if show else nullcontext(silent)
    with told as advance:
        for images in generator.stream(points, labels):
            parts.append(np.rint(255 * images.clip(0, 1)).astype(np.uint8))
            advance(len(images))
    return np.concatenate(parts)
