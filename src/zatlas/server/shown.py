"""A run as it is shown: the files of its page, and what a page asks of its model and its codes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zatlas.core.arrays import Images, Labels, Pixels, Points
from zatlas.core.errors import UnknownName
from zatlas.core.registry import LAYOUTS
from zatlas.latent.geodesic import geodesic
from zatlas.latent.neighbors import ExactNeighbors
from zatlas.server.asks import LARGEST, MOST_IMAGES, MOST_NEAR, MOST_POINTS, Ask
from zatlas.server.frames import BadAsk
from zatlas.server.lanes import Decoder
from zatlas.site import RunTree
from zatlas.workspace import Workspace

Files = Mapping[str, Callable[[], bytes]]

STEPS = 49  # points of a geodesic


@dataclass(frozen=True)
class Reply:
    """The header of an answer but for its id, and its payload."""

    header: Mapping[str, Any]
    payload: bytes = b""


@dataclass(eq=False)
class Shown:
    """A run, the tree of its page, and the look-ups that its asks need."""

    workspace: Workspace
    tree: RunTree
    decoder: Decoder = field(init=False)
    near: ExactNeighbors = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = Decoder(self._decode)
        self.near = ExactNeighbors(self.tree.points)

    @property
    def id(self) -> str:
        """What its asks call it."""
        return str(self.tree.entry["id"])

    @property
    def classes(self) -> int:
        """How many classes the model is told."""
        return len(self.workspace.generator.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its images."""
        image = self.tree.entry["image"]
        return image["channels"], image["height"], image["width"]

    def to_decode(self, ask: Ask) -> tuple[Points, Labels | None]:
        """The points of an ask, and what the model is told of them."""
        most = max(1, min(MOST_POINTS, LARGEST // max(1, math.prod(self.shape))))
        n = ask.whole("n", 1, most)
        return ask.points(n, self.workspace.dim), ask.labels(n, self.classes)

    def answer(self, ask: Ask) -> Reply:
        """The answer to any ask but to decode and to chart, which wait for others."""
        kinds = {
            "encode": self._encode,
            "nearest": self._nearest,
            "image": self._image,
            "code": self._code,
            "geodesic": self._geodesic,
        }
        return kinds[ask.kind](ask)

    def chart(self, ask: Ask) -> tuple[Reply, Files]:
        """Another chart of the points, and the files that belong to it."""
        layout, by = ask.word("layout"), ask.word("by")
        if layout not in LAYOUTS.names():
            raise UnknownName("layout", layout or "", LAYOUTS.names())
        made = self.tree.chart(layout, by)
        header = {"kind": "chart", "chart": made.site}
        return Reply(header, made.places.astype("<f4").tobytes()), made.files

    def _decode(self, z: Points, labels: Labels | None) -> Pixels:
        return as_bytes(self.workspace.generator.decode(z, labels))

    def _encode(self, ask: Ask) -> Reply:
        n = ask.whole("n", 1, MOST_IMAGES)
        x = ask.pixels(n, self.shape).astype(np.float32) / np.float32(255)
        return points_reply(self.workspace.generator.encode(x, ask.labels(n, self.classes)))

    def _nearest(self, ask: Ask) -> Reply:
        n, k = ask.whole("n", 1, MOST_POINTS), ask.whole("k", 1, MOST_NEAR)
        index, distance = self.near.of(ask.points(n, self.workspace.dim), k)
        payload = index.astype("<i4").tobytes() + distance.astype("<f4").tobytes()
        return Reply({"kind": "near", "shape": list(index.shape)}, payload)

    def _image(self, ask: Ask) -> Reply:
        row = self._row(ask)
        if self.tree.entry["sprites"] is None:
            raise BadAsk(
                "no-images",
                "The points of this run are samples of its model: no real images belong to them.",
                "Decode the point instead.",
            )
        return pixels_reply(as_bytes(self.workspace.images.images(self.tree.everyone.rows[row : row + 1])))

    def _code(self, ask: Ask) -> Reply:
        row = self._row(ask)
        return points_reply(self.tree.everyone.points[row : row + 1])

    def _geodesic(self, ask: Ask) -> Reply:
        ends = ask.points(2, self.workspace.dim)
        label = ask.label(self.classes)
        curve = geodesic(self.workspace.generator.for_class(label), ends[:1], ends[1:])
        return points_reply(curve.sample(STEPS))

    def _row(self, ask: Ask) -> int:
        if not len(self.tree.points):
            raise BadAsk("no-points", "This run has no points yet.", "Wait for its first epoch.")
        return ask.whole("row", 0, len(self.tree.everyone) - 1)


def as_bytes(images: Images) -> Pixels:
    """Images of [0, 1] as bytes."""
    return (images.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def pixels_reply(pixels: Pixels) -> Reply:
    """The answer that these images are."""
    return Reply({"kind": "images", "shape": list(pixels.shape)}, pixels.tobytes())


def points_reply(points: Points) -> Reply:
    """The answer that these points are."""
    return Reply({"kind": "points", "shape": list(points.shape)}, points.astype("<f4").tobytes())
