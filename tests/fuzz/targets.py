"""One function for each parser: it takes any bytes and may raise only errors of zatlas."""

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
def scratch_folder() -> Path:
    """Return a folder of this process in memory, for parsers that need a file."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="zatlas-fuzz-", dir=memory))


def remove_scratch_folder() -> None:
    """Remove the folder of `scratch_folder`."""
    shutil.rmtree(scratch_folder(), ignore_errors=True)
    scratch_folder.cache_clear()


def _file(name: str, data: bytes) -> Path:
    path = scratch_folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def weights(data: bytes) -> None:
    """A model, or a classifier."""
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
    """`made.json`, with the description of an imported model."""
    from zatlas.models.importers.imported_run import imported_model_of
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


def latents(data: bytes) -> None:
    """A table of latents."""
    from zatlas.store import latent_table

    path = _file("latents.parquet", data)
    with suppress(ZatlasError):
        latent_table.provenance(path)
    latent_table.read(path)


def positions(data: bytes) -> None:
    """A table of positions on a chart."""
    from zatlas.store import chart_positions

    path = _file("positions.parquet", data)
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
    """Text of the command line: a source with options, values of a sweep, and a name."""
    from zatlas.data import sources
    from zatlas.sweeps import parse_values

    text = data.decode(errors="surrogateescape")
    sources.parse(text)
    parse_values(text)


def frame(data: bytes) -> None:
    """A frame of the socket."""
    from zatlas.server.messages import unpack
    from zatlas.server.requests import read_request

    request = read_request(*unpack(data))
    request.integer("n", 0, 4096)
    request.labels(4, 3)
    request.latents(4, 2)


def digests(data: bytes) -> None:
    """`digests.jsonl` of a run."""
    from zatlas.store import digests

    root = _file("record/digests.jsonl", data).parent
    digests.entries(root)
    digests.verify(_file("record/made.json", b"{}"))


def idx(data: bytes) -> None:
    """An idx file of MNIST."""
    from zatlas.data.idx import read_idx

    read_idx(_file("images-idx3-ubyte", data))


def table(data: bytes) -> None:
    """A table of labels for images."""
    from zatlas.data.attribute_table import read_table

    read_table(_file("labels.parquet" if data[:3] == b"PAR" else "labels.csv", data))


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        weights,
        arrays,
        made,
        recipe,
        metrics,
        latents,
        positions,
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
    """Call a parser; raise only errors that are not of zatlas."""
    with suppress(ZatlasError):
        target(data)


def seeds() -> dict[str, list[bytes]]:
    """Return small valid files for each parser, from a short training."""
    from tests.fuzz.seeds import good_files

    return good_files(scratch_folder())


def as_npy(array: object) -> bytes:
    """Return an array as a .npy file."""
    import numpy as np

    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()
