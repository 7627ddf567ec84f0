"""The compass: a direction taught by one's own choices among a few images, with how sure it is."""

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

MAX_DIMENSIONS = 64  # principal ones, at most, in which a taste is looked for
MIN_STD = 0.05  # of the widest axis' spread: axes narrower than that show nothing
MAX_PAIR_DIMENSIONS = 16  # axes up to which pairs are enough; beyond, a handful is shown
QUESTION_SIZE = 6
REACH = 2.5  # spreads from the place that the images of a question are around
ERROR_RATE = 0.1  # of a person's answers
BLUR = 0.3  # how much nearer than that two images must be to be told apart by chance
SWEEPS = 3  # over all answers; the estimate has settled by then
CANDIDATES = 60  # questions, of which the best is asked
POSTERIOR_SAMPLES = 100  # drawn from what is believed, to weigh a question by


@dataclass(frozen=True)
class Choice:
    """A question that was asked, and which of its images was liked best; None for a pass."""

    latents: Latents
    choice: int | None


@dataclass(frozen=True)
class Posterior:
    """A normal distribution of the taste, in principal axes of the codes each of spread 1."""

    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Compass:
    """What is believed of a person's taste after some answers: a value, and each answer makes another.

    The taste is a direction: of two images, the one whose code lies further along it is liked better,
    but for some answers that are wrong. Before any answer all directions of the axes that the codes
    use are alike; how far images are apart is counted in spreads of the data, so that every question
    stays among them.

    A choice between two images tells half a bit when one answer in ten is wrong. To know a direction
    of 32 even axes to a cosine of 0.9 takes 40 bits, so no choice of 60 pairs can find it; of six images
    the best tells nearly two. A handful is therefore shown where the axes are many, and the choice
    counts as five pairs. The estimate is expectation propagation, whose every step changes one number
    of the mean's and the covariance's along one vector: sums and products alone.

    Bıyık et al. 2019, https://arxiv.org/abs/1910.04365, for questions; Minka 2001,
    https://arxiv.org/abs/1301.2294, for the estimate; Latent Compass, Schwettmann et al. 2020,
    https://arxiv.org/abs/2012.14283.
    """

    components: Latents  # of length 1, in rows
    std: Values
    starts: Latents  # codes around which images are shown
    count: int  # images in a question
    seed: int = 0
    answers: tuple[Choice, ...] = ()

    @cached_property
    def posterior(self) -> Posterior:
        """What the answers say of the taste."""
        pairs = [row for answer in self.answers for row in self._told(answer)]
        # Of the pairs that a wrong answer counts as, about half are right nevertheless.
        return _believed(self._prior(), pairs, ERROR_RATE * self.count / (2 * (self.count - 1)))

    def next_question(self) -> Latents:
        """The images to choose among, a row each: of many questions the one whose answer tells most."""
        return self._asked

    @cached_property
    def _asked(self) -> Latents:
        random = PortableRandom(self.seed, 1 + 2 * len(self.answers))
        steps = _question(self.posterior, self.count, random)
        start = self.starts[int(random.uniform(1)[0] * len(self.starts))]
        moved: Latents = (start + REACH * (steps * self.std) @ self.components.astype(np.float64)).astype(
            np.float32
        )
        return moved

    def answer(self, choice: int | None) -> "Compass":
        """The compass that knows which image of `ask()` is liked best; None passes, and another is asked."""
        if choice is not None and not 0 <= choice < self.count:
            raise BadData(f"There are images 0 to {self.count - 1} to choose among, not {choice}.")
        return replace(self, answers=(*self.answers, Choice(self.next_question(), choice)))

    def undo(self) -> "Compass":
        """The compass before the last answer."""
        if not self.answers:
            raise BadData("There is no answer to take back.")
        return replace(self, answers=self.answers[:-1])

    @property
    def choices(self) -> int:
        """Answers that were no pass."""
        return sum(answer.choice is not None for answer in self.answers)

    def direction(self, name: str = "taste") -> LinearDirection:
        """The direction as far as it is known; `facts` tell from how many choices and how sure it is."""
        if not self.choices:
            raise BadData("Nothing has been chosen yet: a direction takes one choice at least.")
        mean = self.posterior.mean / self.std
        vector = (mean / np.linalg.norm(mean) @ self.components).astype(np.float32)
        # The axes are principal components, so that the codes are uncorrelated along them.
        std = float(np.linalg.norm(self.posterior.mean) / np.linalg.norm(mean))
        facts = {"method": "compass", "seed": self.seed, "choices": self.choices, "angle": self.angle}
        return LinearDirection(name, vector, std, facts=facts)

    @property
    def angle(self) -> float:
        """Degrees between the direction and the taste, to be expected from what is believed."""
        belief = self.posterior
        if not self.choices:
            return 90.0
        sampled = (
            _drawn(belief, 4 * POSTERIOR_SAMPLES, PortableRandom(self.seed, 2 + 2 * len(self.answers)))
            / self.std
        )
        mean = belief.mean / self.std
        cosines = sampled @ mean / (np.linalg.norm(sampled, axis=1) * np.linalg.norm(mean))
        return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())

    def _prior(self) -> Posterior:
        # A taste t of the space reads s * t in axes of spread 1: alike for all t, scaled to be 1 a row.
        share = self.std.astype(np.float64) ** 2
        return Posterior(np.zeros(len(share)), np.diag(share / share.mean()))

    def _told(self, answer: Choice) -> list[np.ndarray]:
        """The answer as pairs: from each image that was not chosen to the one that was, of length 1."""
        if answer.choice is None:
            return []
        apart = (answer.latents - answer.latents[answer.choice]).astype(np.float64)
        others = np.delete(apart @ self.components.T / self.std, answer.choice, axis=0)
        return list(-others / np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-12))


