"""The scorer of a run as a file that a page reads its own pictures with."""

from pathlib import Path
from typing import Any

from zatlas.core.arrays import Points
from zatlas.core.errors import NotSupported
from zatlas.core.progress import console
from zatlas.models.onnx import export_scorer
from zatlas.store import inside
from zatlas.workspace import Workspace

LARGEST = 16 << 20  # bytes: it is to be quick
NAME = "scorer.onnx"


def reader(workspace: Workspace, like: Points, room: Path, folder: str) -> dict[str, Any] | None:
    """What the manifest says of the run's scorer; None where a page has none that it can run."""
    scorer = workspace.scorer
    if scorer is None:
        return None
    path = inside.path(room, NAME)
    try:
        size = export_scorer(scorer, path, workspace.decode(like)).bytes
    except NotSupported as error:
        console().print(f"{workspace.name}: {error}", soft_wrap=True, markup=False)
        return None
    if size > LARGEST:
        return None
    told = {"names": list(scorer.names), "kinds": list(scorer.kinds)}
    return {"url": f"{folder}/{NAME}", "bytes": size, **told}
