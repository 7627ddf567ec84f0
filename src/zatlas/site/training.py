"""How far a training has come, as a page shows it."""

import math
from typing import Any

from zatlas.workspace import Workspace


def training(workspace: Workspace, *, running: bool = True) -> dict[str, Any]:
    """The epochs that are done, and the metrics of each; what is no number is left out."""
    rows = [{name: value for name, value in row.items() if _number(value)} for row in workspace.run.metrics()]
    epochs = int(workspace.recipe.training.epochs)
    done = int(rows[-1].get("epoch", len(rows))) if rows else 0
    return {"epoch": done, "epochs": epochs, "running": running, "metrics": rows}


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