def compass(latents: Latents, *, count: int | None = None, seed: int = 0) -> Compass:
    """A compass for the space in which these codes lie; pairs, or a handful where axes are many."""
    result = principal_directions(latents, MAX_DIMENSIONS)
    used = [one for one in result if one.std > MIN_STD * result[0].std]
    if len(latents) < 3 or latents.std() == 0 or len(used) < 2:
        raise NotSupported("These codes do not differ in two axes or more: there is no way to choose.")
    if count is None:
        count = 2 if len(used) <= MAX_PAIR_DIMENSIONS else QUESTION_SIZE
    if not 2 <= count <= 12:
        raise BadData(f"A question shows from 2 to 12 images, not {count}.")
    axes, stds = zip(*[(each.vector, each.std) for each in used], strict=True)
    return Compass(np.stack(axes), np.array(stds), latents, count, seed)


def _believed(prior: Posterior, pairs: Sequence[np.ndarray], wrong: float) -> Posterior:
    """The normal distribution nearest to what the pairs leave possible: expectation propagation."""
    mean, covariance = prior.mean.copy(), prior.covariance.copy()
    precise, pull = np.zeros(len(pairs)), np.zeros(len(pairs))  # what each pair adds along its row
    for _ in range(SWEEPS):
        for i, row in enumerate(pairs):
            along = covariance @ row
            width, place = float(row @ along), float(row @ mean)
            rest = 1 / width - precise[i]  # what all the others say
            if rest <= 1e-9:
                continue
            new_place, new_width = _updated((place / width - pull[i]) / rest, 1 / rest, wrong)
            more = 1 / new_width - 1 / width
            further = new_place / new_width - place / width
            if 1 + more * width <= 1e-6:
                continue
            covariance -= np.outer(along, along) * (more / (1 + more * width))
            mean = mean + along * ((further - more * place) / (1 + more * width))
            precise[i] += more
            pull[i] += further
    return Posterior(mean, covariance)


def _updated(place: float, width: float, wrong: float) -> tuple[float, float]:
    """Mean and variance of a number after it was said to be positive by somebody who is wrong at times."""
    wide = width + BLUR**2
    t = place / sqrt(wide)
    bell = exp(-t * t / 2) / sqrt(2 * pi)
    below = 0.5 * (1 + erf(t / sqrt(2)))
    lift = (1 - 2 * wrong) * bell / ((wrong + (1 - 2 * wrong) * below) * sqrt(wide))
    bend = lift * lift + lift * t / sqrt(wide)
    return place + width * lift, max(width - width * width * bend, 1e-6 * width)


def _question(belief: Posterior, count: int, random: PortableRandom) -> np.ndarray:
    """Of many questions, the one whose answer is least known beforehand, but for chance.

    Rows of length 1: tastes that are still possible, and for most of them their opposites too.
    """
    tastes = _drawn(belief, POSTERIOR_SAMPLES, random)
    centred = Posterior(np.zeros_like(belief.mean), belief.covariance)
    rows = _drawn(centred, CANDIDATES * count, random)
    # Half of them at right angles to what is known already, where the answers are open.
    known = belief.mean / max(float(np.linalg.norm(belief.mean)), 1e-12)
    rows -= np.outer((rows @ known) * (random.uniform(len(rows)) < 0.5), known)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    sets = rows.reshape(CANDIDATES, count, -1)
    half = count // 2
    sets[:, half : 2 * half] = -sets[:, :half]
    liked = np.einsum("qkd,td->qtk", sets, tastes) / BLUR
    chance = np.exp(liked - liked.max(axis=2, keepdims=True))
    chance = (1 - ERROR_RATE) * chance / chance.sum(axis=2, keepdims=True) + ERROR_RATE / count
    told = _bits(chance.mean(axis=1)) - _bits(chance).mean(axis=1)
    return sets[int(told.argmax())]


def _drawn(belief: Posterior, n: int, random: PortableRandom) -> np.ndarray:
    dim = len(belief.mean)
    root = np.linalg.cholesky(belief.covariance + 1e-9 * np.eye(dim))
    return belief.mean + random.normal(n, dim) @ root.T


def _bits(chance: np.ndarray) -> np.ndarray:
    return -(chance * np.log2(chance)).sum(axis=-1)
