"""Single dimensions that belong to an attribute, such as the style channels of a StyleGAN.

Wu et al. 2021 (StyleSpace), https://arxiv.org/abs/2011.12799
"""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.directions.fit.boundary import SAMPLES
from zatlas.directions.fit.labelled_samples import label_samples
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator


def fit(
    generator: Generator,
    latents: Latents,
    *,
    classifier: Classifier,
    names: Sequence[str] = (),
    count: int = 5,
    samples: int = SAMPLES,
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """The `count` dimensions that differ most consistently in samples with an attribute.

    zatlas decodes `samples` samples and labels them with the classifier. A dimension is ranked by the mean
    distance of the most confident samples from the mean of all samples, divided by the standard deviation
    of these distances. Single dimensions have a meaning in the space s of a StyleGAN.
    """
    classifier.select(names)  # raises UnknownName
    labelled = label_samples(generator, latents, classifier, samples, seed, show)
    z = labelled.latents
    mean, std = z.mean(axis=0), z.std(axis=0)
    varying = std > 1e-6 * max(float(std.max()), 1e-12)
    result: list[Direction] = []
    for name in names or classifier.names:
        rows, flags = labelled.confident(name)
        distance = (z[rows[flags]] - mean) / np.where(varying, std, 1)
        size, width = distance.mean(axis=0), distance.std(axis=0) + 1e-6
        rank = np.where(varying, np.abs(size) / width, 0)
        for channel in np.argsort(-rank, kind="stable")[:count]:
            vector = np.zeros(z.shape[1], np.float32)
            vector[channel] = np.sign(size[channel]) or 1
            facts = {"channel": int(channel), "consistency": float(rank[channel]), "labelled": len(z)}
            result.append(
                LinearDirection(
                    f"{name} {channel}", vector, float(std[channel]) or 1.0, facts=facts, description=name
                )
            )
    return result
