"""What the picture commands have in common: opening, saving beside the run, telling the path."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zatlas.core.errors import BadRecipe, NotSupported, UnknownName

if TYPE_CHECKING:
    from zatlas.figures.paths import LatentPath
    from zatlas.render.figure import Figure
    from zatlas.render.theme import Theme
    from zatlas.workspace import Workspace

LONGEST = 100_000  # frames of a film: an hour
FILMS = (".gif", ".apng", ".webp", ".mp4")


def open_workspace(run: Path) -> "Workspace":
    """The run in this folder."""
    from zatlas.workspace import Workspace

    return Workspace.open(run)


def theme_of(dark: bool) -> "Theme":
    """Dark paper or light."""
    from zatlas.render.theme import DARK, LIGHT

    return DARK if dark else LIGHT


def class_of(workspace: "Workspace", name: str | None) -> int | None:
    """The number of a class that a conditional model knows."""
    if name is None:
        return None
    from zatlas.latent.names import KnownNames, find

    classes = workspace.generator.classes
    if not classes:
        raise NotSupported(f"{workspace.name} is not told a class: leave --label out.")
    result = find(name, KnownNames(classes=classes), anchor=False)
    if result is None or result.negated:
        raise UnknownName("class", name, classes)
    return classes.index(result.text)


def tell(figure: "Figure", workspace: "Workspace", name: str, out: Path | None) -> None:
    """Save a picture and print where it is."""
    from zatlas.render.pixels import save

    print(save(figure, out or workspace.run.gallery / f"{name}.png"))


def tell_move(
    move: "LatentPath", name: str, out: Path | None, *, frames: int, fps: int, panel: str, dark: bool
) -> None:
    """Save a strip, a film or both, as the name ends, and print where they are."""
    from zatlas.render.pixels import save

    if not 1 <= frames <= LONGEST:
        raise BadRecipe(f"A film has from 1 frame to {LONGEST:,}, not {frames:,}.")
    theme = theme_of(dark)
    strip_at = film_at = out
    if out is None:
        strip_at = move.workspace.run.gallery / f"{name}.png"
        film_at = strip_at.with_suffix(".gif")
    if strip_at is not None and strip_at.suffix.lower() not in FILMS:
        print(save(move.strip(theme=theme), strip_at))
    if film_at is not None and film_at.suffix.lower() in FILMS:
        print(move.film(film_at, frames, fps=fps, panel=panel, theme=theme))


def settings_of(texts: Sequence[str]) -> Mapping[str, Any]:
    """NAME=VALUE, several times, as a table."""
    from zatlas.data.sources import value_of

    result = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadRecipe(f"--set takes NAME=VALUE, as neighbors=25, not {text!r}.")
        result[key] = value_of(value)
    return result
