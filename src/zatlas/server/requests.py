"""A page's requests, parsed and checked: kinds, counts, shapes and finite numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from zatlas.core.arrays import Labels, Latents, Pixels
from zatlas.server.messages import LENGTH, MAX_HEADER_BYTES, BadRequest

KINDS = ("decode", "encode", "geodesic", "neighbors", "image", "latent", "chart", "timeline")
MAX_LATENTS = 4096  # in one request
MAX_IMAGES = 64  # sent in one request
MAX_NEIGHBORS = 64  # of each latent
MAX_COORDINATE = 1e6  # of a latent, far beyond any real one
MAX_ANSWER_BYTES = 64 << 20
MAX_ID = 2**53  # JavaScript represents smaller integers exactly
MAX_TEXT, MAX_STREAM = 200, 64  # characters


@dataclass(frozen=True)
class Request:
    """One request of a page: the fields of its header, and its payload."""

    id: int
    run: str
    kind: str
    stream: str | None
    fields: Mapping[str, Any]
    payload: memoryview

    def integer(self, name: str, low: int, high: int) -> int:
        """An integer field of the header."""
        value = self.fields.get(name)
        if not _is_integer(value) or not low <= value <= high:
            raise BadRequest(
                "bad-number",
                f"{name!r} of {self.kind!r} must be an integer from {low} to {high}.",
                f"It was {_short(value)}.",
            )
        return value

    def label(self, classes: int) -> int | None:
        """The class label for a conditional model, 0 by default; None for an unconditional model."""
        if not classes:
            return None
        return 0 if self.fields.get("label") is None else self.integer("label", 0, classes - 1)

    def labels(self, n: int, classes: int) -> Labels | None:
        """A class label for each row, 0 by default; None for an unconditional model."""
        values = self.fields.get("labels")
        if not classes:
            return None
        if values is None:
            return np.zeros(n, np.int64)
        valid = isinstance(values, list) and len(values) == n
        if not valid or not all(_is_integer(value) and 0 <= value < classes for value in values):
            raise BadRequest(
                "bad-labels",
                f"'labels' must be {n} integers from 0 to {classes - 1}.",
                "Send one for each row, or none.",
            )
        return np.array(values, np.int64)

    def latents(self, n: int, dim: int) -> Latents:
        """The latents in the payload."""
        self._expect(4 * n * dim, f"({n}, {dim}) float32")
        z = np.frombuffer(self.payload, "<f4").reshape(n, dim).astype(np.float32)
        if not np.isfinite(z).all() or np.abs(z).max(initial=0) > MAX_COORDINATE:
            raise BadRequest(
                "bad-latents",
                "Latents must be finite numbers between -1,000,000 and 1,000,000.",
                "Check how they were computed.",
            )
        return z

    def pixels(self, n: int, shape: tuple[int, int, int]) -> Pixels:
        """The images in the payload."""
        self._expect(n * math.prod(shape), f"{(n, *shape)} uint8")
        return np.frombuffer(self.payload, np.uint8).reshape(n, *shape)

    def text(self, name: str) -> str | None:
        """A text field of the header."""
        value = self.fields.get(name)
        if value is not None and not _is_text(value, MAX_TEXT):
            message = f"{name!r} must be a text of at most {MAX_TEXT} characters."
            raise BadRequest("bad-text", message, f"It was {_short(value)}.")
        return value

    def _expect(self, size: int, content: str) -> None:
        if len(self.payload) != size:
            raise BadRequest(
                "bad-shape",
                f"{self.kind!r} takes {content}: {size:,} bytes after the header.",
                f"There were {len(self.payload):,}.",
            )


def read_request(header: Mapping[str, Any], payload: memoryview) -> Request:
    """The request in a frame; raises if its kind, run, stream or id is invalid."""
    run, kind, stream = header.get("run"), header.get("kind"), header.get("stream")
    if not isinstance(kind, str) or kind not in KINDS:
        message = f"There is no request of kind {_short(kind)}."
        raise BadRequest("unknown-kind", message, f"Kinds: {', '.join(KINDS)}.")
    if not isinstance(run, str):
        raise BadRequest("unknown-run", "A request names its run.", "The manifest lists them.")
    if stream is not None and not _is_text(stream, MAX_STREAM):
        message = f"A stream is a text of at most {MAX_STREAM} characters."
        raise BadRequest("bad-text", message, f"It was {_short(stream)}.")
    return Request(read_id(header), run, kind, stream, header, payload)


def read_id(header: Mapping[str, Any]) -> int:
    """The number that identifies the answer."""
    number = header.get("id")
    if not _is_integer(number) or not 0 <= number < MAX_ID:
        raise BadRequest("bad-id", "The id of a request is a positive integer.", f"It was {_short(number)}.")
    return number


def max_message_bytes(dim: int, shape: tuple[int, int, int]) -> int:
    """The size of the largest valid request to such a model."""
    largest = max(4 * MAX_LATENTS * dim, MAX_IMAGES * math.prod(shape))
    return LENGTH.size + MAX_HEADER_BYTES + largest


def _is_integer(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value) <= limit


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
