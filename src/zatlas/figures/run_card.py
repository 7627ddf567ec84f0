"""A run in three lines of text, and as a card for notebooks."""

from zatlas.figures.sheets import sample_sheet
from zatlas.render.html import card
from zatlas.workspace import Workspace

SAMPLES = 24  # images on the card


def run_lines(workspace: Workspace) -> list[str]:
    """Return three lines: the model, its images, and where the run is with what to call next."""
    title, facts = _facts(workspace)
    return [
        f"Atlas {title}",
        f"data: {facts['data']}",
        f"run: {facts['run']}; next: atlas.plot.grid(), atlas.evaluate() or atlas.explore()",
    ]


def run_card(workspace: Workspace) -> str:
    """Return HTML with samples of the model, the facts of the run, and what to call next."""
    title, facts = _facts(workspace)
    figure = sample_sheet(workspace, SAMPLES) if workspace.source.decodes else None
    next_calls = ("atlas.plot.grid()", "atlas.plot.scatter()", "atlas.evaluate()", "atlas.explore()")
    return card(title, facts, figure, next_calls)


def _facts(workspace: Workspace) -> tuple[str, dict[str, object]]:
    """Return the name with the model, and the data and folder of a run."""
    dim, run = workspace.dim, workspace.run
    kind = f"{'conditional ' * bool(workspace.generator.classes)}{workspace.description.family}"
    source = workspace.recipe.source if run.recipe_file.exists() else "no images"
    facts = {"data": run.provenance().get("dataset", source), "run": run.folder}
    return f"{workspace.name}: {kind}, {dim} dimension{'s' * (dim > 1)}", facts
