"""The page of a run that has no weights yet: no points, only the shape of its images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

import pyarrow as pa

from zatlas.data.image_dataset import ImageDataset
from zatlas.models.generator import INPUT
from zatlas.site.schema import RunEntry
from zatlas.training.recipe import Recipe

DIRECTION_FILES = ("vectors", "normals", "weights")


class Tree(Protocol):
    """What the server needs of a run: its entry in the manifest, and its files by URL."""

    @property
    def entry(self) -> dict[str, Any]: ...
    @property
    def files(self) -> Mapping[str, Callable[[], bytes]]: ...


@dataclass(frozen=True)
class Placeholder:
    """A tree without points."""

    entry: dict[str, Any]
    files: Mapping[str, Callable[[], bytes]]


def placeholder(id: str, name: str, recipe: Recipe, images: ImageDataset) -> Placeholder:
    """The tree of a run without weights."""
    dim = int(recipe.model["dim"])
    channels, height, width = images.shape
    folder = f"data/{id}"
    vectors, normals, weights = (f"{folder}/{name}.f32" for name in DIRECTION_FILES)
    entry: RunEntry = {
        "id": id,
        "stamp": f"{version('zatlas')} none",
        "name": name,
        "folder": name,
        "space": INPUT,
        "spaces": [],
        "layers": [],
        "summary": f"{recipe.family.upper()}, {dim} latent dimension{'' if dim == 1 else 's'}",
        "data": images.name,
        "fingerprint": images.fingerprint,
        "family": recipe.family,
        "dim": dim,
        "prior": "none",
        "image": {"channels": channels, "height": height, "width": width},
        "coarse": None,
        "classes": [],
        "kind": "image",
        "total": 0,
        "count": 0,
        "table": f"{folder}/table.arrow",
        "latents": None,
        "columns": [],
        "charts": [],
        "sprites": None,
        "density": None,
        "decoder": None,
        "encoder": None,
        "dimensions": [],
        "class_latents": None,
        "center": None,
        "mean": [0.0] * dim,
        "std": [1.0] * dim,
        "directions": {"vectors": vectors, "normals": normals, "weights": weights, "list": [], "probes": []},
        "classifier": None,
        "geodesics": [],
        "samples": None,
        "fitted_prior": None,
        "training": None,
    }
    files = {f"{folder}/table.arrow": _no_rows, **dict.fromkeys((vectors, normals, weights), bytes)}
    return Placeholder({**entry}, files)


def _no_rows() -> bytes:
    """An Arrow file without rows."""
    table = pa.table({"index": pa.array([], pa.int32())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
