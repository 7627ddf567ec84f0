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
from zatlas.models.scorer import Scorer, Scores, suited
from zatlas.sample import sample_latents
from zatlas.score.features import (
    Features,
    Own,
    Table,
    all_over,
    in_blocks,
    own,
    principal_pixels,
    real_images,
    tables,
)
from zatlas.score.figure import Better, Figure, bootstrapped, mean_of
from zatlas.score.resemblance import (
    coverage,
    density,
    entropy,
    frechet,
    kernel_distance,
    nearness,
    precision,
    spread,
)
from zatlas.training.scoring import LABEL, targets_of
from zatlas.workspace import Workspace

MOST, FEWEST = 2000, 20  # images of each kind that are compared
VALUES = 25_000_000  # of the pixels of each kind; large images are decoded slowly
FEW = 200  # but so many images, however large
LARGE, SIDE = 32, 16  # a side from which copies are looked for in thumbnails, and theirs
LOOKED = 100_000  # training images that are looked at for copies
RARE = 0.05  # of held-out images are nearer to a training image than what counts as a copy
NARROW = 512  # features up to which a covariance is quick enough to be taken twenty times
FLOOR = "as many other real images"


def samples(
    workspace: Workspace, *, seed: int = 0, features: Features | None = None, prior: str = "own"
) -> list[Figure]:
    """How samples compare with images that were held out, and with as many real ones in their place.

    They come from the run's own prior, or from one that was fitted to its codes; without a prior the
    normal distribution that the codes suggest stands in. A conditional model is told every class in turn.
    """
    images = real_images(workspace)
    if not workspace.source.decodes or images is None or len(images) < 2 * FEWEST:
        return []
    taught = own(images)  # the same for every seed: a rule that others are measured by
    if features is None:
        features = principal_pixels(images) if taught is None else taught.features
    found = Compared(workspace, images, features, taught, seed, prior)
    return [*_alike(found), *_new(found), *_varied(found), *_decoded(found)]


