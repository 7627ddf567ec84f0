"""The effect of directions by cross-fitting, and its test against directions of shuffled labels.

A direction and a reader that are fitted to the same labels agree with each other, even if the labels are
random. Here they are fitted to different halves of the latents, and the test repeats the whole procedure
with shuffled labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zatlas.core.arrays import Flags, Latents, Rows, Values
from zatlas.core.seeds import stream
from zatlas.directions.direction_report import NullTest
from zatlas.directions.estimate import std_along
from zatlas.directions.evaluator import DecodedImages, Evaluator
from zatlas.directions.label_fits import LabelFit, varies
from zatlas.directions.probes import fit_probes, ridge_influence
from zatlas.directions.types import Direction, LinearDirection

SHUFFLES = 50  # directions fitted to shuffled labels, in each half
READERS = 4  # readers fitted to shuffled labels, for each of these directions
TEST_STARTS = 8  # latents that each of these directions is moved from
REFERENCE_LATENTS = 1000  # whose images a classifier reads, for the readers
MIN_AGREEMENT = 0.9  # cosine with the direction fitted again; below it, something else made the direction
LIMIT = 0.95  # quantile of shuffled labels

Halves = tuple[Rows, Rows]
Sides = tuple[DecodedImages, DecodedImages]  # after a step back, and after a step


@dataclass(frozen=True)
class CrossFit:
    """Images moved by the directions of the two halves, and the test."""

    sides: Sides
    changes: Values | None  # of the probability at each start, by probes of the other half
    test: NullTest


def cross_fit(evaluator: Evaluator, fit: LabelFit, directions: Sequence[Direction]) -> list[CrossFit | None]:
    """The cross-fitted effect of each direction of this fit, half of the starts for each half.

    None if a half has no image with or no image without the attribute.
    """
    parts = halves(fit.flags, seed=evaluator.seed)
    testable = np.all([varies(fit.flags[rows]) for rows in parts], axis=0)
    if not testable.any():
        return [None] * len(directions)
    procedure = _Procedure(evaluator, fit.select(testable), parts)
    columns = [procedure.column(direction) for direction in directions]
    return [None if column is None else procedure.measure(column) for column in columns]


def halves(flags: np.ndarray, *, seed: int) -> Halves:
    """Random halves of the rows of flags (n, k), in which each flag is true equally often.

    The rows are sorted by their flags, the rarest first, and go to the halves in turn.
    """
    rare = np.argsort(-np.minimum(flags.sum(axis=0), (~flags).sum(axis=0)), kind="stable")
    order = np.lexsort((stream(seed, "halves").random(len(flags)), *flags.T[rare]))
    return order[::2], order[1::2]


@dataclass(frozen=True)
class _Procedure:
    """What the directions of one fit share: the halves, their features, and the shuffled labels."""

    evaluator: Evaluator
    fit: LabelFit
    halves: Halves

    def column(self, direction: Direction) -> int | None:
        """The column of a direction in the fit, or None if it cannot be tested."""
        column = self.fit.column(direction)
        if column is None or not isinstance(direction, LinearDirection):
            return None
        if self.fit.complete and float(self._fitted[column] @ direction.vector) < MIN_AGREEMENT:
            return None
        return column

    def measure(self, column: int) -> CrossFit:
        """The images, the effect and the test of one direction of the fit."""
        flags = self.fit.flags[:, column]
        parts = [self._move(self._vectors[half][column], self._starts[half]) for half in (0, 1)]
        effect = 0.0
        for half, (low, high) in enumerate(parts):
            move = (high.features - low.features)[:TEST_STARTS].mean(axis=0, keepdims=True) / 2
            reader = 1 - half  # what one half's direction changes is read in the other half
            targets = _centered(flags[self._reader_rows(reader)])
            effect += float(targets @ self._influence(reader, move)[:, 0]) / 2
        null = self._null(flags)
        p = float((1 + (null >= effect).sum()) / (1 + len(null)))
        low, high = (DecodedImages.join([part[side] for part in parts]) for side in (0, 1))
        test = NullTest(effect, float(np.quantile(null, LIMIT)), p)
        return CrossFit((low, high), self._changes(flags, parts), test)

    def _null(self, flags: Flags) -> Values:
        """The effects of directions of shuffled labels on readers of shuffled labels."""
        total = np.zeros(SHUFFLES * READERS)
        for half in (0, 1):
            shuffled = flags[self._reader_rows(half)][self._orders[half]]
            total += np.einsum("jn,jn->j", _centered(shuffled), self._null_influence[half]) / 2
        return total

    def _changes(self, flags: Flags, parts: Sequence[Sides]) -> Values | None:
        """The change of the probability at each start, by probes of the half that the direction is not of."""
        if not self._encodes:
            return None
        changes = []
        for half, (low, high) in enumerate(parts):
            rows = self.halves[1 - half]
            probes = fit_probes(self.fit.latents[rows], {"target": flags[rows]})
            changes.append((probes.predict(high.features) - probes.predict(low.features))[:, 0] / 2)
        return np.concatenate(changes)

    @property
    def _encodes(self) -> bool:
        predictor = self.evaluator.predictor
        return predictor is not None and predictor.encode is not None

    @cached_property
    def _starts(self) -> list[Latents]:
        return np.array_split(self.evaluator.starts, 2)

    @cached_property
    def _vectors(self) -> list[np.ndarray]:
        return [self.fit.vectors(rows) for rows in self.halves]

    @cached_property
    def _fitted(self) -> np.ndarray:
        return self.fit.vectors(np.arange(len(self.fit.flags)))

    @cached_property
    def _features(self) -> list[np.ndarray]:
        """The features of each half's reader rows: latents, or a classifier's predictions of images."""
        latents = [self.fit.latents[self._reader_rows(half)] for half in (0, 1)]
        return latents if self._encodes else [self.evaluator.decode(z).features for z in latents]

    @cached_property
    def _orders(self) -> list[np.ndarray]:
        """Shuffles (j, n) of each half's reader rows."""
        rng, count = stream(self.evaluator.seed, "shuffled readers"), SHUFFLES * READERS
        sizes = [len(self._reader_rows(half)) for half in (0, 1)]
        return [rng.permuted(np.tile(np.arange(n, dtype=np.int32), (count, 1)), axis=1) for n in sizes]

    @cached_property
    def _null_influence(self) -> list[np.ndarray]:
        """For each half's readers (j, n), the influence of the other half's directions of shuffled labels."""
        number = np.arange(SHUFFLES * READERS)
        paired = [number % SHUFFLES, (number + number // SHUFFLES) % SHUFFLES]
        rng = stream(self.evaluator.seed, "shuffled directions")
        moves = [self._null_moves(half, rng) for half in (0, 1)]
        return [self._influence(half, moves[1 - half]).T[paired[half]] for half in (0, 1)]

    def _null_moves(self, half: int, rng: np.random.Generator) -> np.ndarray:
        """The mean change of the features (m, f) by one std of each direction of shuffled labels."""
        vectors = self.fit.shuffled(self.halves[half], SHUFFLES, rng)
        std = np.array([std_along(vector, self.fit.latents) for vector in vectors], np.float32)
        steps = (vectors * std[:, None])[:, None]
        starts = self._starts[half][None, :TEST_STARTS]
        low, high = (
            self.evaluator.decode((starts + sign * steps).reshape(-1, vectors.shape[1])).features
            for sign in (-1, 1)
        )
        change: np.ndarray = (high - low).reshape(len(vectors), -1, low.shape[1]).mean(axis=1) / 2
        return change

    def _move(self, vector: Values, starts: Latents) -> Sides:
        direction = LinearDirection("half", vector, std_along(vector, self.fit.latents))
        return self.evaluator.decode_sides(direction, starts=starts)

    def _reader_rows(self, half: int) -> Rows:
        """The rows that the readers of a half are fitted to; a classifier reads only some of their images."""
        rows = self.halves[half]
        return rows if self._encodes else rows[:: max(1, 2 * len(rows) // REFERENCE_LATENTS)]

    def _influence(self, half: int, moves: np.ndarray) -> np.ndarray:
        """How much each reader row's label changes what the reader of a half sees in these moves."""
        features = self._features[half]
        return ridge_influence(features - features.mean(axis=0), moves)


def _centered(flags: np.ndarray) -> np.ndarray:
    """Flags as targets of a linear model of their probability."""
    return flags.astype(np.float32) - flags.mean(axis=-1, keepdims=True, dtype=np.float32)
