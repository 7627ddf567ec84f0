"""How real images look to the discriminator of a GAN, and how much images differ for it."""

from collections.abc import Callable
from dataclasses import replace
from os import PathLike, fspath

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zatlas.core.arrays import Images, Values
from zatlas.core.errors import NotSupported
from zatlas.models.external_classifiers import open_features
from zatlas.models.generator import ClassLabel, Generator
from zatlas.models.importers.imported import Adapter

Features = str | PathLike[str] | None  # "discriminator", or the file of a network
DISCRIMINATOR = "discriminator"
BATCH = 16  # images whose activations are in memory at once


@torch.inference_mode()
def realism(generator: Generator, images: Images, label: ClassLabel = None) -> Values:
    """Return the discriminator's numbers (n,) for images (n, c, h, w) in [0, 1]; higher is more real.

    A conditional discriminator also judges whether an image shows its class (default: the first one).
    """
    if generator.critic is None:
        raise NotSupported(
            "This run has no discriminator. GANs that zatlas trained have one, and imported StyleGANs whose "
            "file holds it (D of a network.pkl, d of rosinality's checkpoints)."
        )
    labels = replace(generator, classes=generator.class_names).class_numbers(len(images), label)
    scores = []
    for start in range(0, len(images), BATCH):
        rows = slice(start, start + BATCH)
        x = torch.as_tensor(images[rows], device=generator.device)
        y = None if labels is None else torch.as_tensor(labels[rows], device=generator.device)
        result = generator.critic(x, y)
        assert isinstance(result, torch.Tensor)
        scores.append(result.float().cpu().numpy())
    return np.concatenate([np.empty(0, np.float32), *scores])


def feature_distance(
    generator: Generator, source: str | PathLike[str] = DISCRIMINATOR
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of two batches of images in [0, 1] that gives their perceptual distances (n,).

    It is the mean squared difference of features, scaled to length 1 at each pixel. They are those of the
    generator's discriminator, or of the convolutional network in an ONNX file.
    Zhang et al. 2018 (with weights for each channel), https://arxiv.org/abs/1801.03924
    """
    own = source == DISCRIMINATOR
    levels = _levels(generator) if own else open_features(fspath(source), generator.device)

    def distance(images: Tensor, targets: Tensor) -> Tensor:
        total = images.new_zeros(len(images))
        for first, second in zip(levels(images), levels(targets), strict=True):
            difference = functional.normalize(first) - functional.normalize(second)
            total = total + difference.square().sum(1).mean((1, 2))
        return total

    return distance


def _levels(generator: Generator) -> Callable[[Tensor], list[Tensor]]:
    """Return the function from images to the features of the generator's discriminator."""
    adapter = getattr(generator.critic, "__self__", None)
    if not isinstance(adapter, Adapter) or adapter.discriminator is None:
        raise NotSupported(
            "This run has no discriminator whose features could be compared. Imported StyleGANs have one if "
            "their file holds it. Give the file of another network: --perceptual FILE.onnx (in Python: "
            "perceptual=)."
        )
    return adapter.levels
