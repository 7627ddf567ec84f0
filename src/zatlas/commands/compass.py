"""The compass at a terminal: pictures to choose among by their letters, until a direction is known."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from zatlas.commands import Dark, Label, Run, command
from zatlas.commands.shared import class_of, open_workspace, theme_of
from zatlas.core.errors import BadData, BadRecipe, NotFound, ZatlasError

if TYPE_CHECKING:
    from zatlas.directions.preference import Compass
    from zatlas.workspace import Workspace

HELP = "a letter for the one you like best, = to pass, u to undo, s NAME to save, q to stop"


@command
def compass(
    run: Run,
    *,
    count: int | None = None,
    choices: Annotated[Path | None, arg(metavar="FILE")] = None,
    save: Annotated[str | None, arg(metavar="NAME")] = None,
    label: Label = None,
    seed: int = 0,
    dark: Dark = False,
    by: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Teach a direction by choosing the picture you like best, again and again.

    The pictures are written to a file, whose name is told; you answer with a letter.

    Args:
        count: How many pictures to choose among; two, or six where the codes use many axes.
        choices: Read the answers from a file, one a line, rather than from the keyboard.
        save: Keep the direction under this name when the answers end.
        seed: Of the pictures.
        by: The folder for the pictures; compass/ of the run's gallery if not said.
    """
    from zatlas.directions.find import store_of
    from zatlas.directions.preference import compass as compass_of

    workspace = open_workspace(run)
    state = compass_of(workspace.cloud, count=count, seed=seed)
    number, folder = class_of(workspace, label), by or workspace.run.gallery / "compass"
    if choices is not None and not choices.is_file():
        raise NotFound(f"There is no file of choices at {choices}.")
    lines = _lines(choices)
    if choices is None:
        _tell(HELP)
    while True:
        _show(workspace, state, folder, number, dark, asked=choices is None)
        word = next(lines, "q").strip()
        if word == "q":
            break
        try:
            state = _answered(workspace, state, word)
        except ZatlasError as error:
            if choices is not None:
                raise
            _tell(str(error))
    if save is not None:
        print(store_of(workspace).save(state.direction(save)))


def _answered(workspace: "Workspace", state: "Compass", word: str) -> "Compass":
    """The compass after one line of what a person typed."""
    from zatlas.directions.find import store_of

    order, _, name = word.partition(" ")
    if order == "s":
        if not name.strip():
            raise BadRecipe("Say by what name to save it, as: s rounder")
        print(store_of(workspace).save(state.direction(name.strip())), flush=True)
        return state
    if word == "u":
        return state.undo()
    if word == "=":
        return state.answer(None)
    if len(word) != 1 or not 0 <= ord(word) - ord("a") < state.count:
        last = chr(ord("a") + state.count - 1)
        raise BadData(f"{word!r} is no answer: give {HELP} (a to {last}).")
    return state.answer(ord(word) - ord("a"))


def _show(
    workspace: "Workspace", state: "Compass", folder: Path, label: int | None, dark: bool, *, asked: bool
) -> None:
    """Write the question as one picture, and say where it is and how sure the direction is."""
    if not asked:
        return
    from zatlas.figures.direction_reports import comparison_strip
    from zatlas.render.pixels import save

    title = f"Which do you like best? Question {len(state.answers) + 1}"
    figure = comparison_strip(
        workspace, state.next_question(), title=title, label=label, theme=theme_of(dark)
    )
    path = save(figure, folder / "question.png")
    _tell(f"{path}   ({state.choices} choices, the direction is known to about {state.angle:.0f}°)")


def _lines(path: Path | None) -> Iterator[str]:
    """What was typed, line by line, or what a file says; empty lines and remarks are left out."""
    source = sys.stdin if path is None else path.read_text().splitlines()
    for line in source:
        if line.strip() and not line.startswith("#"):
            yield line


def _tell(words: str) -> None:
    from zatlas.core.progress import console

    console().print(words, soft_wrap=True, markup=False)
