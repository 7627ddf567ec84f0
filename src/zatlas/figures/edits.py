"""Ways to steer, as strips: several starting points, amounts across, and what is measured over each image."""

from collections.abc import Callable, Sequence

import numpy as np

from zatlas.core.arrays import Images, Values
from zatlas.directions.types import Direction, FieldDirection
from zatlas.figures.paths import LatentPath, quality
from zatlas.latent.attributes import pretty
from zatlas.locate import Anchor
from zatlas.render.canvas import Canvas
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

ImageReader = Callable[[Images], Values]  # of a row of images, the middle one as it was: a number each

MAX_STD = 3.0  # spreads to either side
COLUMNS = 7


def amount_range(way: Direction, most: float = MAX_STD) -> tuple[float, float]:
    """From where to where it is shown: all of a way with a scale, some spreads of another."""
    if isinstance(way, FieldDirection) and way.scale is not None:
        return float(way.scale[0][0]), float(way.scale[0][-1])
    return -most, most


def edit_strip(
    workspace: Workspace,
    way: Direction,
    starts: Sequence[Anchor],
    read: ImageReader,
    *,
    told: str,
    reach: float = MAX_STD,
    columns: int = COLUMNS,
    label: int | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """Starting points down, amounts across; over each image what is read of it."""
    low, high = amount_range(way, reach)
    half = columns // 2
    amounts = np.concatenate([np.linspace(low, 0, half + 1), np.linspace(0, high, half + 1)[1:]])
    rows = [way.move(np.repeat(s.point, len(amounts), axis=0), amounts) for s in starts]
    z = np.concatenate(rows).astype(np.float32)
    images = workspace.decode(z, label)
    numbers = [read(images[i : i + len(amounts)]) for i in range(0, len(images), len(amounts))]
    return strip(
        images,
        columns=len(amounts),
        rows=[s.title for s in starts],
        theme=theme,
        heads=[f"{number:.2f}" for number in np.concatenate(numbers)],
        title=f"{pretty(way.name)} in {workspace.name}, from {low:+.2g} to {high:+.2g}",
        note="; ".join(part for part in (f"over each image: {told}", quality(way)) if part),
        far=workspace.density.far(z),
    )


def edit_path(
    workspace: Workspace, way: Direction, start: Anchor, reach: float = MAX_STD, label: int | None = None
) -> LatentPath:
    """The same way through one point, to be drawn as a film."""
    curve = way.walk(start.point, *amount_range(way, reach))
    return LatentPath(workspace, (curve,), (start.title,), pretty(way.name), label=label)


def pixel_change(images: Images) -> Values:
    """How much of a pixel has changed on the whole since the image in the middle."""
    middle = images[len(images) // 2]
    return np.abs(images - middle).mean(axis=(1, 2, 3)).astype(np.float32)
