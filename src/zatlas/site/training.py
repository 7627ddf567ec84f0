"""The progress of a training, as a page shows it."""

import math
from typing import Any

from zatlas.workspace import Workspace


def training(workspace: Workspace, *, running: bool = True) -> dict[str, Any]:
    """The number of completed epochs and the metrics of each, without values that are not finite."""
    rows = [{name: value for name, value in row.items() if _finite(value)} for row in workspace.run.metrics()]
    epochs = int(workspace.recipe.training.epochs)
    epoch = int(rows[-1].get("epoch", len(rows))) if rows else 0
    return {"epoch": epoch, "epochs": epochs, "running": running, "metrics": rows}


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
