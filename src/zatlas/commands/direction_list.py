"""Commands for the saved directions of a run: list, rename, remove and take."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from zatlas.commands.direction_tables import saved_table
from zatlas.commands.options import OPENS_RUN, Run
from zatlas.commands.printing import message, open_workspace, print_rows
from zatlas.commands.registration import command

Name = Annotated[Positional[str], arg(metavar="NAME", help="Name of a saved direction.")]


@command("Directions", "directions list")
def list_directions(run: Run) -> None:
    """List the saved directions of a run, with their files.

    Each file can be shared, and its name used wherever an attribute can: zatlas edit RUN NAME.
    """
    _print(run)


@command("Directions", "directions rename")
def rename(
    run: Run,
    old: Name,
    new: Annotated[Positional[str], arg(metavar="NEW", help="New name of the direction.")],
) -> None:
    """Rename a saved direction."""
    from zatlas.directions.find import store_of
    from zatlas.store import direction_files

    direction_files.rename(store_of(open_workspace(run)).folder, old, new)
    _print(run)


@command("Directions", "directions remove")
def remove(run: Run, name: Name) -> None:
    """Remove a saved direction."""
    from zatlas.directions.find import store_of
    from zatlas.store import direction_files

    direction_files.remove(store_of(open_workspace(run)).folder, name)
    _print(run)


@command("Directions", "directions take")
def take(
    run: Run,
    file: Annotated[Positional[Path], arg(metavar="FILE")],
    *,
    other: Annotated[Path | None, arg(metavar="RUN"), OPENS_RUN] = None,
) -> None:
    """Save a direction from a file into a run.

    Args:
        file: File of a direction of the same model.
        other: Run of the file, if it is another model of the same images. zatlas maps the direction to this
            run, and reports the error.
    """
    from zatlas.directions.find import store_of
    from zatlas.directions.named_directions import take_direction

    workspace = open_workspace(run)
    origin = None if other is None else open_workspace(other)
    store_of(workspace).save(take_direction(workspace, file, origin))
    _print(run)


def _print(run: Path) -> None:
    from zatlas.directions.find import store_of
    from zatlas.directions.types import is_nonlinear
    from zatlas.figures.direction_reports import std_of
    from zatlas.store import direction_files

    workspace = open_workspace(run)
    store = store_of(workspace)
    rows = [
        {
            "direction": direction.name,
            "kind": "nonlinear" if is_nonlinear(direction) else "linear",
            "moves": direction.description,
            "std": std_of(direction),
            "auc": None if direction.score is None else round(direction.score.auc, 4),
            "better than chance": None if direction.score is None else direction.score.significant,
            "file": str(store.folder / direction_files.file_name(direction.name)),
        }
        for direction in store.all()
    ]
    advice = workspace.command("directions", "evaluate", run, "--save")
    message(
        f"{len(rows)} saved in {store.folder}" if rows else f"No direction is saved. To save one: {advice}"
    )
    print_rows(rows, saved_table(rows))
