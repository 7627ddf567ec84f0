"""The compass in a terminal: choose between images by letter until the preferred direction is known."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from zatlas.commands.options import IN_GALLERY, Dark, Label, Run, Seed
from zatlas.commands.output import print_result
from zatlas.commands.printing import class_of, message, open_workspace, theme_of
from zatlas.commands.registration import command
from zatlas.core.errors import BadData, BadRecipe, NotFound, ZatlasError

if TYPE_CHECKING:
    from zatlas.directions.preference import Compass
    from zatlas.workspace import Workspace

HELP = "a letter for the image you prefer, = to skip, u to undo, s NAME to save, q to quit"


@command("Directions")
def compass(
    run: Run,
    *,
    count: int | None = None,
    choices: Annotated[Path | None, arg(metavar="FILE")] = None,
    save: Annotated[str | None, arg(metavar="NAME")] = None,
    label: Label = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FOLDER"), IN_GALLERY] = None,
) -> None:
    """Fit a direction to your choices between images.

    zatlas writes the images to a file and prints its path; you answer with a letter.

    Args:
        count: Number of images of a question. (default: 2, or 6 for latents with many dimensions)
        choices: Read the answers from this file, one per line, instead of the keyboard.
        save: Save the direction under this name at the end.
        out: Folder of the images. (default: compass/ in the run's gallery)
    """
    from zatlas.directions.find import store_of
    from zatlas.directions.preference import compass

    workspace = open_workspace(run)
    state = compass(workspace.cloud, count=count, seed=seed)
    number, folder = class_of(workspace, label), out or workspace.gallery / "compass"
    if choices is not None and not choices.is_file():
        raise NotFound(f"There is no file {choices}. Give a file with one answer per line to --choices.")
    lines = _lines(choices)
    if choices is None:
        message(HELP)
    while True:
        if choices is None:
            _show(workspace, state, folder, number, dark)
        line = next(lines, "q").strip()
        if line == "q":
            break
        try:
            state = _answer(workspace, state, line)
        except ZatlasError as error:
            if choices is not None:
                raise
            message(str(error))
    if choices is not None:
        message(f"{state.choices} choices; uncertainty of the direction: {state.angle:.0f}°")
    if save is not None:
        print_result(store_of(workspace).save(state.direction(save)))


def _answer(workspace: "Workspace", state: "Compass", line: str) -> "Compass":
    """The compass after one line of input."""
    from zatlas.directions.find import store_of

    key, _, name = line.partition(" ")
    if key == "s":
        if not name.strip():
            raise BadRecipe("Give a name to save the direction under, such as: s rounder")
        print_result(store_of(workspace).save(state.direction(name.strip())))
        return state
    if line == "u":
        return state.undo()
    if line == "=":
        return state.answer(None)
    if len(line) != 1 or not 0 <= ord(line) - ord("a") < state.count:
        last = chr(ord("a") + state.count - 1)
        raise BadData(f"{line!r} is not an answer. Type {HELP} (letters a to {last}).")
    return state.answer(ord(line) - ord("a"))


def _show(workspace: "Workspace", state: "Compass", folder: Path, label: int | None, dark: bool) -> None:
    """Write the images of the next question, and print their path and the uncertainty of the direction."""
    from zatlas.figures.direction_reports import comparison_strip
    from zatlas.render.pixels import save

    title = f"Which image do you prefer? Question {len(state.answers) + 1}"
    figure = comparison_strip(
        workspace, state.next_question(), title=title, label=label, theme=theme_of(dark)
    )
    path = save(figure, folder / "question.png")
    message(f"{path}   ({state.choices} choices; uncertainty of the direction: {state.angle:.0f}°)")


def _lines(path: Path | None) -> Iterator[str]:
    """The lines of the keyboard or of a file, without empty lines and comments."""
    source = sys.stdin if path is None else path.read_text(encoding="utf-8").splitlines()
    for line in source:
        if line.strip() and not line.startswith("#"):
            yield line
