"""The shipped model of faces, and the file of the classifier that judges its images."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from zatlas.demo import unpack
from zatlas.workspace import Workspace


@contextmanager
def shipped_faces(run: Path | None = None) -> Iterator[tuple[Workspace, Path]]:
    """The shipped run, or another run of the same images, and the path of the classifier."""
    shipped = files("zatlas") / "shipped"
    with TemporaryDirectory() as folder, as_file(shipped) as here:
        workspace = Workspace.open(run or unpack(Path(folder) / "faces-vae"))
        yield workspace, here / "faces-classifier.safetensors"
