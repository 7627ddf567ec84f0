"""How empty a latent space is between encoded images, measured by what it decodes to.

Decoded images are compared with the model's own reconstructions. So neither blur, nor the scale of the
latents, nor the number of dimensions matters, and an auto-encoder can be compared with a VAE.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zatlas.core.arrays import Images, Labels, Latents, Rows
from zatlas.core.seeds import stream
from zatlas.latent.neighbors import nearest, nearest_others
from zatlas.metrics.distances import frechet
from zatlas.metrics.features import Features, Table, principal_pixels
from zatlas.metrics.metric import bootstrap_error, mean_and_error
from zatlas.metrics.sample_quality import cycle_classes
from zatlas.workspace import Workspace

MAX_REFERENCE = 2000  # reconstructions of training images that decoded images are compared with
MAX_TESTED = 1000  # test images, and samples of each kind
MIN_TESTED = 3  # test images that have a covariance
PATHS, STEPS = 150, 11  # straight paths between test images, and decoded images of each
RANGE_QUANTILE = 0.01  # the range of a dimension is between this quantile and its opposite
UNLIKE_QUANTILE = 0.99  # of the distances of reconstructions to each other; farther images are unlike all
NEIGHBORS = 10  # latents around each one whose classes are compared with its own


@dataclass(frozen=True)
class Estimate:
    """A measured number and its standard error."""

    value: float
    error: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval."""
        return self.value - 1.96 * self.error, self.value + 1.96 * self.error


@dataclass(frozen=True)
class LatentGaps:
    """Four measures of the emptiness of a latent space."""

    empty: Estimate  # share of the latents' range that decodes to images unlike all reconstructions
    detour: Estimate | None  # length of straight paths in decoded images, over the distance of their ends
    samples: Estimate | None  # Frechet distance of samples to real images, over that of reconstructions
    overlap: Estimate | None  # share of the nearest posterior samples that have another class


def decoded_images(samples: int) -> int:
    """Return how many images `latent_gaps` decodes at most."""
    return min(samples, MAX_REFERENCE) + 3 * min(samples, MAX_TESTED) + PATHS * STEPS


def latent_gaps(workspace: Workspace, *, samples: int = MAX_REFERENCE, seed: int = 0) -> LatentGaps:
    """Measure the emptiness of the latent space of a model that encodes and decodes.

    At most `samples` images of each kind are decoded.
    Samples come from the normal distribution with the mean and covariance of the encoded images, for every
    model.
    """
    measured = Decoded(workspace, principal_pixels(workspace.dataset), samples, seed)
    return LatentGaps(measured.empty(), measured.detour(), measured.samples(), measured.overlap())


@dataclass(frozen=True)
class Decoded:
    """Latents of training and test images, and the features of the images that they decode to."""

    workspace: Workspace
    features: Features
    limit: int  # images of each kind
    seed: int

    @cached_property
    def train(self) -> Rows:
        """Numbers of the latents of the training images."""
        count = len(self.workspace.table("train"))
        return stream(self.seed, "reference").permutation(count)[: min(self.limit, MAX_REFERENCE)]

    @cached_property
    def latents(self) -> Latents:
        """The latents of the training images."""
        return self.workspace.table("train").latents[self.train]

    @cached_property
    def labels(self) -> Labels | None:
        """The classes of the training images."""
        return self.workspace.labels(self.workspace.table("train").rows[self.train])

    @cached_property
    def tested(self) -> tuple[Latents, Rows]:
        """The latents and the rows of the test images."""
        table, count = self.workspace.table("test"), min(self.limit, MAX_TESTED)
        return table.latents[:count], table.rows[:count]

    @cached_property
    def reference(self) -> Table:
        """The reconstructions of the training images."""
        return self._decode(self.latents, self._conditions(self.labels))

    @cached_property
    def reconstructions(self) -> Table:
        """The reconstructions of the test images."""
        z, rows = self.tested
        return self._decode(z, self.workspace.conditions(rows))

    def empty(self) -> Estimate:
        """The share of latents from anywhere in the range that decode to images unlike reconstructions."""
        low, high = np.quantile(self.latents, [RANGE_QUANTILE, 1 - RANGE_QUANTILE], axis=0)
        z = stream(self.seed, "range").uniform(low, high, (min(self.limit, MAX_TESTED), len(low)))
        limit = np.quantile(self._unlikeness(self.reconstructions), UNLIKE_QUANTILE)
        return Estimate(*mean_and_error(self._unlikeness(self._sample(z)) > limit))

    def detour(self) -> Estimate | None:
        """How much longer the straight path between two test images is than the distance of its ends.

        The images are of different classes, if there are classes; None if there are no such two images.
        """
        z, rows = self.tested
        first, second = stream(self.seed, "pairs").integers(len(z), size=(2, 20 * PATHS))
        labels = self.workspace.labels(rows)
        differ = first != second if labels is None else labels[first] != labels[second]
        if not differ.any():
            return None
        first, second = first[differ][:PATHS], second[differ][:PATHS]
        kinds = self._conditions(None if labels is None else labels[first])
        moments = np.linspace(0, 1, STEPS)
        images = np.stack([self._decode((1 - t) * z[first] + t * z[second], kinds) for t in moments])
        length = np.linalg.norm(np.diff(images, axis=0), axis=2).sum(axis=0)
        direct = np.linalg.norm(images[-1] - images[0], axis=1)
        moved = direct > 0
        return Estimate(*mean_and_error(length[moved] / direct[moved])) if moved.any() else None

    def samples(self) -> Estimate | None:
        """The Frechet distance of samples to real test images, over that of reconstructions."""
        rng, (_, rows) = stream(self.seed, "samples"), self.tested
        if len(rows) < MIN_TESTED:
            return None
        mean, covariance = self.latents.mean(axis=0), np.atleast_2d(np.cov(self.latents, rowvar=False))
        generated = self._sample(rng.multivariate_normal(mean, covariance, len(rows)))
        real, rebuilt = self.features(self.workspace.dataset.images(rows)), self.reconstructions

        def ratio(chosen: Rows) -> float:
            best = frechet(rebuilt[chosen], real[chosen])
            return frechet(generated[chosen], real[chosen]) / max(best, 1e-12)

        error = bootstrap_error(ratio, len(rows), seed=self.seed)
        return Estimate(ratio(np.arange(len(rows))), error)

    def overlap(self) -> Estimate | None:
        """The share of another class among the nearest latents, which are samples of the posteriors."""
        if self.labels is None:
            return None
        sampled = self.workspace.posterior_samples("train", seed=self.seed)[self.train]
        index, _ = nearest_others(sampled, NEIGHBORS)
        other = (self.labels[index] != self.labels[:, None]).mean(axis=1)
        return Estimate(*mean_and_error(other))

    def _unlikeness(self, images: Table) -> np.ndarray:
        """The distance of each image to the nearest reconstruction of a training image."""
        return nearest(images, self.reference, 1)[1][:, 0]

    def _sample(self, z: np.ndarray) -> Table:
        return self._decode(z, cycle_classes(self.workspace, len(z)))

    def _conditions(self, labels: Labels | None) -> Labels | None:
        """The labels by which a conditional model decodes; None for others."""
        return labels if self.workspace.generator.classes else None

    def _decode(self, z: np.ndarray, labels: Labels | None) -> Table:
        batches = self.workspace.generator.decode_batches(z.astype(np.float32), labels)
        return np.concatenate([self._row(images) for images in batches])

    def _row(self, images: Images) -> Table:
        return self.features(images).astype(np.float32)
