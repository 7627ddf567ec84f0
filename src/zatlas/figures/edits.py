"""Strips of edits along a direction: starting images in rows, amounts in columns."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from zatlas.core.arrays import Images, Values
from zatlas.directions.image_edits import EDITS, measure_edit
from zatlas.directions.types import Direction, FieldDirection
from zatlas.figures.attribute_edits import quality
from zatlas.figures.class_inputs import repeated
from zatlas.figures.paths import LatentPath
from zatlas.latent.attributes import pretty
from zatlas.locate import Anchor, anchor_label, default_anchors
from zatlas.models.classifier import Classifier
from zatlas.render.canvas import Canvas
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

ImageReader = Callable[[Images], Values]  # images of a row, the middle one unchanged -> a number each

MAX_STD = 3.0  # standard deviations to either side
COLUMNS = 7
STRIP_ROWS = 4  # starting images of a strip


def amount_range(direction: Direction, default: float = MAX_STD) -> tuple[float, float]:
    """The range of amounts to show: the direction's scale, or `default` std to either side without one."""
    if isinstance(direction, FieldDirection) and direction.scale is not None:
        return float(direction.scale[0][0]), float(direction.scale[0][-1])
    return -default, default


def edit_strip(
    workspace: Workspace,
    direction: Direction,
    starts: Sequence[Anchor],
    read_images: ImageReader,
    *,
    measure: str,
    reach: float = MAX_STD,
    columns: int = COLUMNS,
    label: int | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """A row per starting latent, a column per amount; above each image what `read_images` returns for it."""
    low, high = amount_range(direction, reach)
    half = columns // 2
    amounts = np.concatenate([np.linspace(low, 0, half + 1), np.linspace(0, high, half + 1)[1:]])
    rows = [direction.move(np.repeat(s.latent, len(amounts), axis=0), amounts) for s in starts]
    z = np.concatenate(rows).astype(np.float32)
    labels = [anchor_label(workspace, start) if label is None else label for start in starts]
    images = workspace.decode(z, repeated(labels, len(amounts)))
    numbers = [read_images(images[i : i + len(amounts)]) for i in range(0, len(images), len(amounts))]
    return strip(
        images,
        columns=len(amounts),
        rows=[s.title for s in starts],
        theme=theme,
        heads=[f"{number:.2f}" for number in np.concatenate(numbers)],
        title=f"{pretty(direction.name)} in {workspace.name}, from {low:+.2g} to {high:+.2g}",
        note="; ".join(part for part in (f"above each image: {measure}", quality(direction)) if part),
        far=workspace.density.relative_distance(z),
    )


def unlabelled_strip(workspace: Workspace, direction: Direction, *, theme: Theme = LIGHT) -> Canvas:
    """The strip of a direction that a method found without labels, from the default anchors."""
    starts, measure = default_anchors(workspace, STRIP_ROWS), "mean change of the pixels"
    return edit_strip(workspace, direction, starts, pixel_change, measure=measure, theme=theme)


def edit_path(
    workspace: Workspace,
    direction: Direction,
    start: Anchor,
    reach: float = MAX_STD,
    label: int | None = None,
) -> LatentPath:
    """The path along a direction through one latent, for a film."""
    curve = direction.walk(start.latent, *amount_range(direction, reach))
    number = anchor_label(workspace, start) if label is None else label
    return LatentPath(workspace, (curve,), (start.title,), pretty(direction.name), label=number)


def image_reader(name: str, method: str, classifier: Classifier | None) -> tuple[ImageReader, str]:
    """Return what to measure on images along a direction, and its title.

    It is the output of the classifier, the amount of a `transform` edit, or else the change of the pixels.
    """
    if classifier is not None and name in classifier.names:
        output = classifier.select([name])
        return lambda images: output.predict(images)[:, 0], f"{name}, by the classifier"
    if method != "transform":
        return pixel_change, "mean change of the pixels"
    edit = EDITS[name]

    def measure(images: Images) -> Values:
        after = torch.from_numpy(images)
        before = after[len(after) // 2].expand_as(after)
        return measure_edit(edit, before, after)[0].numpy()

    return measure, f"measured {name}, {edit.unit}"


def pixel_change(images: Images) -> Values:
    """The mean pixel change relative to the image in the middle."""
    reference = images[len(images) // 2]
    return np.abs(images - reference).mean(axis=(1, 2, 3)).astype(np.float32)
