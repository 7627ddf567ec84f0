"""The shared part of an evaluation: starting latents, their decoded images, and predicted attributes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from zatlas.core.arrays import Images, Latents
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.directions.direction_report import MAX_AMOUNT
from zatlas.directions.estimate import std_along
from zatlas.directions.field_networks import AttributeNetwork
from zatlas.directions.probes import Probes
from zatlas.directions.types import Direction, LinearDirection
from zatlas.latent.density import Density
from zatlas.models.classifier import Classifier
from zatlas.models.decoding_time import announce_decoding
from zatlas.models.generator import Generator

Predictions = Float32[np.ndarray, "n k"]
Thumbnails = Float32[np.ndarray, "n f"]

MAX_STARTS = 48  # latents that are moved
RANDOM_DIRECTIONS = 16  # random directions that each direction is compared with
THUMBNAIL_SIDE = 32  # largest side of the images that are compared, in pixels: finer detail is noise


@dataclass(frozen=True)
class AttributePredictor:
    """Predicts named attributes of images, each from 0 to 1: images (n, c, h, w) -> (n, k)."""

    names: tuple[str, ...]
    predict: Callable[[Images], Predictions]


@dataclass(frozen=True)
class DecodedImages:
    """What an evaluation keeps of decoded images: predicted attributes (n, k) and thumbnails (n, f)."""

    attributes: Predictions
    thumbnails: Thumbnails


@dataclass(frozen=True)
class Evaluator:
    """A model, its latents, and an attribute predictor; all directions are moved from the same latents."""

    generator: Generator
    latents: Latents  # of the data
    density: Density
    predictor: AttributePredictor | None = None
    seed: int = 0
    count: int = MAX_STARTS

    @property
    def names(self) -> tuple[str, ...]:
        """The predicted attributes."""
        return () if self.predictor is None else self.predictor.names

    def decode(self, z: Latents) -> DecodedImages:
        """Decode latents in batches, and keep the attributes and thumbnails of their images."""
        batches = [self._measure(images) for images in self.generator.decode_batches(z)]
        return DecodedImages(*(np.concatenate(column) for column in zip(*batches, strict=True)))

    def announce(self, directions: int) -> None:
        """Print how long the evaluation of this number of directions takes, if that is long."""
        moves = 1 + 2 * RANDOM_DIRECTIONS + 2 * MAX_AMOUNT * directions
        images = moves * len(self.starts)
        announce_decoding("The evaluation", images, self.generator, self.latents, measure=self._measure)

    @cached_property
    def starts(self) -> Latents:
        """The latents that are moved: a random sample of the data."""
        rng, count = stream(self.seed, "starts"), min(self.count, len(self.latents))
        return self.latents[rng.choice(len(self.latents), count, replace=False)]

    @cached_property
    def before(self) -> DecodedImages:
        """The images of the starting latents."""
        return self.decode(self.starts)

    @cached_property
    def random_gradients(self) -> tuple[Predictions, np.ndarray]:
        """The change of attributes (m, k) and of pixels (m,) by one std of random directions.

        The directions are differences of random pairs of latents, and so follow the data's distribution:
        a direction that the data does not use would be too easy to beat.
        """
        rng = stream(self.seed, "random directions")
        pairs = rng.integers(len(self.latents), size=(4 * RANDOM_DIRECTIONS, 2))
        steps = self.latents[pairs[:, 0]] - self.latents[pairs[:, 1]]
        steps = steps[np.linalg.norm(steps, axis=1) > 0][:RANDOM_DIRECTIONS]
        if not len(steps):
            raise NotSupported(
                "All latents of this run are equal, so no direction can be compared with "
                "random ones. Train on more images, or on images that differ."
            )
        attributes, pixels = [], []
        for step in steps:
            vector = step / np.linalg.norm(step)
            sides = self.decode_sides(LinearDirection("random", vector, std_along(vector, self.latents)))
            attributes.append(attribute_change(*sides).mean(axis=0))
            pixels.append(float(pixel_change(*sides).mean()))
        return np.array(attributes, np.float32), np.array(pixels)

    def decode_sides(self, direction: Direction, amount: float = 1.0) -> tuple[DecodedImages, DecodedImages]:
        """The images after a move of the starting latents by `-amount`, and by `amount`."""
        sides = [direction.move(self.starts, sign * amount) for sign in (-1, 1)]
        images = self.decode(np.concatenate(sides))
        half = len(self.starts)
        return (
            DecodedImages(images.attributes[:half], images.thumbnails[:half]),
            DecodedImages(images.attributes[half:], images.thumbnails[half:]),
        )

    def _measure(self, images: Images) -> tuple[Predictions, Thumbnails]:
        empty = np.zeros((len(images), 0), np.float32)
        return empty if self.predictor is None else self.predictor.predict(images), downsample(images)


def attribute_change(low: DecodedImages, high: DecodedImages) -> Predictions:
    """The change of each attribute by one std, at each start: half the change from -1 to 1 std."""
    half: Predictions = (high.attributes - low.attributes) / 2
    return half


def pixel_change(low: DecodedImages, high: DecodedImages) -> np.ndarray:
    """The root mean square change of a pixel by one std, at each start."""
    return np.sqrt(((high.thumbnails - low.thumbnails) ** 2).mean(axis=1)) / 2


def classifier_predictor(classifier: Classifier, images: Images) -> AttributePredictor:
    """A classifier's predictions; a number is given as its quantile among its values on `images`."""
    from scipy.special import ndtr

    reference = classifier.predict(images)
    mean, std = reference.mean(axis=0), np.maximum(reference.std(axis=0), 1e-9)
    is_number = np.array([kind == "number" for kind in classifier.kinds])

    def predict(images: Images) -> Predictions:
        values = classifier.predict(images)
        return np.where(is_number, ndtr((values - mean) / std), values).astype(np.float32)

    return AttributePredictor(classifier.names, predict)


def probe_predictor(generator: Generator, probes: Probes) -> AttributePredictor:
    """The model's own predictions: linear probes on the latents of encoded images."""

    def predict(images: Images) -> Predictions:
        return probes.predict(generator.encode(images))

    return AttributePredictor(probes.names, predict)


def network_predictor(
    generator: Generator, network: AttributeNetwork, names: tuple[str, ...]
) -> AttributePredictor:
    """The same by a small network, which separates attributes that no plane separates."""

    def predict(images: Images) -> Predictions:
        log_odds = network(generator.encode(images))
        return (0.5 * (1 + np.tanh(0.5 * log_odds))).astype(np.float32)

    return AttributePredictor(names, predict)


def downsample(images: Images) -> Thumbnails:
    """The flattened means of square blocks of pixels, at most THUMBNAIL_SIDE blocks a side."""
    n, channels, height, width = images.shape
    block = max(-(-max(height, width) // THUMBNAIL_SIDE), 1)
    rows, columns = height // block, width // block
    blocks = images[:, :, : rows * block, : columns * block].reshape(n, channels, rows, block, columns, block)
    result: Thumbnails = blocks.mean(axis=(3, 5)).reshape(n, -1).astype(np.float32)
    return result


def unit_vector(row: np.ndarray) -> np.ndarray:
    """The vector scaled to length 1; zero stays zero."""
    return row / max(float(np.linalg.norm(row)), 1e-12)
