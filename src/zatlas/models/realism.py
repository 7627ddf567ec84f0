"""How real images look to the discriminator of a GAN."""

from dataclasses import replace

import numpy as np
import torch

from zatlas.core.arrays import Images, Values
from zatlas.core.errors import NotSupported
from zatlas.models.generator import ClassLabel, Generator

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
