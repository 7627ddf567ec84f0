"""Samples of a model that a classifier has labelled, and the most confident of them."""

from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Flags, Latents, Rows, Values
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.directions.decoding import progress_bar
from zatlas.models.classifier import Classifier, Kind
from zatlas.models.decoding_time import announce_decoding
from zatlas.models.generator import Generator

BATCH = 64  # samples that are decoded and labelled at once
MIN_CONFIDENT = 20  # samples on either side
CONFIDENT_SHARE = 0.1  # of the samples, on either side, that a direction is fitted to


@dataclass(frozen=True)
class LabelledSamples:
    """Latents (n, dim), and the predictions (n, k) of a classifier for their images."""

    latents: Latents
    predictions: np.ndarray
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]

    def values(self, name: str) -> Values:
        """The predictions for a name."""
        return self.predictions[:, self.names.index(name)]

    def confident(self, name: str) -> tuple[Rows, Flags]:
        """As many rows with the highest predictions for a name as with the lowest, and which are which.

        For a rare name all its samples are taken, so the two groups stay balanced.
        """
        values = self.values(name)
        order = np.argsort(values, kind="stable")
        number = self.kinds[self.names.index(name)] == "number"
        limit = float(np.median(values)) if number else 0.5
        positive = int((values >= limit).sum())
        smaller = min(positive, len(values) - positive)
        count = min(max(int(len(values) * CONFIDENT_SHARE), MIN_CONFIDENT), smaller)
        if count < MIN_CONFIDENT:
            raise BadData(
                f"The classifier finds {name!r} in {positive} of {len(values)} samples; a direction takes "
                f"{MIN_CONFIDENT} or more with it and without it. Take more: --samples {4 * len(values)} "
                "(in Python: samples=)."
            )
        rows = np.concatenate([order[:count], order[-count:]])
        return rows, np.arange(2 * count) >= count


def label_samples(
    generator: Generator, latents: Latents, classifier: Classifier, samples: int, seed: int, show: bool
) -> LabelledSamples:
    """Decode samples of the generator's space, and label them; without a prior, latents in random order."""
    if generator.space.prior == "none":
        rows = stream(seed, "labelled").permutation(len(latents))[:samples]
        z = latents[rows]
    else:
        z = generator.space.sample(samples, seed=seed)
    if show:
        announce_decoding("Labelling samples", len(z), generator, z, measure=classifier.predict)
    parts = []
    with progress_bar(show, "labelling samples", len(z), "images") as advance:
        for start in range(0, len(z), BATCH):
            images = generator.decode(z[start : start + BATCH])
            parts.append(classifier.predict(images))
            advance(len(images))
    return LabelledSamples(z, np.concatenate(parts), classifier.names, classifier.kinds)
