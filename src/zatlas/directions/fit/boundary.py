"""Directions across the boundary of an attribute, which a classifier labels samples with.

Shen et al. 2020 (InterFaceGAN), https://arxiv.org/abs/1907.10786
"""

from collections.abc import Sequence
from dataclasses import replace

from zatlas.core.arrays import Latents
from zatlas.directions.estimate import fit_direction, plane_normal, std_along
from zatlas.directions.fit.labelled_samples import label_samples
from zatlas.directions.layers import LayerRange, layer_subset
from zatlas.directions.types import Direction
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator

SAMPLES = 2000


def fit(
    generator: Generator,
    latents: Latents,
    *,
    classifier: Classifier,
    names: Sequence[str] = (),
    orthogonal_to: Sequence[str] = (),
    layers: LayerRange = "",
    samples: int = SAMPLES,
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """The normal of the plane between samples that have an attribute and samples that do not.

    zatlas decodes `samples` samples and labels them with the classifier. Of each attribute it takes the most
    confident samples, as many with as without it. The planes of `orthogonal_to` are projected out.
    Of latents with layers, `layers` selects some, as layers=0-6.
    """
    classifier.select([*names, *orthogonal_to])  # raises UnknownName
    subset = layer_subset(generator.space, layers)
    labelled = label_samples(generator, latents, classifier, samples, seed, show)
    z = subset.select(labelled.latents)
    planes = {}
    for name in orthogonal_to:
        rows, flags = labelled.confident(name)
        planes[name] = plane_normal(z[rows], flags, name)
    result: list[Direction] = []
    for name in names or classifier.names:
        rows, flags = labelled.confident(name)
        others = [plane for other, plane in planes.items() if other != name]
        direction = fit_direction(z[rows], flags, name, method="linear", others=others, seed=seed)
        facts = {**direction.facts, "labelled": len(z), "fitted_to": len(rows)}
        scaled = replace(direction, std=std_along(direction.vector, z), facts=facts)
        result.append(subset.embed(scaled, labelled.latents))
    return result
