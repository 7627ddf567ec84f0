"""What the model does to images it was not trained on. Looking changes nothing: the chance is its own."""

import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.seeds import derive
from zatlas.models.noise import Dealt
from zatlas.models.trainable import Trainable
from zatlas.training.batches import Batches
from zatlas.training.signals import Stop

SCALES = 3  # of structural similarity: as it is, halved, and halved again


def evaluate(
    model: Trainable, batches: Batches, seed: int, epoch: float, stop: Stop, *, structure: bool
) -> dict[str, float]:
    """Means over the images of the model's loss and its terms, and how alike the rebuilt ones are.

    Of several processes, each gives what its images add to the means. Empty for a model without an
    encoder, and where a signal came meanwhile.
    """
    if model.encode is None or not len(batches.rows):
        return {}
    totals: dict[str, float] = {}
    rng = Dealt(batches.device)
    rng.manual_seed(derive(seed, "evaluate"))
    player = next(iter(model.players()))
    with torch.no_grad(), torch.random.fork_rng():
        for index in range(len(batches)):
            if stop:
                return {}
            rng.part = batches.part(index)
            x, y = batches.take(batches.chosen(batches.rows, index))
            terms = model.loss(x, y, player, rng, epoch)
            if structure:
                terms["ssim"] = similarity(rebuild(model, x, y), x).mean()
            for name, term in terms.items():
                totals[name] = totals.get(name, 0.0) + float(term) * rng.part.images
    return {name: total / len(batches.rows) for name, total in totals.items()}


def rebuild(model: Trainable, x: Tensor, y: Tensor | None) -> Tensor:
    """The images that the model makes of the points of these."""
    assert model.encode is not None
    told = y if model.classes else None
    found = model.encode(x, told)
    return model.decode(found[0] if isinstance(found, tuple) else found, told)


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of each pair of images over several scales: 1 for the same image.

    Wang, Simoncelli and Bovik 2003, https://doi.org/10.1109/ACSSC.2003.1292216 ; windows are flat,
    and every scale counts alike.
    """
    found = []
    for scale in range(SCALES):
        side = min(a.shape[-2:])
        if side < 2 and scale:
            break
        found.append(_similarity(a, b, min(7, side)))
        if scale + 1 < SCALES and side >= 2:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return torch.stack(found).mean(0)


def _similarity(a: Tensor, b: Tensor, window: int) -> Tensor:
    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, window, stride=1)

    mean_a, mean_b = mean(a), mean(b)
    spread_a, spread_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    together = mean(a * b) - mean_a * mean_b
    light, contrast = 0.01**2, 0.03**2  # the paper's constants, for images in [0, 1]
    alike = (2 * mean_a * mean_b + light) * (2 * together + contrast)
    most = (mean_a**2 + mean_b**2 + light) * (spread_a + spread_b + contrast)
    return (alike / most).flatten(1).mean(1)
