"""A figure: the latents, coloured by the brightness of their decoded images."""

from matplotlib.figure import Figure

from zatlas.figures.entry import RunFigure
from zatlas.render.theme import Theme
from zatlas.workspace import Workspace

POINTS = 1000


def draw(workspace: Workspace, theme: Theme) -> Figure:
    """Return a figure of matplotlib, in the colours of the theme."""
    z = workspace.cloud[:POINTS]
    figure = Figure(figsize=(5, 4), facecolor=theme.paper, layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor(theme.paper)
    points = axes.scatter(*z[:, :2].T, c=workspace.decode(z).mean(axis=(1, 2, 3)), s=6)
    axes.set_title(f"Brightness in {workspace.name}", color=theme.ink)
    axes.tick_params(colors=theme.pale)
    figure.colorbar(points).ax.tick_params(colors=theme.pale)
    return figure


FIGURE = RunFigure(
    title="Brightness",
    about="The first two dimensions of the latents; the colour is the mean brightness of the decoded image.",
    draw=draw,
    applies=lambda workspace: workspace.source.decodes and workspace.dim > 1,
)
