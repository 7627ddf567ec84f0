"""Types of arguments and options that several commands share."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

OPENS_RUN = "opens run"  # marks an argument whose run the command opens
IN_SPACE = "in space"  # marks an argument whose run the command opens in a latent space
IN_GALLERY = "in gallery"  # marks an output that lies in the run's gallery by default

WholeRun = Annotated[Positional[Path], arg(metavar="RUN", help="Run folder, or hf:owner/name."), OPENS_RUN]
Run = Annotated[WholeRun, IN_SPACE]
Runs = Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN ..."), OPENS_RUN, IN_SPACE]
OutputFile = Annotated[
    Path | None, arg(metavar="FILE", help="Output file. (default: a file in the run's gallery)"), IN_GALLERY
]
OutputFolder = Annotated[
    Path | None, arg(metavar="FOLDER", help="Output folder. (default: the run's gallery)"), IN_GALLERY
]
Dark = Annotated[bool, arg(help="Draw on a dark background.")]
Seed = Annotated[int, arg(help="Random seed.")]
Samples = Annotated[
    int | None, arg(metavar="N", help="Use at most this number of images. (default: what the method needs)")
]
Label = Annotated[str | None, arg(metavar="CLASS", help="Class to decode, for a conditional model.")]
Split = Annotated[Literal["train", "valid", "test"], arg(help="Split of the dataset.")]
Size = Annotated[
    int | None, arg(metavar="PIXELS", help="Resize and center-crop images to this side. (default: no change)")
]
FittedPrior = Annotated[
    Literal["mixture", "flow"] | None,
    arg(help="Sample from this prior, fitted to the latents. (default: the model's prior)"),
]
Dimensions = Annotated[
    tuple[int, int] | None,
    arg(metavar="I J", help="Two dimensions. (default: those that change the image most)"),
]
ColorBy = Annotated[
    str | None,
    arg(metavar="ATTRIBUTE", help="Attribute or class that colors the points. (default: the label)"),
]
Supervise = Annotated[
    str | None, arg(metavar="ATTRIBUTE", help='Attribute, class or "label" that supervises the layout.')
]
Names = UseAppendAction[tuple[str, ...]]
Anchors = Annotated[Names, arg(metavar="ANCHOR")]
OtherSpaces = Annotated[Names, arg(metavar="NAME")]
OrthogonalTo = Annotated[Names, arg(metavar="NAME", help="Keep this attribute unchanged. Repeatable.")]
Layout = Annotated[
    str | None,
    arg(
        help="Layout: grid_umap, grid_tsne, umap, pca or dimensions. (default: grid_umap; in 2-D, dimensions)"
    ),
]
Steps = Annotated[int, arg(help="Number of images in a row of the strip.")]
UsedLayout = Annotated[
    str | None, arg(help="Use a chart with this layout. (default: the chart that zatlas chart made last)")
]
LayoutSettings = Annotated[
    Names,
    arg(
        metavar="NAME=VALUE",
        help="A setting of the layout, such as n_neighbors=25 or min_dist=0.1. Repeatable.",
    ),
]
Frames = Annotated[int, arg(help="Number of frames of the film.")]
FramesPerSecond = Annotated[int, arg(help="Frames per second of the film.")]
FilmSize = Annotated[
    int | None,
    arg(
        metavar="PIXELS", help="Longer side of the image in the film. (default: 256 or more, enlarged evenly)"
    ),
]
ConstantSpeed = Annotated[bool, arg(help="Move so that the image changes at a constant speed.")]


def with_flags(
    wrapper: Callable[..., None],
    function: Callable[..., None],
    flags: Mapping[str, Any],
    default: bool | str = False,
) -> Callable[..., None]:
    """Give a wrapper of a command the options of the command and these flags, where tyro reads them."""
    form = signature(function)
    extra = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind in flags.items()
    ]
    parameters = [*form.parameters.values(), *extra]
    wrapper.__signature__ = form.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {**function.__annotations__, **flags}
    del wrapper.__wrapped__  # type: ignore[attr-defined]  # tyro would read its annotations instead
    return wrapper