@dataclass(frozen=True)
class Compared:
    """Real images, other real ones and samples, as many of each, in the same features."""

    workspace: Workspace
    images: ImageSet
    features: Features
    own: Own | None
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
        return two_sets(self.images, int(np.clip(VALUES // size, FEW, MOST)), seed=self.seed)

    @cached_property
    def real(self) -> list[Table]:
        """Features, thumbnails and classes of held-out images."""
        return tables(in_blocks(self.images, self.rows[0]), *self._looks)

    @cached_property
    def other(self) -> list[Table]:
        """The same of as many training images."""
        return tables(in_blocks(self.images, self.rows[1]), *self._looks)

    @cached_property
    def made(self) -> list[Table]:
        """The same of samples."""
        z = sample_latents(self.workspace, self.n, seed=self.seed, prior=self.prior)
        return tables(self.workspace.generator.stream(z, turns(self.workspace, self.n)), *self._looks)

    @property
    def _looks(self) -> list[Callable[[Images], np.ndarray]]:
        looks: list[Callable[[Images], np.ndarray]] = [self.features, thumbnails]
        return looks if self.own is None else [*looks, _reader(self.own.scorer)]

    def figure(
        self,
        name: str,
        value: float,
        about: str,
        error: float | None,
        floor: float,
        better: Better = "less",
        unit: str = "",
    ) -> Figure:
        """A figure in these features, beside that of real images."""
        said = f"{about}, in {self.features.about}"
        return Figure(name, "samples", value, said, self.n, error, unit, better, floor, FLOOR)


# The figures --------------------------------------------------------------------------------------


def _alike(found: Compared) -> list[Figure]:
    """How far samples are from real images, and how they overlap."""
    real, other, made = found.real[0], found.other[0], found.made[0]
    distance, uncertain = kernel_distance(real, made)
    figures = [
        found.figure(
            "frechet",
            frechet(real, made),
            "squared Frechet distance of samples to held-out images",
            _frechet_error(real, made, found.seed),
            frechet(real, other),
        ),
        found.figure(
            "kernel",
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
        value, error = mean_of(measure(made))
        floor = float(measure(other).mean())
        figures.append(found.figure(name, value, about, error, floor, "more", unit))
    return figures


def _new(found: Compared) -> list[Figure]:
    """Whether samples are copies of training images."""
    train, held = found.images.rows("train"), found.rows[0]
    if np.isin(held, train).any():
        return []
    looked = all_over(train, LOOKED)
    both = np.concatenate([found.made[1], found.real[1]])
    near = nearness(both, map(thumbnails, in_blocks(found.images, looked, 4096)))
    copies, floor = memorised(near[: found.n], near[found.n :])
    value, error = mean_of(copies)
    about = (
        "share of samples nearer to a training image, against the next 50, than all but a twentieth of "
        f"held-out images are; in pixels, among {len(looked):,} training images"
    )
    return [
        Figure(
            "memorised", "samples", value, about, found.n, error, "share", "less", floor, "held-out images"
        )
    ]


def _varied(found: Compared) -> list[Figure]:
    """Whether samples are as varied as real images are."""
    real, other, made = found.real[0], found.other[0], found.made[0]
    whole = max(spread(real), 1e-12)
    error = bootstrapped(lambda i: spread(made[i]) / whole, found.n, seed=found.seed, times=10)
    figures = [
        found.figure(
            "spread_of_samples",
            spread(made) / whole,
            "mean distance between samples over that between held-out images",
            error,
            spread(other) / whole,
            "more",
        )
    ]
    if found.own is None:
        return figures
    answers = [rows[2] for rows in (found.real, found.other, found.made)]
    scorer = found.own.scorer
    varied = [variety(scorer, rows, answers[0]) for rows in answers]
    if np.isnan(varied[0][0]):
        return figures
    error = bootstrapped(lambda i: variety(scorer, answers[2][i], answers[0])[0], found.n, seed=found.seed)
    about = (
        "entropy of the classes seen in samples over that of those seen in held-out images, by "
        f"{found.own.about}"
    )
    return [
        *figures,
        Figure(
            "variety",
            "samples",
            varied[2][0],
            about,
            found.n,
            error,
            "",
            "more",
            varied[1][0],
            FLOOR,
            varied[2][1],
        ),
    ]


def _decoded(found: Compared) -> list[Figure]:
    """What the decoder makes of real codes: where samples are worse than that, prior and codes differ."""
    generator, rows = found.workspace.generator, found.rows[1]
    if generator.encoder is None:
        return []
    codes = [block.codes for block in encoded(generator, found.images, rows)]
    points = np.concatenate([part.points for part in codes])
    spreads = [part.deviations for part in codes if part.deviations is not None]
    labels = labels_of(found.images, rows) if generator.classes else None
    drawn = {"rebuilt_frechet": (points, "rebuilt training images")}
    if spreads:
        around = from_posterior(points, np.concatenate(spreads), seed=found.seed)
        drawn["posterior_frechet"] = (around, "images decoded from draws around the codes of real ones")
    else:  # an encoder that is sure: its draws are its codes
        drawn["posterior_frechet"] = (points, "images decoded from the codes of real ones")
    real, floor = found.real[0], frechet(found.real[0], found.other[0])
    figures = []
    for name, (z, what) in drawn.items():
        made = tables(generator.stream(z, labels), found.features)[0]
        figures.append(
            found.figure(
                name,
                frechet(real, made),
                f"squared Frechet distance of {what} to held-out images",
                _frechet_error(real, made, found.seed),
                floor,
            )
        )
    return figures


# Which images -------------------------------------------------------------------------------------


def two_sets(images: ImageSet, most: int, *, seed: int = 0) -> tuple[Rows, Rows]:
    """Rows of held-out images and as many of training images; halves of all where none are held out."""
    chance, train = stream(seed, "two sets"), images.rows("train")
    held = np.concatenate([images.rows("test"), images.rows("valid")])
    if len(held) < FEWEST or len(train) < FEWEST:
        held, train = np.array_split(chance.permutation(len(images)), 2)
    n = min(len(held), len(train), most)
    return chance.permutation(held)[:n], chance.permutation(train)[:n]


def turns(workspace: Workspace, n: int) -> Labels | None:
    """Every class in turn, for a conditional model."""
    kinds = len(workspace.generator.classes)
    return np.arange(n) % kinds if kinds else None


# What is told of images ---------------------------------------------------------------------------


def memorised(samples: Values, held: Values) -> tuple[Values, float]:
    """For each sample 1 where it is nearer than all but a twentieth of held-out images; their share, too.

    The bound is of every other held-out image, so that the share is of images that did not set it.
    """
    bound = np.quantile(held[::2], RARE)
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
    sides = (min(images.shape[2], SIDE), min(images.shape[3], SIDE))
    if max(images.shape[2:]) > LARGE:
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
    times = 20 if real.shape[1] <= NARROW else 4
    return bootstrapped(lambda i: frechet(real[i], made[i]), len(made), seed=seed, times=times)
