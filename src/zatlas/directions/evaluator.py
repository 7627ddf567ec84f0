"""What directions are tried on: points of the data, their decoded images, and what is read of these."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Images, Latents
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.directions.estimate import std_along
from zatlas.directions.field_networks import AttributeNetwork
from zatlas.directions.probes import Probes
from zatlas.directions.types import Direction, LinearDirection
from zatlas.latent.density import Density
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator

Predictions = Float32[np.ndarray, "n k"]
Thumbnails = Float32[np.ndarray, "n f"]

MAX_STARTS = 48  # points that are moved
RANDOM_DIRECTIONS = 16  # directions of chance that a real one is compared with
SMALL_SIDE = 32  # pixels, at most, of the images that are compared: what is finer is noise
MAX_AMOUNT = 4  # spreads, to either side


@dataclass(frozen=True)
class AttributePredictor:
    """What can be asked of images: for each name a number from 0 to 1."""

    names: tuple[str, ...]
    predict: Callable[[Images], Predictions]


@dataclass(frozen=True)
class DecodedImages:
    """What is left of decoded images: their answers, and themselves in small."""

    attributes: Predictions
    thumbnails: Thumbnails


@dataclass(frozen=True)
class Evaluator:
    """A model, its data, and what is asked of its images; all directions are tried on the same points."""

    generator: Generator
    latents: Latents  # of the data
    density: Density
    predictor: AttributePredictor | None = None
    seed: int = 0
    count: int = MAX_STARTS

    @property
    def names(self) -> tuple[str, ...]:
        """What is asked."""
        return () if self.predictor is None else self.predictor.names

    def decode(self, z: Latents) -> DecodedImages:
        """What there is to see at these points."""
        parts = [self._see(images) for images in self.generator.decode_batches(z)]
        return DecodedImages(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    @cached_property
    def starts(self) -> Latents:
        """The points that are moved."""
        chance, count = stream(self.seed, "starts"), min(self.count, len(self.latents))
        return self.latents[chance.choice(len(self.latents), count, replace=False)]

    @cached_property
    def before(self) -> DecodedImages:
        """What there is to see at the starts."""
        return self.decode(self.starts)

    @cached_property
    def random_gradients(self) -> tuple[Predictions, np.ndarray]:
        """Of directions of chance: how far one spread moves each answer, and the image.

        They lie as the data lies and are moved by as many of its spreads along them: a direction that
        the data does not use would be too easy to beat.
        """
        rng = stream(self.seed, "directions of chance")
        pairs = rng.integers(len(self.latents), size=(4 * RANDOM_DIRECTIONS, 2))
        steps = self.latents[pairs[:, 0]] - self.latents[pairs[:, 1]]
        steps = steps[np.linalg.norm(steps, axis=1) > 0][:RANDOM_DIRECTIONS]
        if not len(steps):
            raise NotSupported(
                "All latents of this run are the same point, so no direction can be compared with "
                "random ones. Train on more images, or on images that differ."
            )
        answers, images = [], []
        for step in steps:
            vector = step / np.linalg.norm(step)
            ends = self.decode_sides(LinearDirection("chance", vector, std_along(vector, self.latents)))
            answers.append(attribute_change(*ends).mean(axis=0))
            images.append(float(pixel_change(*ends).mean()))
        return np.array(answers, np.float32), np.array(images)

    def decode_sides(self, direction: Direction, amount: float = 1.0) -> tuple[DecodedImages, DecodedImages]:
        """What there is to see after a move by so many spreads back, and forward."""
        both = [direction.move(self.starts, sign * amount) for sign in (-1, 1)]
        seen = self.decode(np.concatenate(both))
        half = len(self.starts)
        return (
            DecodedImages(seen.attributes[:half], seen.thumbnails[:half]),
            DecodedImages(seen.attributes[half:], seen.thumbnails[half:]),
        )

    def _see(self, images: Images) -> tuple[Predictions, Thumbnails]:
        empty = np.zeros((len(images), 0), np.float32)
        return empty if self.predictor is None else self.predictor.predict(images), downsample(images)


def attribute_change(back: DecodedImages, forth: DecodedImages) -> Predictions:
    """How far each answer goes by one spread, at each start."""
    half: Predictions = (forth.attributes - back.attributes) / 2
    return half


def pixel_change(back: DecodedImages, forth: DecodedImages) -> np.ndarray:
    """How much a pixel changes by one spread, at each start."""
    return np.sqrt(((forth.thumbnails - back.thumbnails) ** 2).mean(axis=1)) / 2


def classifier_predictor(classifier: Classifier, images: Images) -> AttributePredictor:
    """A scorer's answers; a number is told by the share of these images that would lie below it."""
    from scipy.special import ndtr

    usual = classifier.score(images)
    middle, std = usual.mean(axis=0), np.maximum(usual.std(axis=0), 1e-9)
    number = np.array([kind == "number" for kind in classifier.kinds])

    def read(images: Images) -> Predictions:
        result = classifier.score(images)
        return np.where(number, ndtr((result - middle) / std), result).astype(np.float32)

    return AttributePredictor(classifier.names, read)


def probe_predictor(generator: Generator, probes: Probes) -> AttributePredictor:
    """The model's own answers: its encoder looks at the image, linear probes at the code."""

    def read(images: Images) -> Predictions:
        return probes.predict(generator.encode(images))

    return AttributePredictor(probes.names, read)


def network_predictor(generator: Generator, layers: AttributeNetwork, names: tuple[str, ...]) -> AttributePredictor:
    """The same by a small net in place of planes: it reads what no plane parts."""

    def read(images: Images) -> Predictions:
        odds = layers(generator.encode(images))
        return (0.5 * (1 + np.tanh(0.5 * odds))).astype(np.float32)

    return AttributePredictor(names, read)


def downsample(images: Images) -> Thumbnails:
    """The images' pixels, averaged in blocks until they are few."""
    n, channels, height, width = images.shape
    step = max(-(-max(height, width) // SMALL_SIDE), 1)
    high, wide = height // step * step, width // step * step
    blocks = images[:, :, :high, :wide].reshape(n, channels, high // step, step, wide // step, step)
    result: Thumbnails = blocks.mean(axis=(3, 5)).reshape(n, -1).astype(np.float32)
    return result


def unit_vector(row: np.ndarray) -> np.ndarray:
    """The same of length 1."""
    return row / max(float(np.linalg.norm(row)), 1e-12)
