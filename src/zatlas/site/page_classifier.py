"""The scorer of a run as a file that a page reads its own pictures with."""

from pathlib import Path
from typing import Any

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.core.progress import console
from zatlas.models.onnx_export import export_classifier
from zatlas.store import safe_paths
from zatlas.workspace import Workspace

MAX_BYTES = 16 << 20  # bytes: it is to be quick
NAME = "scorer.onnx"


def page_classifier(workspace: Workspace, like: Latents, room: Path, folder: str) -> dict[str, Any] | None:
    """What the manifest says of the run's scorer; None where a page has none that it can run."""
    classifier = workspace.classifier
    if classifier is None:
        return None
    path = safe_paths.path(room, NAME)
    try:
        size = export_classifier(classifier, path, workspace.decode(like)).bytes
    except NotSupported as error:
        console().print(f"{workspace.name}: {error}", soft_wrap=True, markup=False)
        return None
    if size > MAX_BYTES:
        return None
    told = {"names": list(classifier.names), "kinds": list(classifier.kinds)}
    return {"url": f"{folder}/{NAME}", "bytes": size, **told}
