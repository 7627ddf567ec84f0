"""Commands that move through the latent space of a run: strips and films."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from zatlas.commands.options import (
    IN_GALLERY,
    Anchors,
    ConstantSpeed,
    Dark,
    FilmSize,
    Frames,
    FramesPerSecond,
    Label,
    Names,
    OrthogonalTo,
    OutputFile,
    Run,
    Seed,
    Steps,
)
from zatlas.commands.output import print_result
from zatlas.commands.printing import (
    FilmSettings,
    class_of,
    message,
    open_workspace,
    print_figure,
    print_limits,
    print_path,
    theme_of,
)
from zatlas.commands.registration import command
from zatlas.core.errors import BadRecipe

if TYPE_CHECKING:
    from zatlas.figures.paths import LatentPath


@command("Move")
def interpolate(
    run: Run,
    anchors: Annotated[Positional[tuple[str, ...]], arg(metavar="[ANCHOR ...]")] = (),
    *,
    method: str | None = None,
    loop: bool = False,
    corners: bool = False,
    pairs: bool = False,
    to_all: bool = False,
    label: Annotated[str | None, arg(metavar="CLASS")] = None,
    constant_speed: ConstantSpeed = False,
    steps: Steps = 11,
    frames: Frames = 90,
    fps: FramesPerSecond = 30,
    panel: str = "none",
    seed: Annotated[int, arg(help="Seed of the first anchor named random; the next ones count up.")] = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE|FOLDER"), IN_GALLERY] = None,
) -> None:
    """Interpolate between images: a strip and a film.

    A conditional model morphs the class between anchors of different classes.

    Args:
        anchors: Two or more: the number of a test image, a class or an attribute ("Sneaker", "class:4",
            "not Male", "Sneaker:3"), an image file, or random. (default: two classes)
        method: lerp, slerp, spline or geodesic. (default: depends on the latent space)
        loop: Return to the first anchor.
        corners: Draw a grid between four anchors instead.
        pairs: Draw a strip for each pair of anchors instead.
        to_all: From one anchor to every other class: a film for each, and one strip of all.
        label: Class of a conditional model for the whole path. (default: the class of each anchor)
        panel: Show the moving latent on the prior or on the chart, next to the film.
        out: Output file; with --to-all, folder of the films. (default: the run's gallery)
    """
    from zatlas.figures import file_name
    from zatlas.figures.anchor_sheets import four_corners, pair_rows, to_all_classes
    from zatlas.figures.class_inputs import default_label
    from zatlas.figures.paths import interpolation
    from zatlas.locate import default_anchors, locate_all

    workspace = open_workspace(run)
    number, theme, count = class_of(workspace, label), theme_of(dark), 4 if corners else 1 if to_all else 2
    if anchors:
        located = locate_all(workspace, anchors, seed=seed, label=number)
    else:
        located = default_anchors(workspace, count, number)
        number = default_label(workspace, located) if number is None else number
    _check_count(len(located), corners, pairs, to_all)
    if corners:
        print_figure(four_corners(workspace, located, label=number, theme=theme), workspace, "corners", out)
        return
    if pairs:
        figure = pair_rows(workspace, located, steps, method=method, label=number, theme=theme)
        print_figure(figure, workspace, "pairs", out)
        return
    settings: FilmSettings = {"columns": steps, "frames": frames, "fps": fps, "panel": panel, "dark": dark}
    names = "-".join(anchor.name for anchor in located)
    speed = constant_speed
    if to_all:
        paths = to_all_classes(workspace, located[0], number, method=method, constant_speed=speed)
        _print_all(paths, f"interpolation-{names}-to", out, settings)
        return
    path = interpolation(workspace, located, number, method=method, closed=loop, constant_speed=speed)
    print_path(path, file_name(f"interpolation-{names}" if anchors else "interpolation"), out, **settings)


def _check_count(count: int, corners: bool, pairs: bool, to_all: bool) -> None:
    """Raise an error if there are too few or too many anchors for this figure."""
    if corners + pairs + to_all > 1:
        raise BadRecipe("--corners, --pairs and --to-all are different figures. Give one of them.")
    if corners and count != 4:
        raise BadRecipe(f"--corners takes four anchors, not {count}.")
    if pairs and count % 2:
        raise BadRecipe(f"--pairs takes an even number of anchors, not {count}.")
    if to_all and count != 1:
        raise BadRecipe(f"--to-all takes one anchor, not {count}.")


def _print_all(paths: "list[LatentPath]", name: str, out: Path | None, settings: "FilmSettings") -> None:
    """Save a film of each path and one strip of all; only the strip, if `out` is a file."""
    from zatlas.figures import file_name, file_names
    from zatlas.figures.anchor_sheets import together
    from zatlas.render.pixels import save

    folder = paths[0].workspace.gallery if out is None else out
    if out is None or not out.suffix:
        texts = [f"{name}-{path.marks[-1][1]}" for path in paths]
        for path, file in zip(paths, file_names(texts), strict=True):
            print_path(path, file, folder / f"{file}.gif", **settings)
    sheet_file = out if out is not None and out.suffix else folder / f"{file_name(name)}-all.png"
    start = paths[0].marks[0][1]
    names = [f"{start} to {path.marks[-1][1]}" for path in paths]
    sheet = together(paths, names, f"From {start} to every other class in {paths[0].workspace.name}")
    print_result(save(sheet.strip(settings["columns"], theme=theme_of(settings["dark"])), sheet_file))


@command("Move")
def traverse(
    run: Run,
    anchor: Annotated[Positional[str | None], arg(metavar="[ANCHOR]")] = None,
    *,
    dimensions: tuple[int, ...] = (),
    count: int = 10,
    by: str | None = None,
    extent: float | None = None,
    label: Label = None,
    steps: Steps = 11,
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
    number = class_of(workspace, label)
    start = None if anchor is None else locate(workspace, anchor, number)
    path = traversal(workspace, start, dimensions=dimensions, count=count, by=by, extent=extent, label=number)
    print_path(path, "traversal", out, columns=steps, frames=60, fps=30, panel="none", dark=dark)


@command("Move")
def path(
    run: Run,
    *,
    turns: float = 4.0,
    extent: float = 2.0,
    x: Annotated[str | None, arg(metavar="FORMULA")] = None,
    y: Annotated[str | None, arg(metavar="FORMULA")] = None,
    z: Annotated[Names, arg(metavar="FORMULA")] = (),
    label: Label = None,
    timeline: Annotated[str | None, arg(metavar="FILE|NAME")] = None,
    constant_speed: ConstantSpeed = False,
    frames: Frames = 300,
    fps: FramesPerSecond = 30,
    size: FilmSize = None,
    panel: str = "prior",
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Follow a spiral, a formula or a timeline: a film.

    The film shows the position on the prior next to the decoded image.

    Args:
        turns: Number of turns of the spiral.
        extent: Radius of the spiral, in standard deviations.
        x: Formula of the first coordinate in a plane for t from 0 to 1, such as "2*cos(4*pi*t)".
        y: Formula of the second coordinate.
        z: Formula of all dimensions, of t and the dimension i from 0 on, such as "2*cos(2*pi*t + i)". Repeat
            it to give one formula for each dimension.
        timeline: Keyframes that the explorer saved, in a file or in the run. They set the number of frames.
        panel: Show the position on the prior or on the chart next to the image, or none.
    """
    from zatlas.figures import file_name
    from zatlas.figures.paths import curve_walk, plane_walk
    from zatlas.figures.timelines import timeline_path
    from zatlas.latent.curves import parametric_curve, spiral
    from zatlas.latent.formula import latent_formula, plane_formula
    from zatlas.latent.timeline_file import FOLDER, open_timeline
    from zatlas.render.moving import default_ending

    _check_path(x, y, z, timeline)
    workspace = open_workspace(run)
    number = class_of(workspace, label)
    if timeline is not None:
        keyframes, title = (
            open_timeline(workspace.folder(FOLDER), timeline),
            f"{Path(timeline).stem} in {workspace.name}",
        )
        result, frames = timeline_path(workspace, keyframes, title, fps=fps, label=number)
    elif z:
        curve = parametric_curve(latent_formula(z, workspace.dim), dim=workspace.dim)
        title = f"({', '.join(z)}) in {workspace.name}"
        result = curve_walk(workspace, curve, title, constant_speed=constant_speed, label=number)
    else:
        if x is not None and y is not None:
            plane, title = parametric_curve(plane_formula(x, y)), f"({x}, {y}) in {workspace.name}"
        else:
            plane, title = spiral(turns=turns, extent=extent), f"A spiral in {workspace.name}"
        result = plane_walk(workspace, plane, title, constant_speed=constant_speed, label=number)
    name = "path" if timeline is None else file_name(f"timeline-{Path(timeline).stem}")
    file = out or workspace.gallery / f"{name}{default_ending()}"
    print_path(result, name, file, frames=frames, fps=fps, panel=panel, dark=dark, size=size)


def _check_path(x: str | None, y: str | None, z: tuple[str, ...], timeline: str | None) -> None:
    """Raise an error unless the options of `path` name one curve."""
    if (x is None) != (y is None):
        raise BadRecipe("A formula takes both --x and --y.")
    if x is not None and z:
        raise BadRecipe("Give --x and --y for a plane, or --z for all dimensions, not both.")
    if timeline is not None and (x is not None or z):
        raise BadRecipe("Give --timeline or a formula, not both.")


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
    layers: Annotated[str, arg(metavar="RANGE", help_behavior_hint="")] = "",
    label: Label = None,
    frames: Frames = 90,
    fps: FramesPerSecond = 30,
    seed: Seed = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FILE|FOLDER"), IN_GALLERY] = None,
) -> None:
    """Edit images by an attribute or direction: strip and film.

    Args:
        names: Classes, attributes ("Smiling", "hair=gray", "age>40") or saved directions; "Random" moves
            between two random latents. (default: every boolean attribute, else every class and attribute)
        method: mean_difference, median_difference or linear move images along a direction; medians and
            chart move from a median without the attribute to one with it.
        anchor: Image to edit, named as for interpolate. Repeatable. (default: four test images)
        reach: Distance to either side, in standard deviations.
        jitter: Random offset of both ends of medians and chart, in median absolute deviations; 0 for none.
        layers: Move only these layers of a StyleGAN: coarse, medium, fine or as 0-3. The direction is one
            of w or w+. (default: all)
        out: Output file for one name, output folder for several. (default: the run's gallery)
    """
    from zatlas.directions.default_names import default_attributes
    from zatlas.figures import file_names
    from zatlas.figures.attribute_edits import attribute
    from zatlas.figures.style_sheets import layered
    from zatlas.locate import locate_all

    workspace = open_workspace(run)
    if not names:
        names, omitted = default_attributes(workspace)
        if omitted:
            message(f"omitted: {omitted}")
    folder = out if out is not None and not out.suffix else None
    if out is not None and folder is None and len(names) > 1:
        raise BadRecipe(f"One file cannot hold {len(names)} edits. Give a folder with --out, not {out}.")
    anchors = locate_all(layered(workspace) if layers else workspace, anchor)
    print_limits(workspace, names)
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
            label=class_of(workspace, label),
            layers=layers,
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

    zatlas prints the distance of the result from the data, and what is nearest to it.

    Args:
        equation: Terms between + and -: attributes or classes ("Eyeglasses - not Eyeglasses + Smiling"),
            numbers of images, or of a GAN's samples ("3,14,15 - 9,26,5 + 35,8"), samples by number
            ("random:3,random:5"), or image files. A term is the mean of its latents. (default: an equation
            of attributes or classes)
    """
    from zatlas.figures.geometry import arithmetic, default_equation

    workspace = open_workspace(run)
    text = default_equation(workspace) if equation is None else equation
    figure, result = arithmetic(workspace, text, label=class_of(workspace, label), theme=theme_of(dark))
    message(result)
    print_figure(figure, workspace, "arithmetic", out)


@command("Move")
def mix(
    run: Run,
    sources: Annotated[Positional[tuple[str, ...]], arg(metavar="[SOURCE ...]")] = (),
    *,
    into: Anchors = (),
    layers: Annotated[Names, arg(metavar="RANGE")] = (),
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Mix the styles of images: layers of one in another.

    The grid has a destination in each row and a source in each column.

    Args:
        sources: Images that give layers, named as for interpolate. (default: five samples)
        into: Destination that takes the layers. Repeatable. (default: two samples)
        layers: Layers to take: coarse, medium, fine or as 0-3. Repeatable. (default: coarse, medium, fine)
    """
    from zatlas.figures.style_sheets import layered, mixing_sheet
    from zatlas.locate import locate_all

    workspace = layered(open_workspace(run))
    located = (locate_all(workspace, names) for names in (sources, into))
    figure = mixing_sheet(workspace, *located, layers=layers, theme=theme_of(dark))
    print_figure(figure, workspace, "mixing", out)
