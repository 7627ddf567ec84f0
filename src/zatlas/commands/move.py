"""Commands that move through the latent space of a run: strips and films."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from zatlas.commands.options import (
    IN_GALLERY,
    Anchors,
    ConstantSpeed,
    Dark,
    Frames,
    FramesPerSecond,
    Label,
    OrthogonalTo,
    OutputFile,
    Run,
    Seed,
)
from zatlas.commands.printing import class_of, message, open_workspace, print_figure, print_path, theme_of
from zatlas.commands.registration import command
from zatlas.core.errors import BadRecipe


@command("Move")
def interpolate(
    run: Run,
    anchors: Annotated[Positional[tuple[str, ...]], arg(metavar="[ANCHOR ...]")] = (),
    *,
    method: str | None = None,
    loop: bool = False,
    corners: bool = False,
    pairs: bool = False,
    constant_speed: ConstantSpeed = False,
    frames: Frames = 90,
    fps: FramesPerSecond = 30,
    panel: str = "none",
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Interpolate between images: a strip and a film.

    Args:
        anchors: Two or more: the number of a test image, a class or an attribute ("Sneaker", "class:4",
            "not Male", "Sneaker:3"), an image file, or random. (default: two classes)
        method: lerp, slerp, spline or geodesic. (default: depends on the latent space)
        loop: Return to the first anchor.
        corners: Draw a grid between four anchors instead.
        pairs: Draw a strip for each pair of anchors instead.
        panel: Show the moving latent on the prior or on the chart, next to the film.
    """
    from zatlas.figures import file_name
    from zatlas.figures.paths import interpolation
    from zatlas.figures.sheets import four_corners, pair_rows
    from zatlas.locate import default_anchors, locate_all

    workspace = open_workspace(run)
    result = locate_all(workspace, anchors) if anchors else default_anchors(workspace, 4 if corners else 2)
    if corners or pairs:
        if corners and len(result) != 4:
            raise BadRecipe(f"--corners takes four anchors, not {len(result)}.")
        if pairs and len(result) % 2:
            raise BadRecipe(f"--pairs takes an even number of anchors, not {len(result)}.")
        draw = four_corners if corners else pair_rows
        figure = draw(workspace, result, theme=theme_of(dark))
        print_figure(figure, workspace, "corners" if corners else "pairs", out)
        return
    path = interpolation(workspace, result, method=method, closed=loop, constant_speed=constant_speed)
    name = "interpolation-" + "-".join(anchor.name for anchor in result) if anchors else "interpolation"
    print_path(path, file_name(name), out, frames=frames, fps=fps, panel=panel, dark=dark)


