"""Defaults that depend on the images, for models with an encoder; `benchmarks/defaults.py` measures them."""

from collections.abc import Mapping
from typing import Any

from zatlas.models.nets import LARGE_SIDE, Shape
from zatlas.models.trainable import Choice

LARGE_DIM = 32  # dimensions of the latent space for large images


def usual_settings(shape: Shape, given: Mapping[str, Any]) -> dict[str, Choice]:
    """Return the defaults that suit images of this shape, next to the given settings of the model."""
    channels, height, width = shape
    choices: dict[str, Choice] = {}
    if min(height, width) >= LARGE_SIDE:
        reason = f"2 dimensions cannot store what differs between images of {width}x{height} pixels"
        choices["dim"] = Choice(LARGE_DIM, reason)
    # Pixels that are made black or white have a Bernoulli likelihood.
    if channels > 1 and given.get("pixels", "grey") == "grey":
        reason = "with a fitted std it reconstructs colours better than bernoulli"
        choices["likelihood"] = Choice("gaussian", reason)
    return choices
