"""The command that makes something of a run to give away."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from zatlas.commands import Fitted, Run, command
from zatlas.commands.shared import open_workspace
from zatlas.core.errors import BadRecipe


@command
def export(
    run: Run,
    rest: Annotated[Positional[tuple[Path, ...]], arg(metavar="[RUN] OUT", help_behavior_hint="")],
    *,
    points: Annotated[int | None, arg(metavar="N")] = None,
    limit: Annotated[float, arg(metavar="MB")] = 50.0,
    prior: Fitted = None,
) -> None:
    """Write the explorer's page of a run, or of two to compare, that works without a server.

    Args:
        rest: Another run, to compare; then a folder for any static host, or a name that ends in
            .html for a single file with the model and the images inside.
        points: Images shown of each run; 20,000 in a folder and 3,000 in a single file if not said.
        limit: Refuse a single file of more than so many million bytes.
    """
    from zatlas.site.export import export as write

    if not rest:
        raise BadRecipe("Name a run and where to, as: zatlas export runs/digits-vae digits.html")
    *others, out = rest
    workspaces = [open_workspace(one) for one in (run, *others)]
    print(write(workspaces, out, points=points, limit=limit, prior=prior))