@command("Move")
def traverse(
    run: Run,
    anchor: Annotated[Positional[str | None], arg(metavar="[ANCHOR]")] = None,
    *,
    dimensions: tuple[int, ...] = (),
    count: int = 10,
    by: str | None = None,
    extent: float | None = None,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Change one dimension at a time: a row for each.

    Args:
        anchor: Latent to start from, named as for interpolate. (default: the most typical image)
        dimensions: Dimensions to change. (default: those that change the image most)
        count: Number of dimensions.
        by: Scale: quantile (of the prior), range (of the latents) or std. (default: quantile, or range
            without a prior)
        extent: With --by std: standard deviations to either side. (default: 2)
    """
    from zatlas.figures.paths import traversal
    from zatlas.locate import locate

    workspace = open_workspace(run)
    start = None if anchor is None else locate(workspace, anchor)
    path = traversal(workspace, start, dimensions=dimensions, count=count, by=by, extent=extent)
    print_path(path, "traversal", out, frames=60, fps=30, panel="none", dark=dark)


@command("Move")
def path(
    run: Run,
    *,
    turns: float = 4.0,
    extent: float = 2.0,
    x: Annotated[str | None, arg(metavar="FORMULA")] = None,
    y: Annotated[str | None, arg(metavar="FORMULA")] = None,
    constant_speed: ConstantSpeed = False,
    frames: Frames = 300,
    fps: FramesPerSecond = 30,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Follow a spiral or a formula in a plane: a film.

    The film shows the position on the prior next to the decoded image.

    Args:
        turns: Number of turns of the spiral.
        extent: Radius of the spiral, in standard deviations.
        x: Formula of the first coordinate for t from 0 to 1, such as "2*cos(4*pi*t)".
        y: Formula of the second coordinate.
    """
    from zatlas.figures.paths import plane_walk
    from zatlas.latent.curves import parametric_curve, spiral
    from zatlas.latent.formula import plane_formula

    if (x is None) != (y is None):
        raise BadRecipe("A formula takes both --x and --y.")
    workspace = open_workspace(run)
    if x is not None and y is not None:
        plane, title = parametric_curve(plane_formula(x, y)), f"({x}, {y}) in {workspace.name}"
    else:
        plane, title = spiral(turns=turns, extent=extent), f"A spiral in {workspace.name}"
    result = plane_walk(workspace, plane, title, constant_speed=constant_speed)
    file = out or workspace.run.gallery / "path.mp4"
    print_path(result, "path", file, frames=frames, fps=fps, panel="prior", dark=dark)


@command("Move")
def edit(
    run: Run,
    names: Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME ...]")] = (),
    *,
    method: str = "mean_difference",
    orthogonal_to: OrthogonalTo = (),
    anchor: Anchors = (),
    reach: float = 3.0,
    jitter: float = 1.0,
    frames: Frames = 90,
    fps: FramesPerSecond = 30,
    seed: Seed = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE|FOLDER"), IN_GALLERY] = None,
) -> None:
    """Edit images by an attribute or direction: strip and film.

    Args:
        names: Classes, attributes or saved directions; "Random" moves between two random latents.
            (default: every boolean attribute, or every class)
        method: mean_difference, median_difference or linear move images along a direction; medians and
            chart move from a median without the attribute to one with it.
        anchor: Image to edit, named as for interpolate. Repeatable. (default: four test images)
        reach: Distance to either side, in standard deviations.
        jitter: Random offset of both ends of medians and chart, in median absolute deviations; 0 for none.
        out: Output file for one name, output folder for several. (default: the run's gallery)
    """
    from zatlas.directions.default_names import default_attributes
    from zatlas.figures import file_names
    from zatlas.figures.attribute_edits import attribute
    from zatlas.locate import locate_all

    workspace = open_workspace(run)
    if not names:
        names, omitted = default_attributes(workspace)
        if omitted:
            message(f"omitted: {omitted}")
    folder = out if out is not None and not out.suffix else None
    if out is not None and folder is None and len(names) > 1:
        raise BadRecipe(f"One file cannot hold {len(names)} edits. Give a folder with --out, not {out}.")
    anchors = locate_all(workspace, anchor)
    for name, file in zip(names, file_names(f"edit-{name}" for name in names), strict=True):
        result = attribute(
            workspace,
            name,
            method=method,
            anchors=anchors,
            orthogonal_to=orthogonal_to,
            reach=reach,
            jitter=jitter,
            seed=seed,
        )
        files = [out] if folder is None else [folder / f"{file}.png", folder / f"{file}.gif"]
        for each in files:
            print_path(result, file, each, frames=frames, fps=fps, panel="none", dark=dark)


@command("Move")
def arithmetic(
    run: Run,
    equation: Annotated[Positional[str | None], arg(metavar="[EQUATION]")] = None,
    *,
    label: Label = None,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Add and subtract latents, and draw the equation.

    Args:
        equation: Terms between + and -: attributes or classes ("Eyeglasses - not Eyeglasses + Smiling"),
            numbers of images ("3,14,15 - 9,26,5 + 35,8"), or image files. A term is the mean of its
            latents. (default: an equation of attributes or classes)
    """
    from zatlas.figures.geometry import arithmetic, default_equation

    workspace = open_workspace(run)
    text = default_equation(workspace) if equation is None else equation
    figure, result = arithmetic(workspace, text, label=class_of(workspace, label), theme=theme_of(dark))
    message(result)
    print_figure(figure, workspace, "arithmetic", out)
