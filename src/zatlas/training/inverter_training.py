"""Train an encoder for a generator that has none: it predicts the latent of a generated image.

Zhu et al. 2016, https://arxiv.org/abs/1609.03552 . It trains on samples of the generator. They are blurred,
dimmed and noisy, so that the encoder also works on images that the generator did not make.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Labels, Latents, Pixels, Rows
from zatlas.core.errors import BadRecipe, Diverged
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import derive, stream
from zatlas.models.generator import Generator, differentiable
from zatlas.models.inverter import Inverter
from zatlas.training.classifier_training import blur_randomly, net_for
from zatlas.training.recipe import Training
from zatlas.training.schedule import rate_at

TRAINING = Training(epochs=12, batch=64, rate=2e-3)
NET: Mapping[str, Any] = {"width": 32, "hidden": 512, "norm": "group"}  # if it is convolutional
PIXELS = 300.0  # weight of a pixel's squared error, relative to that of a latent dimension
LATENT_EPOCHS = 0.7  # first share of the epochs, without the pixel loss, which is slow and helps only later


def train_inverter(
    generator: Generator,
    latents: Latents,
    labels: Labels | None = None,
    *,
    epochs: int = TRAINING.epochs,
    pixels: float = PIXELS,
    seed: int = 0,
    show: bool = True,
) -> Inverter:
    """Return an encoder trained on the images of these latents, each of them once an epoch.

    The loss compares latents and, where torch can differentiate the decoder, also their images.
    `pixels` is the weight of the images.
    """
    if epochs < 1:
        raise BadRecipe(f"An encoder needs at least 1 epoch, not {epochs}.")
    images = _decoded(generator, latents, labels, show)
    _, *shape = images.shape
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
        inverter.mean.copy_(torch.from_numpy(latents.mean(axis=0)))
        inverter.std.fill_(float(latents.std()) or 1.0)
    with bar("training the encoder", epochs * len(latents), show=show) as advance:
        weight = pixels if differentiable(generator) else 0.0
        _fit(generator, inverter, (images, latents, labels), training, weight, seed, advance)
    return inverter.eval()


def _fit(
    generator: Generator,
    inverter: Inverter,
    data: tuple[Pixels, Latents, Labels | None],
    training: Training,
    weight: float,
    seed: int,
    advance: Advance,
) -> None:
    optimizer = torch.optim.Adam(inverter.parameters(), betas=(0.9, 0.99))
    rng = torch.Generator(generator.device).manual_seed(derive(seed, "soften"))
    steps = -(-len(data[1]) // training.batch)
    for epoch in range(training.epochs):
        order = stream(seed, "order", epoch).permutation(len(data[1]))
        for index in range(steps):
            rows = order[index * training.batch : (index + 1) * training.batch]
            for group in optimizer.param_groups:
                group["lr"] = rate_at(training, epoch * steps + index, steps)
            x, z, y = _batch(data, rows, generator.device)
            pixel_weight = weight * (epoch >= LATENT_EPOCHS * training.epochs)
            loss = _loss(generator, inverter, x, blur_randomly(x, rng), z, y, pixel_weight)
            if not math.isfinite(loss.item()):
                raise Diverged(
                    f"The encoder's loss is NaN or infinite at step {epoch * steps + index + 1:,}."
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            advance(len(rows))


def _loss(
    generator: Generator,
    inverter: Inverter,
    x: Tensor,
    softened: Tensor,
    z: Tensor,
    y: Tensor | None,
    weight: float,
) -> Tensor:
    """Return the squared error of the latents, in units of their std, plus that of their images."""
    predicted = inverter(softened, y)
    loss = ((predicted - z) / inverter.std).square().mean()
    if weight:
        images = generator.decoder(predicted.reshape(-1, *generator.space.shape), y)
        loss = loss + weight * (images - x).square().mean()
    return loss


def _batch(
    data: tuple[Pixels, Latents, Labels | None], rows: Rows, device: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    pixels, latents, labels = data
    x = torch.as_tensor(pixels[rows], device=device).float() / 255
    y = None if labels is None else torch.as_tensor(labels[rows], device=device)
    return x, torch.as_tensor(latents[rows], device=device), y


def _decoded(generator: Generator, latents: Latents, labels: Labels | None, show: bool) -> Pixels:
    """Decode the latents once, and return their images as bytes."""
    parts = []
    with bar("decoding samples", len(latents), show=show) as advance:
        for images in generator.decode_batches(latents, labels):
            parts.append(np.rint(255 * images.clip(0, 1)).astype(np.uint8))
            advance(len(images))
    return np.concatenate(parts)
