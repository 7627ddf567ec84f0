"""A run as it is shown: the files of its page, and what a page asks of its model and its codes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zatlas.core.arrays import Images, Labels, Latents, Pixels
from zatlas.core.errors import UnknownName
from zatlas.core.registry import LAYOUTS
from zatlas.latent.geodesic import geodesic
from zatlas.latent.neighbors import ExactNeighbors
from zatlas.server.messages import BadRequest
from zatlas.server.queues import Decoder
from zatlas.server.requests import MAX_IMAGES, MAX_LATENT_VALUES, MAX_NEIGHBORS, MAX_POINTS, Request
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
class RunHandlers:
    """A run, the tree of its page, and the look-ups that its asks need."""

    workspace: Workspace
    tree: RunTree
    decoder: Decoder = field(init=False)
    neighbors: ExactNeighbors = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = Decoder(self._decode)
        self.neighbors = ExactNeighbors(self.tree.latents)

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

    def to_decode(self, request: Request) -> tuple[Latents, Labels | None]:
        """The points of an ask, and what the model is told of them."""
        most = max(1, min(MAX_POINTS, MAX_LATENT_VALUES // max(1, math.prod(self.shape))))
        n = request.integer("n", 1, most)
        return request.latents(n, self.workspace.dim), request.labels(n, self.classes)

    def answer(self, request: Request) -> Reply:
        """The answer to any ask but to decode and to chart, which wait for others."""
        kinds = {
            "encode": self._encode,
            "nearest": self._nearest,
            "image": self._image,
            "code": self._latent,
            "geodesic": self._geodesic,
        }
        return kinds[request.kind](request)

    def chart(self, request: Request) -> tuple[Reply, Files]:
        """Another chart of the points, and the files that belong to it."""
        layout, by = request.text("layout"), request.text("by")
        if layout not in LAYOUTS.names():
            raise UnknownName("layout", layout or "", LAYOUTS.names())
        made = self.tree.chart(layout, by)
        header = {"kind": "chart", "chart": made.site}
        return Reply(header, made.positions.astype("<f4").tobytes()), made.files

    def _decode(self, z: Latents, labels: Labels | None) -> Pixels:
        return as_bytes(self.workspace.generator.decode(z, labels))

    def _encode(self, request: Request) -> Reply:
        n = request.integer("n", 1, MAX_IMAGES)
        x = request.pixels(n, self.shape).astype(np.float32) / np.float32(255)
        return points_reply(self.workspace.generator.encode(x, request.labels(n, self.classes)))

    def _nearest(self, request: Request) -> Reply:
        n, k = request.integer("n", 1, MAX_POINTS), request.integer("k", 1, MAX_NEIGHBORS)
        index, distance = self.neighbors.search(request.latents(n, self.workspace.dim), k)
        payload = index.astype("<i4").tobytes() + distance.astype("<f4").tobytes()
        return Reply({"kind": "near", "shape": list(index.shape)}, payload)

    def _image(self, request: Request) -> Reply:
        row = self._row(request)
        if self.tree.entry["sprites"] is None:
            raise BadRequest(
                "no-images",
                "The points of this run are samples of its model: no real images belong to them.",
                "Decode the point instead.",
            )
        return pixels_reply(
            as_bytes(self.workspace.dataset.images(self.tree.all_latents.rows[row : row + 1]))
        )

    def _latent(self, request: Request) -> Reply:
        row = self._row(request)
        return points_reply(self.tree.all_latents.latents[row : row + 1])

    def _geodesic(self, request: Request) -> Reply:
        ends = request.latents(2, self.workspace.dim)
        label = request.label(self.classes)
        curve = geodesic(self.workspace.generator.for_class(label), ends[:1], ends[1:])
        return points_reply(curve.sample(STEPS))

    def _row(self, request: Request) -> int:
        if not len(self.tree.latents):
            raise BadRequest("no-points", "This run has no points yet.", "Wait for its first epoch.")
        return request.integer("row", 0, len(self.tree.all_latents) - 1)


def as_bytes(images: Images) -> Pixels:
    """Images of [0, 1] as bytes."""
    return (images.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def pixels_reply(pixels: Pixels) -> Reply:
    """The answer that these images are."""
    return Reply({"kind": "images", "shape": list(pixels.shape)}, pixels.tobytes())


def points_reply(latents: Latents) -> Reply:
    """The answer that these points are."""
    return Reply({"kind": "points", "shape": list(latents.shape)}, latents.astype("<f4").tobytes())
