"""Metrics of samples against held-out images: similarity, diversity and memorization, with baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional as F

from zatlas.core.arrays import Images, Labels, Rows, Values
from zatlas.core.seeds import stream
from zatlas.data.image_dataset import ImageDataset
from zatlas.latent.latent_blocks import labels_of, latent_blocks
from zatlas.latent.sampling import from_posterior
from zatlas.metrics.distances import (
    coverage,
    density,
    entropy,
    frechet,
    kernel_distance,
    mean_distance,
    nearest_ratio,
    precision,
)
from zatlas.metrics.features import (
    DatasetFeatures,
    Features,
    Table,
    dataset_features,
    evenly_spaced,
    feature_tables,
    image_batches,
    principal_pixels,
    real_images,
)
from zatlas.metrics.metric import Better, Metric, bootstrap_error, mean_and_error
from zatlas.models.classifier import Classifier, Logits
from zatlas.models.realism import realism
from zatlas.sample import sample_latents
from zatlas.training.classifier_training import LABEL, targets_of
from zatlas.workspace import Workspace

MAX_IMAGES, MIN_IMAGES = 2000, 20  # images of each set
MAX_PIXELS = 25_000_000  # pixels of each set
MIN_LARGE_IMAGES = 200  # images of each set, for large images
THUMBNAIL_FROM, THUMBNAIL_SIDE = (
    32,
    16,
)  # side above which copies are searched for in thumbnails, and side of a thumbnail
MAX_SEARCHED = 100_000  # training images searched for copies
COPY_QUANTILE = 0.05  # share of held-out images that is called a copy by definition
MAX_CHEAP_FEATURES = 512  # features up to which 20 bootstrap covariances are fast enough
REAL_BASELINE = "equally many other real images"


def sample_metrics(
    workspace: Workspace,
    *,
    seed: int = 0,
    features: Features | None = None,
    prior: str = "model",
    limit: int = MAX_IMAGES,
) -> list[Metric]:
    """Compare samples with held-out images; the baselines compare equally many other real images.

    Samples come from the model's prior, or from one fitted to the latents. For a model without a prior it is
    the normal distribution fitted to the latents. A conditional model samples every class in turn. Each set
    has at most `limit` images.
    """
    images = real_images(workspace)
    if not workspace.source.decodes:
        return []
    if images is None or len(images) < 2 * MIN_IMAGES:
        return _realism_of_samples(workspace, seed, prior, min(limit, MIN_LARGE_IMAGES))
    trained = dataset_features(images)  # the same network for every seed
    if features is None:
        features = principal_pixels(images) if trained is None else trained.features
    sets = ImageSets(workspace, images, features, trained, seed, prior, limit)
    return [*_similarity(sets), *_copies(sets), *_diversity(sets), *_decoded(sets), *_realism(sets)]


@dataclass(frozen=True)
class ImageSets:
    """Held-out images, training images and samples, equally many of each, in the same features."""

    workspace: Workspace
    images: ImageDataset
    features: Features
    own: DatasetFeatures | None
    seed: int
    prior: str
    limit: int = MAX_IMAGES

    @property
    def n(self) -> int:
        """The number of images of each set."""
        return len(self.rows[0])

    @cached_property
    def rows(self) -> tuple[Rows, Rows]:
        """Rows of held-out images, and of equally many training images."""
        size = max(int(np.prod(self.images.shape)), 1)
        count = int(np.clip(MAX_PIXELS // size, MIN_LARGE_IMAGES, MAX_IMAGES))
        return held_out_and_training(self.images, min(count, self.limit), seed=self.seed)

    @cached_property
    def real(self) -> list[Table]:
        """Features, thumbnails and classes of held-out images."""
        return feature_tables(image_batches(self.images, self.rows[0]), *self._functions)

    @cached_property
    def other(self) -> list[Table]:
        """The same for equally many training images."""
        return feature_tables(image_batches(self.images, self.rows[1]), *self._functions)

    @cached_property
    def generated(self) -> list[Table]:
        """The same for samples."""
        z = sample_latents(self.workspace, self.n, seed=self.seed, prior=self.prior)
        return feature_tables(
            self.workspace.generator.decode_batches(z, cycle_classes(self.workspace, self.n)),
            *self._functions,
        )

    @property
    def _functions(self) -> list[Callable[[Images], np.ndarray]]:
        functions: list[Callable[[Images], np.ndarray]] = [self.features, thumbnails]
        return functions if self.own is None else [*functions, self.own.classifier.predict]

    def metric(
        self,
        name: str,
        value: float,
        about: str,
        error: float | None,
        baseline: float,
        better: Better = "lower",
        unit: str = "",
    ) -> Metric:
        """A metric in these features, with the baseline of real images."""
        text = f"{about}, in {self.features.about}"
        return Metric(name, "samples", value, text, self.n, error, unit, better, baseline, REAL_BASELINE)


# The metrics --------------------------------------------------------------------------------------


def _similarity(sets: ImageSets) -> list[Metric]:
    """Distances between samples and real images, and their overlap."""
    real, other, generated = sets.real[0], sets.other[0], sets.generated[0]
    distance, uncertain = kernel_distance(real, generated)
    metrics = [
        sets.metric(
            "frechet",
            frechet(real, generated),
            "squared Frechet distance of samples to held-out images",
            _frechet_error(real, generated, sets.seed),
            frechet(real, other),
        ),
        sets.metric(
            "kernel_distance",
            distance,
            "squared kernel distance (cubic, unbiased) of samples to held-out images",
            uncertain,
            kernel_distance(real, other)[0],
        ),
    ]
    measures: Mapping[str, tuple[Callable[[Table], np.ndarray], str, str]] = {
        "precision": (
            lambda x: precision(real, x),
            "share of samples that are closer to a held-out image than its third neighbor",
            "share",
        ),
        "recall": (
            lambda x: precision(x, real),
            "share of held-out images that are closer to a sample than its third neighbor",
            "share",
        ),
        "density": (
            lambda x: density(real, x),
            "held-out images to which a sample is closer than their fifth neighbor, over five",
            "",
        ),
        "coverage": (
            lambda x: coverage(real, x),
            "share of held-out images with a sample closer than their fifth neighbor",
            "share",
        ),
    }
    for name, (measure, about, unit) in measures.items():
        value, error = mean_and_error(measure(generated))
        baseline = float(measure(other).mean())
        metrics.append(sets.metric(name, value, about, error, baseline, "higher", unit))
    return metrics


def _copies(sets: ImageSets) -> list[Metric]:
    """The share of samples that copy training images; empty if no other images are held out."""
    train, held_out = sets.images.rows("train"), sets.rows[0]
    if np.isin(held_out, train).any():
        return []
    searched = evenly_spaced(train, MAX_SEARCHED)
    both = np.concatenate([sets.generated[1], sets.real[1]])
    near = nearest_ratio(both, map(thumbnails, image_batches(sets.images, searched, 4096)))
    copies, baseline = memorized(near[: sets.n], near[sets.n :])
    value, error = mean_and_error(copies)
    about = (
        "share of samples closer to a training image, relative to the next 50, than 95% of held-out images; "
        f"in pixels, among {len(searched):,} training images"
    )
    return [
        Metric(
            "memorized", "samples", value, about, sets.n, error, "share", "lower", baseline, "held-out images"
        )
    ]


def _diversity(sets: ImageSets) -> list[Metric]:
    """The diversity of samples, relative to that of real images."""
    real, other, generated = sets.real[0], sets.other[0], sets.generated[0]
    reference = max(mean_distance(real), 1e-12)
    error = bootstrap_error(
        lambda i: mean_distance(generated[i]) / reference, sets.n, seed=sets.seed, times=10
    )
    metrics = [
        sets.metric(
            "sample_diversity",
            mean_distance(generated) / reference,
            "mean distance between samples over the mean distance between held-out images",
            error,
            mean_distance(other) / reference,
            "higher",
        )
    ]
    if sets.own is None:
        return metrics
    predictions = [rows[2] for rows in (sets.real, sets.other, sets.generated)]
    classifier = sets.own.classifier
    varieties = [variety(classifier, rows, predictions[0]) for rows in predictions]
    if np.isnan(varieties[0][0]):
        return metrics
    error = bootstrap_error(
        lambda i: variety(classifier, predictions[2][i], predictions[0])[0], sets.n, seed=sets.seed
    )
    about = f"entropy of the classes predicted for samples over that for held-out images, by {sets.own.about}"
    return [
        *metrics,
        Metric(
            "variety",
            "samples",
            varieties[2][0],
            about,
            sets.n,
            error,
            "",
            "higher",
            varieties[1][0],
            REAL_BASELINE,
            varieties[2][1],
        ),
    ]


def _decoded(sets: ImageSets) -> list[Metric]:
    """Frechet distances of decoded latents of real images; samples are worse if the prior does not match."""
    generator, rows = sets.workspace.generator, sets.rows[1]
    if generator.encoder is None:
        return []
    blocks = [block.table for block in latent_blocks(generator, sets.images, rows)]
    latents = np.concatenate([part.latents for part in blocks])
    std = [part.std for part in blocks if part.std is not None]
    labels = labels_of(sets.images, rows) if generator.classes else None
    sampled = {"reconstruction_frechet": (latents, "reconstructions of training images")}
    if std:
        around = from_posterior(latents, np.concatenate(std), seed=sets.seed)
        sampled["posterior_frechet"] = (around, "images decoded from posterior samples of real images")
    else:  # a deterministic encoder
        sampled["posterior_frechet"] = (latents, "images decoded from the latents of real images")
    real, baseline = sets.real[0], frechet(sets.real[0], sets.other[0])
    metrics = []
    for name, (z, subject) in sampled.items():
        generated = feature_tables(generator.decode_batches(z, labels), sets.features)[0]
        metrics.append(
            sets.metric(
                name,
                frechet(real, generated),
                f"squared Frechet distance of {subject} to held-out images",
                _frechet_error(real, generated, sets.seed),
                baseline,
            )
        )
    return metrics


def _realism(sets: ImageSets) -> list[Metric]:
    """How real samples look to the discriminator; the baseline is that of held-out images."""
    n = min(sets.n, MIN_LARGE_IMAGES)
    metrics = _realism_of_samples(sets.workspace, sets.seed, sets.prior, n)
    labels = labels_of(sets.images, sets.rows[0][:n]) if sets.workspace.generator.classes else None
    batches = list(image_batches(sets.images, sets.rows[0][:n])) if metrics else []
    real = [realism(sets.workspace.generator, np.concatenate(batches), labels)] if metrics else []
    return [
        replace(metric, baseline=float(scores.mean()), baseline_name="held-out images")
        for metric, scores in zip(metrics, real, strict=True)
    ]


def _realism_of_samples(workspace: Workspace, seed: int, prior: str, n: int) -> list[Metric]:
    generator = workspace.generator
    if generator.critic is None:
        return []
    z = sample_latents(workspace, n, seed=seed, prior=prior)
    images = generator.decode(z, cycle_classes(workspace, n))
    names = len(generator.class_names)
    value, error = mean_and_error(realism(generator, images, np.arange(n) % names if names else None))
    about = "mean output of the discriminator for samples, before the sigmoid"
    return [Metric("realism", "samples", value, about, n, error, "", "higher")]


# Sets of images -----------------------------------------------------------------------------------


def held_out_and_training(images: ImageDataset, limit: int, *, seed: int = 0) -> tuple[Rows, Rows]:
    """Rows of held-out and of equally many training images; two random halves if too few are held out."""
    rng, train = stream(seed, "two sets"), images.rows("train")
    held_out = np.concatenate([images.rows("test"), images.rows("valid")])
    if len(held_out) < MIN_IMAGES or len(train) < MIN_IMAGES:
        held_out, train = np.array_split(rng.permutation(len(images)), 2)
    n = min(len(held_out), len(train), limit)
    return rng.permutation(held_out)[:n], rng.permutation(train)[:n]


def cycle_classes(workspace: Workspace, n: int) -> Labels | None:
    """Labels that cycle through the classes of a conditional model; None for others."""
    classes = len(workspace.generator.classes)
    return np.arange(n) % classes if classes else None


# Measures of images -------------------------------------------------------------------------------


def memorized(samples: Values, held_out: Values) -> tuple[Values, float]:
    """For each sample 1 if it is closer than 95% of held-out images; and the share among held-out images.

    Every other held-out image sets the threshold; the share is that of the remaining ones.
    """
    bound = np.quantile(held_out[::2], COPY_QUANTILE)
    return (samples <= bound).astype(np.float32), float((held_out[1::2] <= bound).mean())


def variety(classifier: Classifier, read: Logits, real: Logits) -> tuple[float, dict[str, float]]:
    """The class entropy of predictions over that of real images, and the share of each class.

    Entropies are summed over attributes. NaN if no attribute is a class or a flag.
    """
    mine = theirs = 0.0
    shares: dict[str, float] = {}
    for target in targets_of(classifier):
        columns = [classifier.column(name) for name in target.columns]
        if target.kind == "number":
            continue
        here, there = (_shares(rows[:, columns]) for rows in (read, real))
        mine, theirs = mine + entropy(here), theirs + entropy(there)
        names = target.classes if target.name == LABEL else target.columns
        shares |= {name: float(share) for name, share in zip(names, here, strict=False)}
    return (mine / theirs if theirs > 0 else float("nan")), shares


def thumbnails(images: Images) -> Table:
    """The pixels of each image as a row; large images are downsampled."""
    sides = (min(images.shape[2], THUMBNAIL_SIDE), min(images.shape[3], THUMBNAIL_SIDE))
    if max(images.shape[2:]) > THUMBNAIL_FROM:
        images = F.adaptive_avg_pool2d(torch.as_tensor(images), sides).numpy()
    return images.reshape(len(images), -1)


def _shares(predicted: Logits) -> Values:
    """The share of images for each class; for a flag, of true and of false."""
    if predicted.shape[1] == 1:
        yes = float((predicted > 0.5).mean())
        return np.array([yes, 1 - yes])
    return np.bincount(predicted.argmax(axis=1), minlength=predicted.shape[1]) / len(predicted)


def _frechet_error(real: Table, generated: Table, seed: int) -> float:
    times = 20 if real.shape[1] <= MAX_CHEAP_FEATURES else 4
    return bootstrap_error(lambda i: frechet(real[i], generated[i]), len(generated), seed=seed, times=times)
