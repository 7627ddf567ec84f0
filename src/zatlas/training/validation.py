"""Evaluate a model on images that it was not trained on, without a change of the random state."""

import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.seeds import derive
from zatlas.models.noise import SharedNoise
from zatlas.models.trainable import Trainable
from zatlas.training.batches import Batches
from zatlas.training.signals import StopSignal

SCALES = 3  # of structural similarity: full size, half and a quarter


def evaluate(
    model: Trainable, batches: Batches, seed: int, epoch: float, stop: StopSignal, *, structure: bool
) -> dict[str, float]:
    """Return the mean of the loss and of each of its terms over the images, by name.

    `structure` adds "ssim", the structural similarity of images and reconstructions. Each of several
    processes returns its summand of the means. The result is empty for a model without an encoder, and
    after a stop signal.
    """
    if model.encode is None or not len(batches.rows):
        return {}
    totals: dict[str, float] = {}
    rng = SharedNoise(batches.device)
    rng.manual_seed(derive(seed, "evaluate"))
    player = next(iter(model.networks()))
    with torch.no_grad(), torch.random.fork_rng():
        for index in range(len(batches)):
            if stop:
                return {}
            rng.part = batches.part(index)
            x, y = batches.select(batches.own_rows(batches.rows, index))
            terms = model.loss(x, y, player, rng, epoch)
            if structure:
                terms["ssim"] = similarity(reconstruct(model, x, y), x).mean()
            for name, term in terms.items():
                totals[name] = totals.get(name, 0.0) + float(term) * rng.part.images
    return {name: total / len(batches.rows) for name, total in totals.items()}


def reconstruct(model: Trainable, x: Tensor, y: Tensor | None) -> Tensor:
    """Encode the images (n, c, h, w) and decode their latents."""
    assert model.encode is not None
    labels = y if model.classes else None
    z = model.encode(x, labels)
    return model.decode(z[0] if isinstance(z, tuple) else z, labels)


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Return the multi-scale structural similarity of each pair of images, (n,); 1 for equal images.

    Wang, Simoncelli and Bovik 2003, https://doi.org/10.1109/ACSSC.2003.1292216 . Windows are flat, and
    all scales have the same weight.
    """
    scales = []
    for scale in range(SCALES):
        side = min(a.shape[-2:])
        if side < 2 and scale:
            break
        scales.append(_similarity(a, b, min(7, side)))
        if scale + 1 < SCALES and side >= 2:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return torch.stack(scales).mean(0)


def _similarity(a: Tensor, b: Tensor, window: int) -> Tensor:
    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, window, stride=1)

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    light, contrast = 0.01**2, 0.03**2  # the paper's constants, for images in [0, 1]
    numerator = (2 * mean_a * mean_b + light) * (2 * covariance + contrast)
    denominator = (mean_a**2 + mean_b**2 + light) * (variance_a + variance_b + contrast)
    return (numerator / denominator).flatten(1).mean(1)
