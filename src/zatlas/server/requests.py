"""What a page may ask, checked: which run, how many, of what shape, and finite."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from zatlas.core.arrays import Labels, Latents, Pixels
from zatlas.server.messages import LENGTH, LONGEST_HEADER, BadRequest

KINDS = ("decode", "encode", "geodesic", "neighbors", "image", "latent", "chart")
MAX_POINTS = 4096  # in one ask
MAX_IMAGES = 64  # sent in one ask
MAX_NEIGHBORS = 64  # neighbours of each point
MAX_COORDINATE = 1e6  # from the origin along any axis: beyond, no code has ever been
MAX_LATENT_VALUES = 64 << 20  # bytes of an answer
MAX_ID = 2**53  # a whole number that JavaScript holds exactly is smaller


@dataclass(frozen=True)
class Request:
    """One ask of a page: what its header says, and the numbers that came with it."""

    id: int
    run: str
    kind: str
    stream: str | None
    fields: Mapping[str, Any]
    payload: memoryview

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number of the header."""
        value = self.fields.get(name)
        if not _is_whole(value) or not low <= value <= high:
            raise BadRequest(
                "bad-number",
                f"{name!r} of {self.kind!r} must be a whole number from {low} to {high}.",
                f"It was {_short(value)}.",
            )
        return value

    def label(self, classes: int) -> int | None:
        """The one class that a conditional model is told; its first if none is said."""
        if not classes:
            return None
        return 0 if self.fields.get("label") is None else self.integer("label", 0, classes - 1)

    def labels(self, n: int, classes: int) -> Labels | None:
        """A class for each row, where the model is told any; its first if none are said."""
        given = self.fields.get("labels")
        if not classes:
            return None
        if given is None:
            return np.zeros(n, np.int64)
        good = isinstance(given, list) and len(given) == n
        if not good or not all(_is_whole(one) and 0 <= one < classes for one in given):
            raise BadRequest(
                "bad-labels",
                f"'labels' must be {n} whole numbers from 0 to {classes - 1}.",
                "Give one for each row, or leave them out.",
            )
        return np.array(given, np.int64)

    def latents(self, n: int, dim: int) -> Latents:
        """The points that came along."""
        self._expect(4 * n * dim, f"({n}, {dim}) float32")
        z = np.frombuffer(self.payload, "<f4").reshape(n, dim).astype(np.float32)
        if not np.isfinite(z).all() or np.abs(z).max(initial=0) > MAX_COORDINATE:
            raise BadRequest(
                "bad-latents",
                "Points must be finite numbers, none beyond a million.",
                "Check what they were computed from.",
            )
        return z

    def pixels(self, n: int, shape: tuple[int, int, int]) -> Pixels:
        """The images that came along."""
        self._expect(n * math.prod(shape), f"{(n, *shape)} uint8")
        return np.frombuffer(self.payload, np.uint8).reshape(n, *shape)

    def text(self, name: str) -> str | None:
        """A short text of the header."""
        value = self.fields.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= 200):
            raise BadRequest("bad-text", f"{name!r} must be a short text.", f"It was {_short(value)}.")
        return value

    def _expect(self, size: int, what: str) -> None:
        if len(self.payload) != size:
            raise BadRequest(
                "bad-shape",
                f"{self.kind!r} takes {what}: {size:,} bytes after the header.",
                f"There were {len(self.payload):,}.",
            )


def read_request(header: Mapping[str, Any], payload: memoryview) -> Request:
    """The ask of a frame, if it says who asks what of which run."""
    run, kind, stream = header.get("run"), header.get("kind"), header.get("stream")
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadRequest("unknown-kind", f"Nothing is known of asking {_short(kind)}.", f"Known: {KINDS}.")
    if not isinstance(run, str):
        raise BadRequest("unknown-run", "An ask names its run.", "The manifest lists them.")
    if stream is not None and not (isinstance(stream, str) and len(stream) <= 64):
        raise BadRequest("bad-text", "A stream is a short text.", f"It was {_short(stream)}.")
    return Request(read_id(header), run, kind, stream, header, payload)


def read_id(header: Mapping[str, Any]) -> int:
    """The number by which the answer is known."""
    number = header.get("id")
    if not _is_whole(number) or not 0 <= number < MAX_ID:
        raise BadRequest("bad-id", "An ask has a whole number as its id.", f"It was {_short(number)}.")
    return number


def max_message_bytes(dim: int, shape: tuple[int, int, int]) -> int:
    """Bytes of the largest ask that makes sense for such a model."""
    largest = max(4 * MAX_POINTS * dim, MAX_IMAGES * math.prod(shape))
    return LENGTH.size + LONGEST_HEADER + largest


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
