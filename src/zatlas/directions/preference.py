"""The compass: a direction estimated from a user's choices among a few images, with its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import erf, exp, pi, sqrt

import numpy as np

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, NotSupported
from zatlas.core.portable import PortableRandom
from zatlas.directions.estimate import principal_directions
from zatlas.directions.types import LinearDirection

MAX_DIMENSIONS = 64  # principal components in which the preference is estimated
MIN_STD = 0.05  # of the largest component's std: smaller components are ignored
MAX_PAIR_DIMENSIONS = 16  # components up to which a question has 2 images; above, QUESTION_SIZE
QUESTION_SIZE = 6
RADIUS = 2.5  # standard deviations from the starting latent to the images of a question
ERROR_RATE = 0.1  # of the user's answers
NOISE = 0.3  # preference difference below which an answer is close to random
SWEEPS = 3  # of expectation propagation over all answers, after which the estimate is stable
CANDIDATES = 60  # questions, of which the most informative is asked
POSTERIOR_SAMPLES = 100  # for the information of a question


@dataclass(frozen=True)
class Choice:
    """An answered question: its latents, and the index of the preferred one; None if it was skipped."""

    latents: Latents
    choice: int | None


@dataclass(frozen=True)
class Posterior:
    """A normal distribution of the preference direction, in principal components scaled to std 1."""

    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Compass:
    """The estimate of a preference after some answers; it is immutable, so each answer returns a new one.

    The preference is a direction: of two images, the user prefers the one whose latent lies further along
    it, except for a share of wrong answers. Before the first answer all directions in the principal
    components are equally likely. Distances are in standard deviations, so questions stay inside the data.

    A choice between two images gives half a bit if one answer in ten is wrong. A direction in 32 equal
    dimensions to a cosine of 0.9 takes 40 bits, more than 60 pairs can give; the best of six images
    gives nearly two bits. In many dimensions a question has six images, and counts as five pairs.
    The estimate is expectation propagation, where each step is a rank-one update.

    Bıyık et al. 2019, https://arxiv.org/abs/1910.04365, for questions; Minka 2001,
    https://arxiv.org/abs/1301.2294, for the estimate; Latent Compass, Schwettmann et al. 2020,
    https://arxiv.org/abs/2012.14283.
    """

    components: Latents  # unit vectors in rows
    std: Values
    starts: Latents  # latents around which images are shown
    count: int  # images in a question
    seed: int = 0
    answers: tuple[Choice, ...] = ()

    @cached_property
    def posterior(self) -> Posterior:
        """The distribution of the preference given the answers."""
        pairs = [row for answer in self.answers for row in self._pairs(answer)]
        # Of the pairs that a wrong answer counts as, about half are right nevertheless.
        return _propagate(self._prior(), pairs, ERROR_RATE * self.count / (2 * (self.count - 1)))

    def next_question(self) -> Latents:
        """The latents (count, d) to choose among: the most informative of many candidate questions."""
        return self._question

    @cached_property
    def _question(self) -> Latents:
        random = PortableRandom(self.seed, 1 + 2 * len(self.answers))
        steps = _best_question(self.posterior, self.count, random)
        start = self.starts[int(random.uniform(1)[0] * len(self.starts))]
        offsets = RADIUS * (steps * self.std) @ self.components.astype(np.float64)
        moved: Latents = (start + offsets).astype(np.float32)
        return moved

    def answer(self, choice: int | None) -> "Compass":
        """The compass with an answer to `next_question()`: an index, or None to skip the question."""
        if choice is not None and not 0 <= choice < self.count:
            raise BadData(f"There are images 0 to {self.count - 1} to choose among, not {choice}.")
        return replace(self, answers=(*self.answers, Choice(self.next_question(), choice)))

    def undo(self) -> "Compass":
        """The compass before the last answer."""
        if not self.answers:
            raise BadData("There is no answer to undo: answer a question first.")
        return replace(self, answers=self.answers[:-1])

    @property
    def choices(self) -> int:
        """The number of answers that were not skipped."""
        return sum(answer.choice is not None for answer in self.answers)

    def direction(self, name: str = "preference") -> LinearDirection:
        """The estimated direction; its facts hold the number of choices and the expected angle."""
        if not self.choices:
            raise BadData("Nothing has been chosen yet: answer one question at least.")
        mean = self.posterior.mean / self.std
        vector = (mean / np.linalg.norm(mean) @ self.components).astype(np.float32)
        # The latents are uncorrelated in principal components.
        std = float(np.linalg.norm(self.posterior.mean) / np.linalg.norm(mean))
        facts = {"method": "compass", "seed": self.seed, "choices": self.choices, "angle": self.angle}
        return LinearDirection(name, vector, std, facts=facts)

    @property
    def angle(self) -> float:
        """Expected angle between the estimate and the preference, in degrees."""
        if not self.choices:
            return 90.0
        random = PortableRandom(self.seed, 2 + 2 * len(self.answers))
        samples = _sample(self.posterior, 4 * POSTERIOR_SAMPLES, random) / self.std
        mean = self.posterior.mean / self.std
        cosines = samples @ mean / (np.linalg.norm(samples, axis=1) * np.linalg.norm(mean))
        return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())

    def _prior(self) -> Posterior:
        # All directions of the space are equally likely; in components of std 1 their variance is std^2.
        share = self.std.astype(np.float64) ** 2
        return Posterior(np.zeros(len(share)), np.diag(share / share.mean()))

    def _pairs(self, answer: Choice) -> list[np.ndarray]:
        """Unit vectors from each image that was not chosen to the one that was."""
        if answer.choice is None:
            return []
        differences = (answer.latents - answer.latents[answer.choice]).astype(np.float64)
        others = np.delete(differences @ self.components.T / self.std, answer.choice, axis=0)
        return list(-others / np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-12))


def compass(latents: Latents, *, count: int | None = None, seed: int = 0) -> Compass:
    """A compass for these latents; `count` images in a question, by default 2 or 6."""
    components = principal_directions(latents, MAX_DIMENSIONS)
    used = [component for component in components if component.std > MIN_STD * components[0].std]
    if len(latents) < 3 or latents.std() == 0 or len(used) < 2:
        raise NotSupported(
            "These latents do not differ in two dimensions or more, so there is no direction to choose."
        )
    if count is None:
        count = 2 if len(used) <= MAX_PAIR_DIMENSIONS else QUESTION_SIZE
    if not 2 <= count <= 12:
        raise BadData(f"A question shows from 2 to 12 images, not {count}.")
    vectors = np.stack([component.vector for component in used])
    return Compass(vectors, np.array([component.std for component in used]), latents, count, seed)


def _propagate(prior: Posterior, pairs: Sequence[np.ndarray], error_rate: float) -> Posterior:
    """The posterior after these pairs, approximated as normal by expectation propagation."""
    mean, covariance = prior.mean.copy(), prior.covariance.copy()
    precision, shift = np.zeros(len(pairs)), np.zeros(len(pairs))  # the site of each pair
    for _ in range(SWEEPS):
        for i, row in enumerate(pairs):
            along = covariance @ row
            variance, position = float(row @ along), float(row @ mean)
            cavity = 1 / variance - precision[i]  # the precision by all other pairs
            if cavity <= 1e-9:
                continue
            new_position, new_variance = _moments(
                (position / variance - shift[i]) / cavity, 1 / cavity, error_rate
            )
            more_precision = 1 / new_variance - 1 / variance
            more_shift = new_position / new_variance - position / variance
            if 1 + more_precision * variance <= 1e-6:
                continue
            scale = 1 + more_precision * variance
            covariance -= np.outer(along, along) * (more_precision / scale)
            mean = mean + along * ((more_shift - more_precision * position) / scale)
            precision[i] += more_precision
            shift[i] += more_shift
    return Posterior(mean, covariance)


def _moments(mean: float, variance: float, error_rate: float) -> tuple[float, float]:
    """Mean and variance of a normal number after an answer, sometimes wrong, that it is positive."""
    total = variance + NOISE**2
    t = mean / sqrt(total)
    density = exp(-t * t / 2) / sqrt(2 * pi)
    cumulative = 0.5 * (1 + erf(t / sqrt(2)))
    ratio = (1 - 2 * error_rate) * density / ((error_rate + (1 - 2 * error_rate) * cumulative) * sqrt(total))
    curvature = ratio * ratio + ratio * t / sqrt(total)
    return mean + variance * ratio, max(variance - variance * variance * curvature, 1e-6 * variance)


def _best_question(posterior: Posterior, count: int, random: PortableRandom) -> np.ndarray:
    """Unit vectors (count, k): of many random questions, the one whose answer gives most information.

    The vectors are samples of the posterior around 0; most of them come with their opposites.
    """
    preferences = _sample(posterior, POSTERIOR_SAMPLES, random)
    centered = Posterior(np.zeros_like(posterior.mean), posterior.covariance)
    rows = _sample(centered, CANDIDATES * count, random)
    # Half of them are orthogonal to the estimate, where the answers are uncertain.
    estimate = posterior.mean / max(float(np.linalg.norm(posterior.mean)), 1e-12)
    rows -= np.outer((rows @ estimate) * (random.uniform(len(rows)) < 0.5), estimate)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    questions = rows.reshape(CANDIDATES, count, -1)
    half = count // 2
    questions[:, half : 2 * half] = -questions[:, :half]
    utilities = np.einsum("qkd,td->qtk", questions, preferences) / NOISE
    p = np.exp(utilities - utilities.max(axis=2, keepdims=True))
    p = (1 - ERROR_RATE) * p / p.sum(axis=2, keepdims=True) + ERROR_RATE / count
    information = _entropy(p.mean(axis=1)) - _entropy(p).mean(axis=1)
    return questions[int(information.argmax())]


def _sample(posterior: Posterior, n: int, random: PortableRandom) -> np.ndarray:
    dim = len(posterior.mean)
    root = np.linalg.cholesky(posterior.covariance + 1e-9 * np.eye(dim))
    return posterior.mean + random.normal(n, dim) @ root.T


def _entropy(p: np.ndarray) -> np.ndarray:
    """Entropy in bits, over the last axis."""
    return -(p * np.log2(p)).sum(axis=-1)
