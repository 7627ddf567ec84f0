"""A function for each parser: it takes any bytes, and only zatlas's own errors may leave it."""

import io
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from zatlas.core.errors import ZatlasError

Target = Callable[[bytes], None]
CORPUS = Path(__file__).parent / "corpus"


@cache
def place() -> Path:
    """A folder in memory, of this process, where files are put for parsers that want one."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="zatlas-fuzz-", dir=memory))


def sweep() -> None:
    """Remove that folder."""
    shutil.rmtree(place(), ignore_errors=True)
    place.cache_clear()


def _file(name: str, data: bytes) -> Path:
    path = place() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def weights(data: bytes) -> None:
    """A model, or an encoder or classifier of zatlas."""
    from zatlas.models.classifier import load_classifier
    from zatlas.models.description import load_weights

    path = _file("weights.safetensors", data)
    with suppress(ZatlasError):
        load_weights(path)
    load_classifier(path)


def arrays(data: bytes) -> None:
    """A chart or a direction."""
    from zatlas.directions.store import direction_from
    from zatlas.latent.chart import Chart
    from zatlas.store import direction_files

    path = _file("arrays.safetensors", data)
    with suppress(ZatlasError):
        Chart.load(path)
    direction_from(direction_files.read(path))


def made(data: bytes) -> None:
    """`made.json`, with what it says of an imported model."""
    from zatlas.models.importers import imported_model_of
    from zatlas.store.run import open_run

    imported_model_of(open_run(_file("run/made.json", data).parent))


def recipe(data: bytes) -> None:
    """`recipe.toml`."""
    from zatlas.training.recipe import make_recipe, read_recipe

    make_recipe(read_recipe(_file("recipe.toml", data)))


def metrics(data: bytes) -> None:
    """`metrics.jsonl`."""
    from zatlas.store.run import Run

    Run(_file("metrics/metrics.jsonl", data).parent).metrics()


def codes(data: bytes) -> None:
    """A table of latents."""
    from zatlas.store import latent_table

    path = _file("codes.parquet", data)
    with suppress(ZatlasError):
        latent_table.provenance(path)
    latent_table.read(path)


def places(data: bytes) -> None:
    """A table of a chart's places."""
    from zatlas.store import chart_positions

    path = _file("places.parquet", data)
    chart_positions.provenance(path)
    chart_positions.read(path)


def npz(data: bytes) -> None:
    """Images as arrays."""
    from zatlas.data import npz

    npz.load(_file("images.npz" if data[:2] == b"PK" else "images.npy", data))


def image(data: bytes) -> None:
    """One image file."""
    from zatlas.data.image_reader import read_image

    read_image(data, size=8)


def entry(data: bytes) -> None:
    """`entry.json` of the page's files."""
    from zatlas.site import tree

    path = _file("site/a/entry.json", data)
    tree._checked(tree.PageCache(path.parent).json("entry.json", dict), path.parent)


def written(data: bytes) -> None:
    """`data/written.json` of an earlier export."""
    from zatlas.site import export

    export._check_folder(_file("export/data/written.json", data).parents[1])


def names(data: bytes) -> None:
    """What a person types: a source with options, values of a sweep, and a name."""
    from zatlas.data import sources
    from zatlas.sweeps import parse_values

    text = data.decode(errors="surrogateescape")
    sources.parse(text)
    parse_values(text)


def frame(data: bytes) -> None:
    """A frame of the socket."""
    from zatlas.server.messages import unpack
    from zatlas.server.requests import read_request

    ask = read_request(*unpack(data))
    ask.integer("n", 0, 4096)
    ask.labels(4, 3)
    ask.latents(4, 2)


def digests(data: bytes) -> None:
    """`digests.jsonl` of a run."""
    from zatlas.store import digests

    root = _file("book/digests.jsonl", data).parent
    digests.entries(root)
    digests.verify(_file("book/made.json", b"{}"))


def idx(data: bytes) -> None:
    """A file of MNIST's format."""
    from zatlas.data.idx import read_idx

    read_idx(_file("images-idx3-ubyte", data))


def table(data: bytes) -> None:
    """A table of labels beside images."""
    from zatlas.data.attribute_table import read_table

    read_table(_file("labels.parquet" if data[:3] == b"PAR" else "labels.csv", data))


TARGETS: dict[str, Target] = {
    one.__name__: one
    for one in (
        weights,
        arrays,
        made,
        recipe,
        metrics,
        codes,
        places,
        npz,
        image,
        entry,
        written,
        names,
        frame,
        digests,
        idx,
        table,
    )
}


def attempt(target: Target, data: bytes) -> None:
    """Give the bytes to a parser; only what is no error of zatlas's own is raised."""
    with suppress(ZatlasError):
        target(data)


def seeds() -> dict[str, list[bytes]]:
    """Good files for each parser, as small as they can be, from a run of a few seconds."""
    from tests.fuzz.seeds import good_files

    return good_files(place())


def as_npy(array: object) -> bytes:
    """An array as a .npy file."""
    import numpy as np

    into = io.BytesIO()
    np.save(into, np.asarray(array))
    return into.getvalue()
