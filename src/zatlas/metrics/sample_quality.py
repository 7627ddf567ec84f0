"""Are the samples of a run like real images, as varied, and new? Beside what real images would reach."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional as F

from zatlas.core.arrays import Images, Labels, Rows, Values
from zatlas.core.seeds import stream
from zatlas.data.imageset import ImageSet
from zatlas.latent.encode import encoded, labels_of
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
from zatlas.models.scorer import Scorer, Scores, suited
from zatlas.sample import sample_latents
from zatlas.training.scoring import LABEL, targets_of
from zatlas.workspace import Workspace

MAX_IMAGES, MIN_IMAGES = 2000, 20  # images of each kind that are compared
MAX_PIXELS = 25_000_000  # of the pixels of each kind; large images are decoded slowly
MIN_LARGE_IMAGES = 200  # but so many images, however large
THUMBNAIL_FROM, THUMBNAIL_SIDE = 32, 16  # a side from which copies are looked for in thumbnails, and theirs
MAX_SEARCHED = 100_000  # training images that are looked at for copies
COPY_QUANTILE = 0.05  # of held-out images are nearer to a training image than what counts as a copy
MAX_CHEAP_FEATURES = 512  # features up to which a covariance is quick enough to be taken twenty times
REAL_BASELINE = "as many other real images"


def sample_metrics(
    workspace: Workspace, *, seed: int = 0, features: Features | None = None, prior: str = "own"
) -> list[Metric]:
    """How samples compare with images that were held out, and with as many real ones in their place.

    They come from the run's own prior, or from one that was fitted to its codes; without a prior the
    normal distribution that the codes suggest stands in. A conditional model is told every class in turn.
    """
    images = real_images(workspace)
    if workspace.given is not None or images is None or len(images) < 2 * MIN_IMAGES:
        return []
    taught = dataset_features(images)  # the same for every seed: a rule that others are measured by
    if features is None:
        features = principal_pixels(images) if taught is None else taught.features
    found = ImageSets(workspace, images, features, taught, seed, prior)
    return [*_alike(found), *_new(found), *_varied(found), *_decoded(found)]


@dataclass(frozen=True)
class ImageSets:
    """Real images, other real ones and samples, as many of each, in the same features."""

    workspace: Workspace
    images: ImageSet
    features: Features
    own: DatasetFeatures | None
    seed: int
    prior: str

    @property
    def n(self) -> int:
        """Images of each kind."""
        return len(self.rows[0])

    @cached_property
    def rows(self) -> tuple[Rows, Rows]:
        """Held-out images, and as many that the model was trained on."""
        size = max(int(np.prod(self.images.shape)), 1)
        return held_out_and_training(
            self.images, int(np.clip(MAX_PIXELS // size, MIN_LARGE_IMAGES, MAX_IMAGES)), seed=self.seed
        )

    @cached_property
    def real(self) -> list[Table]:
        """Features, thumbnails and classes of held-out images."""
        return feature_tables(image_batches(self.images, self.rows[0]), *self._looks)

    @cached_property
    def other(self) -> list[Table]:
        """The same of as many training images."""
        return feature_tables(image_batches(self.images, self.rows[1]), *self._looks)

    @cached_property
    def made(self) -> list[Table]:
        """The same of samples."""
        z = sample_latents(self.workspace, self.n, seed=self.seed, prior=self.prior)
        return feature_tables(
            self.workspace.generator.stream(z, cycle_classes(self.workspace, self.n)), *self._looks
        )

    @property
    def _looks(self) -> list[Callable[[Images], np.ndarray]]:
        looks: list[Callable[[Images], np.ndarray]] = [self.features, thumbnails]
        return looks if self.own is None else [*looks, _reader(self.own.scorer)]

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
        """A metric in these features, beside that of real images."""
        said = f"{about}, in {self.features.about}"
        return Metric(name, "samples", value, said, self.n, error, unit, better, baseline, REAL_BASELINE)


# The metrics --------------------------------------------------------------------------------------


def _alike(found: ImageSets) -> list[Metric]:
    """How far samples are from real images, and how they overlap."""
    real, other, made = found.real[0], found.other[0], found.made[0]
    distance, uncertain = kernel_distance(real, made)
    metrics = [
        found.metric(
            "frechet",
            frechet(real, made),
            "squared Frechet distance of samples to held-out images",
            _frechet_error(real, made, found.seed),
            frechet(real, other),
        ),
        found.metric(
            "kernel_distance",
            distance,
            "squared kernel distance (cubic, unbiased) of samples to held-out images",
            uncertain,
            kernel_distance(real, other)[0],
        ),
    ]
    said: Mapping[str, tuple[Callable[[Table], np.ndarray], str, str]] = {
        "precision": (
            lambda x: precision(real, x),
            "share of samples within reach of a held-out image (its third neighbour)",
            "share",
        ),
        "recall": (
            lambda x: precision(x, real),
            "share of held-out images within reach of a sample (its third neighbour)",
            "share",
        ),
        "density": (
            lambda x: density(real, x),
            "held-out images that a sample lies within reach of (their fifth neighbour), over five",
            "",
        ),
        "coverage": (
            lambda x: coverage(real, x),
            "share of held-out images with a sample within reach (their fifth neighbour)",
            "share",
        ),
    }
    for name, (measure, about, unit) in said.items():
        value, error = mean_and_error(measure(made))
        baseline = float(measure(other).mean())
        metrics.append(found.metric(name, value, about, error, baseline, "higher", unit))
    return metrics


def _new(found: ImageSets) -> list[Metric]:
    """Whether samples are copies of training images."""
    train, held = found.images.rows("train"), found.rows[0]
    if np.isin(held, train).any():
        return []
    looked = evenly_spaced(train, MAX_SEARCHED)
    both = np.concatenate([found.made[1], found.real[1]])
    near = nearest_ratio(both, map(thumbnails, image_batches(found.images, looked, 4096)))
    copies, baseline = memorized(near[: found.n], near[found.n :])
    value, error = mean_and_error(copies)
    about = (
        "share of samples nearer to a training image, against the next 50, than all but a twentieth of "
        f"held-out images are; in pixels, among {len(looked):,} training images"
    )
    return [
        Metric(
            "memorized",
            "samples",
            value,
            about,
            found.n,
            error,
            "share",
            "lower",
            baseline,
            "held-out images",
        )
    ]


def _varied(found: ImageSets) -> list[Metric]:
    """Whether samples are as varied as real images are."""
    real, other, made = found.real[0], found.other[0], found.made[0]
    whole = max(mean_distance(real), 1e-12)
    error = bootstrap_error(lambda i: mean_distance(made[i]) / whole, found.n, seed=found.seed, times=10)
    metrics = [
        found.metric(
            "sample_diversity",
            mean_distance(made) / whole,
            "mean distance between samples over that between held-out images",
            error,
            mean_distance(other) / whole,
            "higher",
        )
    ]
    if found.own is None:
        return metrics
    answers = [rows[2] for rows in (found.real, found.other, found.made)]
    scorer = found.own.scorer
    varied = [variety(scorer, rows, answers[0]) for rows in answers]
    if np.isnan(varied[0][0]):
        return metrics
    error = bootstrap_error(lambda i: variety(scorer, answers[2][i], answers[0])[0], found.n, seed=found.seed)
    about = (
        "entropy of the classes seen in samples over that of those seen in held-out images, by "
        f"{found.own.about}"
    )
    return [
        *metrics,
        Metric(
            "variety",
            "samples",
            varied[2][0],
            about,
            found.n,
            error,
            "",
            "higher",
            varied[1][0],
            REAL_BASELINE,
            varied[2][1],
        ),
    ]


def _decoded(found: ImageSets) -> list[Metric]:
    """What the decoder makes of real codes: where samples are worse than that, prior and codes differ."""
    generator, rows = found.workspace.generator, found.rows[1]
    if generator.encoder is None:
        return []
    codes = [block.codes for block in encoded(generator, found.images, rows)]
    points = np.concatenate([part.points for part in codes])
    spreads = [part.deviations for part in codes if part.deviations is not None]
    labels = labels_of(found.images, rows) if generator.classes else None
    drawn = {"reconstruction_frechet": (points, "rebuilt training images")}
    if spreads:
        around = from_posterior(points, np.concatenate(spreads), seed=found.seed)
        drawn["posterior_frechet"] = (around, "images decoded from draws around the codes of real ones")
    else:  # an encoder that is sure: its draws are its codes
        drawn["posterior_frechet"] = (points, "images decoded from the codes of real ones")
    real, baseline = found.real[0], frechet(found.real[0], found.other[0])
    metrics = []
    for name, (z, what) in drawn.items():
        made = feature_tables(generator.stream(z, labels), found.features)[0]
        metrics.append(
            found.metric(
                name,
                frechet(real, made),
                f"squared Frechet distance of {what} to held-out images",
                _frechet_error(real, made, found.seed),
                baseline,
            )
        )
    return metrics


# Which images -------------------------------------------------------------------------------------


def held_out_and_training(images: ImageSet, most: int, *, seed: int = 0) -> tuple[Rows, Rows]:
    """Rows of held-out images and as many of training images; halves of all where none are held out."""
    chance, train = stream(seed, "two sets"), images.rows("train")
    held = np.concatenate([images.rows("test"), images.rows("valid")])
    if len(held) < MIN_IMAGES or len(train) < MIN_IMAGES:
        held, train = np.array_split(chance.permutation(len(images)), 2)
    n = min(len(held), len(train), most)
    return chance.permutation(held)[:n], chance.permutation(train)[:n]


def cycle_classes(workspace: Workspace, n: int) -> Labels | None:
    """Every class in turn, for a conditional model."""
    kinds = len(workspace.generator.classes)
    return np.arange(n) % kinds if kinds else None


# What is told of images ---------------------------------------------------------------------------


def memorized(samples: Values, held: Values) -> tuple[Values, float]:
    """For each sample 1 where it is nearer than all but a twentieth of held-out images; their share, too.

    The bound is of every other held-out image, so that the share is of images that did not set it.
    """
    bound = np.quantile(held[::2], COPY_QUANTILE)
    return (samples <= bound).astype(np.float32), float((held[1::2] <= bound).mean())


def variety(scorer: Scorer, read: Scores, real: Scores) -> tuple[float, dict[str, float]]:
    """The entropy of the classes and flags that are read, summed over attributes, over that of real
    images; and the share of each. NaN where none is a class or a flag.
    """
    mine = theirs = 0.0
    shares: dict[str, float] = {}
    for target in targets_of(scorer):
        columns = [scorer.column(name) for name in target.columns]
        if target.kind == "number":
            continue
        here, there = (_shares(rows[:, columns]) for rows in (read, real))
        mine, theirs = mine + entropy(here), theirs + entropy(there)
        names = target.classes if target.name == LABEL else target.columns
        shares |= {name: float(share) for name, share in zip(names, here, strict=False)}
    return (mine / theirs if theirs > 0 else float("nan")), shares


def thumbnails(images: Images) -> Table:
    """The pixels of the images as rows, of large ones those of a small version."""
    sides = (min(images.shape[2], THUMBNAIL_SIDE), min(images.shape[3], THUMBNAIL_SIDE))
    if max(images.shape[2:]) > THUMBNAIL_FROM:
        images = F.adaptive_avg_pool2d(torch.as_tensor(images), sides).numpy()
    return images.reshape(len(images), -1)


def _shares(answers: Scores) -> Values:
    """The share of images for each answer: of a flag's yes, and of its no."""
    if answers.shape[1] == 1:
        yes = float((answers > 0.5).mean())
        return np.array([yes, 1 - yes])
    return np.bincount(answers.argmax(axis=1), minlength=answers.shape[1]) / len(answers)


def _reader(scorer: Scorer) -> Callable[[Images], Scores]:
    return lambda images: scorer.score(suited(scorer, images))


def _frechet_error(real: Table, made: Table, seed: int) -> float:
    times = 20 if real.shape[1] <= MAX_CHEAP_FEATURES else 4
    return bootstrap_error(lambda i: frechet(real[i], made[i]), len(made), seed=seed, times=times)
