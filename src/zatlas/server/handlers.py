"""Answers to a page's requests about one run: its model, its latents and its images."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from zatlas.core.arrays import Images, Labels, Latents, Pixels
from zatlas.core.errors import UnknownName
from zatlas.core.registry import LAYOUTS
from zatlas.latent.geodesic import geodesic
from zatlas.latent.neighbors import ExactNeighbors
from zatlas.latent.timeline_file import FOLDER, save_timeline
from zatlas.models.generator import Generator
from zatlas.server.messages import BadRequest
from zatlas.server.queues import Decoder
from zatlas.server.requests import MAX_ANSWER_BYTES, MAX_IMAGES, MAX_LATENTS, MAX_NEIGHBORS, Request
from zatlas.site import RunTree
from zatlas.workspace import Workspace

Files = Mapping[str, Callable[[], bytes]]

GEODESIC_STEPS = 49


@dataclass(frozen=True)
class Reply:
    """The header of an answer without its id, and its payload."""

    header: Mapping[str, Any]
    payload: bytes = b""


@dataclass(eq=False)
class RunHandlers:
    """The functions that answer requests about one run."""

    workspace: Workspace
    tree: RunTree
    decoder: Decoder = field(init=False)
    coarse: Decoder = field(init=False)  # of previews; of a model without, the same images
    neighbors: ExactNeighbors = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = Decoder(partial(self._decode, self.workspace.generator))
        self.coarse = Decoder(partial(self._decode, coarse_generator(self.workspace.generator)))
        self.neighbors = ExactNeighbors(self.tree.latents)

    @property
    def classes(self) -> int:
        """Number of classes of a conditional model, otherwise 0."""
        return len(self.workspace.generator.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        image = self.tree.entry["image"]
        return image["channels"], image["height"], image["width"]

    def decoder_inputs(self, request: Request) -> tuple[Latents, Labels | None]:
        """The latents and the labels of a decode request."""
        limit = max(1, min(MAX_LATENTS, MAX_ANSWER_BYTES // max(1, math.prod(self.shape))))
        n = request.integer("n", 1, limit)
        return request.latents(n, self.workspace.dim), request.labels(n, self.classes)

    def answer(self, request: Request) -> Reply:
        """The answer to a request of any kind but "decode" and "chart"."""
        handlers = {
            "encode": self._encode,
            "neighbors": self._neighbors,
            "image": self._image,
            "latent": self._latent,
            "geodesic": self._geodesic,
            "timeline": self._timeline,
        }
        return handlers[request.kind](request)

    def chart(self, request: Request) -> tuple[Reply, Files]:
        """Another chart of the points, and its files."""
        layout, by = request.text("layout"), request.text("by")
        if layout not in LAYOUTS.names():
            raise UnknownName("layout", layout or "", LAYOUTS.names())
        chart = self.tree.chart(layout, by)
        header = {"kind": "chart", "chart": chart.site}
        return Reply(header, chart.positions.astype("<f4").tobytes()), chart.files

    def _decode(self, generator: Generator, z: Latents, labels: Labels | None) -> Pixels:
        return as_bytes(generator.decode(z, labels))

    def _encode(self, request: Request) -> Reply:
        n = request.integer("n", 1, MAX_IMAGES)
        x = request.pixels(n, self.shape).astype(np.float32) / np.float32(255)
        return latents_reply(self.workspace.generator.encode(x, request.labels(n, self.classes)))

    def _neighbors(self, request: Request) -> Reply:
        n, k = request.integer("n", 1, MAX_LATENTS), request.integer("k", 1, MAX_NEIGHBORS)
        rows, distances = self.neighbors.search(request.latents(n, self.workspace.dim), k)
        payload = rows.astype("<i4").tobytes() + distances.astype("<f4").tobytes()
        return Reply({"kind": "neighbors", "shape": list(rows.shape)}, payload)

    def _image(self, request: Request) -> Reply:
        row = self._row(request)
        if self.tree.entry["sprites"] is None:
            raise BadRequest(
                "no-images",
                "The points of this run are samples of its model, without real images.",
                "Decode the latent instead.",
            )
        rows = self.tree.all_points.rows[row : row + 1]
        return pixels_reply(as_bytes(self.workspace.dataset.images(rows)))

    def _latent(self, request: Request) -> Reply:
        row = self._row(request)
        return latents_reply(self.tree.all_points.latents[row : row + 1])

    def _geodesic(self, request: Request) -> Reply:
        ends = request.latents(2, self.workspace.dim)
        label = request.label(self.classes)
        curve = geodesic(self.workspace.generator.for_class(label), ends[:1], ends[1:])
        return latents_reply(curve.sample(GEODESIC_STEPS))

    def _timeline(self, request: Request) -> Reply:
        name = (request.text("name") or "").strip()
        if not name:
            raise BadRequest("bad-text", "A timeline needs a name.", "Type one and save again.")
        path = save_timeline(self.workspace.folder(FOLDER), name, bytes(request.payload))
        return Reply({"kind": "saved", "path": str(path)})

    def _row(self, request: Request) -> int:
        if not len(self.tree.latents):
            raise BadRequest("no-latents", "This run has no latents yet.", "Wait for its first epoch.")
        return request.integer("row", 0, len(self.tree.all_points) - 1)


def coarse_generator(generator: Generator) -> Generator:
    """The generator of quick previews; the generator itself if it has none."""
    return generator if generator.coarse is None else replace(generator, decoder=generator.coarse)


def as_bytes(images: Images) -> Pixels:
    """Images in [0, 1] as bytes."""
    return (images.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def pixels_reply(pixels: Pixels) -> Reply:
    """An answer with images."""
    return Reply({"kind": "images", "shape": list(pixels.shape)}, pixels.tobytes())


def latents_reply(latents: Latents) -> Reply:
    """An answer with latents."""
    return Reply({"kind": "latents", "shape": list(latents.shape)}, latents.astype("<f4").tobytes())
