"""The two halves of a run's model as files that a page can run, where that is possible."""

from pathlib import Path
from typing import Any

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.core.progress import console
from zatlas.models.onnx_export import export_decoder, export_encoder
from zatlas.store import digests, safe_paths
from zatlas.workspace import Workspace

MAX_BYTES = 256 << 20  # bytes that a page is asked to load
EXPORTS = {"decoder": export_decoder, "encoder": export_encoder}


def exported_networks(workspace: Workspace, like: Latents, room: Path, folder: str) -> dict[str, Any]:
    """What the manifest says of the decoder and of the encoder; None for one that a page cannot run."""
    result: dict[str, Any] = {"decoder": None, "encoder": None}
    if not workspace.source.decodes:  # codes alone
        return result
    for name in EXPORTS if workspace.generator.encoder else ("decoder",):
        try:
            size = file_of(workspace, like, room, name).stat().st_size
        except NotSupported as error:
            console().print(f"{workspace.name}: {error}", soft_wrap=True, markup=False)
            continue
        if size <= MAX_BYTES:
            result[name] = {"url": f"{folder}/{name}.onnx", "bytes": size}
    return result


def file_of(workspace: Workspace, like: Latents, folder: Path, name: str) -> Path:
    """The file of one half, kept in this folder."""
    path = safe_paths.path(folder, f"{name}.onnx")
    if safe_paths.is_file(path):
        digests.verify(path)
    else:
        EXPORTS[name](workspace.generator, path, like)
    return path
