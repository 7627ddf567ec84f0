"""The command that trains a run for each combination of settings."""

from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import command
from zatlas.commands.make import list_rows
from zatlas.core.errors import BadRecipe, RunsFailed


@command
def sweep(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    *,
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="TABLE.NAME=VALUE,VALUE")] = (),
    on: Literal["here", "processes", "ray"] = "here",
    threads: int = 1,
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Train a run for each combination of settings, and compare them in a table and pictures.

    Given again, the command goes on where it was stopped; what is finished is not trained again.

    Args:
        recipe: A preset, a recipe file (.toml), or images as `zatlas train` takes them.
        set: The values of a setting, as model.beta=1,4,16; may be given again. A value that is a list
            stands in brackets: net.widths=[64],[128,64].
        on: One after another in this process; in processes of their own, as many as the processor has
            room for; or as tasks of ray, on one machine or many.
        threads: Of each process, or task of ray.
        out: The folder of all runs; runs/RECIPE-sweep if nothing is said.
    """
    from zatlas.sweeps import as_rows, parse_values, sweep

    settings: dict[str, Any] = {}
    for text in set:
        key, equals, values = text.partition("=")
        if not equals or not values:
            raise BadRecipe(f"--set takes TABLE.NAME=VALUE,VALUE, as model.beta=1,4, not {text!r}.")
        settings[key] = parse_values(values)
    result = sweep(recipe, settings, on=on, threads=threads, out=out)
    list_rows(as_rows(result), to_person=True)
    print(result.folder)
    if broken := result.failed:
        raise RunsFailed(
            f"{len(broken)} of {len(result.rows)} runs failed, as {broken[0].name}: {broken[0].error} "
            "The same command tries those again."
        )
