"""The panel beside a film: the position of each frame on the prior or on the chart of a run."""

from math import ceil

from zatlas.core.errors import UnknownName
from zatlas.figures.sheets import plot_dimensions
from zatlas.latent.curves import Curve
from zatlas.render.panel import Panel, cloud_panel, density_panel
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

PANELS = ("none", "prior", "chart")
TRAIL_STEPS = 240  # steps of the drawn curve, so that a film of few frames shows a smooth one, too


def film_panel(
    workspace: Workspace, curve: Curve, kind: str, frames: int, *, theme: Theme = LIGHT
) -> Panel | None:
    """Draw the curve on the prior or on the chart, with the positions of its frames; None for "none"."""
    if kind not in PANELS:
        raise UnknownName("panel", kind, PANELS)
    if kind == "none":
        return None
    every = ceil(TRAIL_STEPS / max(frames - 1, 1))
    z = curve.sample((frames - 1) * every + 1)
    if kind == "prior":
        first, second = plot_dimensions(workspace)
        names = (f"dimension {first}", f"dimension {second}") if workspace.dim > 2 else ("", "")
        return density_panel(z[:, [first, second]], every=every, axes=names, theme=theme)
    chart = workspace.chart_of(workspace.charts.request())
    labels = None if chart.rows is None else workspace.labels(chart.rows)
    return cloud_panel(chart.positions, labels, chart.transform(z), every=every, theme=theme)
