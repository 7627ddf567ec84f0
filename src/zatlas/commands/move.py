"""Commands that move through a run's latent space: strips and films."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import Dark, Out, Run, command
from zatlas.commands.shared import open_workspace, tell, tell_move, theme_of
from zatlas.core.errors import BadRecipe
from zatlas.figures import file_name, file_names

if TYPE_CHECKING:
    from zatlas.workspace import Workspace

Stops = Annotated[Positional[tuple[str, ...]], arg(metavar="STOP ...")]


@command
def interpolate(
    run: Run,
    anchors: Stops = (),
    *,
    method: str | None = None,
    loop: bool = False,
    corners: bool = False,
    pairs: bool = False,
    even: bool = False,
    frames: int = 90,
    fps: int = 30,
    panel: str = "none",
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Go from image to image: a strip and a film.

    Args:
        stops: Two or more: a test image's number, a class or an attribute ("Sneaker", "class:4",
            "not Male", "Sneaker:3"), an image file, or random.
        way: lerp, slerp, spline or geodesic; what suits the space if not said.
        loop: Come back to the first stop.
        corners: Rather a grid between four stops at its corners.
        pairs: Rather a strip of rows, each from one stop to the next.
        even: Walk so that the picture changes at a steady pace.
        frames: Of the film.
        fps: Frames a second.
        panel: Beside the film, the moving point on the prior or on the chart.
    """
    from zatlas.figures.paths import interpolation
    from zatlas.figures.sheets import four_corners
    from zatlas.figures.sheets import pair_rows as rows_of_pairs
    from zatlas.locate import default_anchors, locate_all

    workspace = open_workspace(run)
    result = locate_all(workspace, anchors) if anchors else default_anchors(workspace, 4 if corners else 2)
    if corners or pairs:
        if corners and len(result) != 4:
            raise BadRecipe(f"--corners takes four stops, not {len(result)}.")
        if pairs and len(result) % 2:
            raise BadRecipe(f"--pairs takes an even number of stops, not {len(result)}.")
        draw = four_corners if corners else rows_of_pairs
        figure = draw(workspace, result, theme=theme_of(dark))
        tell(figure, workspace, "corners" if corners else "pairs", out)
        return
    move = interpolation(workspace, result, method=method, closed=loop, even=even)
    name = "interpolation-" + "-".join(stop.name for stop in result) if anchors else "interpolation"
    tell_move(move, file_name(name), out, frames=frames, fps=fps, panel=panel, dark=dark)


@command
def traverse(
    run: Run,
    stop: Annotated[Positional[str | None], arg(metavar="STOP")] = None,
    *,
    axes: tuple[int, ...] = (),
    count: int = 10,
    by: str | None = None,
    extent: float | None = None,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Move along one axis at a time, those first that change the image most.

    Args:
        stop: Through which point, named as for interpolate; the most usual image if not said.
        axes: Which axes, rather than those that matter.
        count: How many axes.
        by: How far: quantile (of the prior), range (of the latents) or std.
        extent: With std: number of standard deviations to either side (default 2).
    """
    from zatlas.figures.paths import traversal
    from zatlas.locate import locate

    workspace = open_workspace(run)
    result = None if stop is None else locate(workspace, stop)
    move = traversal(workspace, result, dimensions=axes, count=count, by=by, extent=extent)
    tell_move(move, "traversal", out, frames=60, fps=30, panel="none", dark=dark)


@command
def attribute(
    run: Run,
    names: Annotated[Positional[tuple[str, ...]], arg(metavar="ATTRIBUTE ...")] = (),
    *,
    method: str = "mean_difference",
    without: UseAppendAction[tuple[str, ...]] = (),
    stop: UseAppendAction[tuple[str, ...]] = (),
    reach: float = 3.0,
    frames: int = 90,
    fps: int = 30,
    seed: int = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE|FOLDER")] = None,
) -> None:
    """Edit images by an attribute: a strip and a film from "not A" to "A", with what is known of the way.

    Args:
        names: Classes or attributes; every yes-or-no attribute if none is named. "Random" goes
            between two points of chance.
        way: mean_difference, median_difference or linear move images along a direction; medians and
            chart go from median to median.
        without: Leave this other attribute alone; may be given again.
        stop: Which image to edit, named as for interpolate; may be given again.
        reach: How far to either side, in spreads of the data.
        frames: Of the film.
        fps: Frames a second.
        seed: Of the held-out codes and the jitter.
        out: A file for one attribute, a folder for several.
    """
    from zatlas.figures.paths import attribute as attribute_move
    from zatlas.locate import locate_all

    workspace = open_workspace(run)
    wanted = names or _usual_attributes(workspace)
    if not wanted:
        raise BadRecipe("These images have no attributes and no classes to move along.")
    several = len(wanted) > 1
    if out is not None and several and out.suffix:
        raise BadRecipe(f"{len(wanted)} attributes do not fit into {out}: give a folder with --out.")
    anchors = locate_all(workspace, stop)
    files = file_names(f"attribute-{name}" for name in wanted)
    for name, file in zip(wanted, files, strict=True):
        move = attribute_move(
            workspace, name, method=method, anchors=anchors, without=without, reach=reach, seed=seed
        )
        place = out / f"{file}.gif" if out is not None and not out.suffix else out
        if place is not None and not (out and out.suffix):
            tell_move(move, file, place.with_suffix(".png"), frames=frames, fps=fps, panel="none", dark=dark)
        tell_move(move, file, place, frames=frames, fps=fps, panel="none", dark=dark)


def _usual_attributes(workspace: "Workspace") -> tuple[str, ...]:
    """The attributes that are true or false, or else the classes; those with too few images are left out."""
    from zatlas.core.progress import console
    from zatlas.directions.find import fittable_names, known_names
    from zatlas.latent.names import text_of

    result, left_out = fittable_names(workspace)
    if left_out:
        console().print(f"left out: {left_out}", soft_wrap=True, markup=False)
    known = known_names(workspace)
    flagged = [name for name in result if name.kind == "attribute"]
    return tuple(text_of(name, known, anchor=False) for name in flagged or result)


@command
def spiral(
    run: Run,
    *,
    turns: float = 4.0,
    extent: float = 2.0,
    x: Annotated[str | None, arg(metavar="FORMULA")] = None,
    y: Annotated[str | None, arg(metavar="FORMULA")] = None,
    even: bool = False,
    frames: int = 300,
    fps: int = 30,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Walk a spiral, or any formula, through the latent plane: a film with the place beside the image.

    Args:
        turns: Of the spiral.
        extent: How far out it ends.
        x: Instead of a spiral: a formula of t from 0 to 1, as "2*cos(4*pi*t)".
        y: The other one.
        even: Walk so that the picture changes at a steady pace.
        frames: Of the film.
        fps: Frames a second.
    """
    from zatlas.figures.paths import plane_walk
    from zatlas.latent.curves import spiral as spiral_curve
    from zatlas.latent.curves import trace
    from zatlas.latent.formula import plane_formula

    if (x is None) != (y is None):
        raise BadRecipe("A formula takes both --x and --y.")
    workspace = open_workspace(run)
    if x is not None and y is not None:
        plane, title = trace(plane_formula(x, y)), f"({x}, {y}) in {workspace.name}"
    else:
        plane, title = spiral_curve(turns=turns, extent=extent), f"A spiral in {workspace.name}"
    move = plane_walk(workspace, plane, title, even=even)
    place = out or workspace.run.gallery / "spiral.mp4"
    tell_move(move, "spiral", place, frames=frames, fps=fps, panel="prior", dark=dark)
