"""The two halves of a run's model as files that a page can run, where that is possible."""

from pathlib import Path
from typing import Any

from zatlas.core.arrays import Points
from zatlas.core.errors import NotSupported
from zatlas.core.progress import console
from zatlas.models.onnx import export_decoder, export_encoder
from zatlas.store import digests, inside
from zatlas.workspace import Workspace

LARGEST = 256 << 20  # bytes that a page is asked to load
EXPORTS = {"decoder": export_decoder, "encoder": export_encoder}


def exported(workspace: Workspace, like: Points, room: Path, folder: str) -> dict[str, Any]:
    """What the manifest says of the decoder and of the encoder; None for one that a page cannot run."""
    found: dict[str, Any] = {"decoder": None, "encoder": None}
    if not workspace.source.decodes:  # codes alone
        return found
    for name in EXPORTS if workspace.generator.encoder else ("decoder",):
        try:
            size = file_of(workspace, like, room, name).stat().st_size
        except NotSupported as error:
            console().print(f"{workspace.name}: {error}", soft_wrap=True, markup=False)
            continue
        if size <= LARGEST:
            found[name] = {"url": f"{folder}/{name}.onnx", "bytes": size}
    return found


def file_of(workspace: Workspace, like: Points, room: Path, name: str) -> Path:
    """The file of one half, kept in this folder."""
    path = inside.path(room, f"{name}.onnx")
    if inside.is_file(path):
        digests.verify(path)
    else:
        EXPORTS[name](workspace.generator, path, like)
    return path
