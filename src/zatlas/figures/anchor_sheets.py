"""Sheets of several anchors: corners, pairs, one anchor to every class, and each anchor in every class."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import BadData, BadRecipe, NotSupported
from zatlas.figures.class_inputs import MIXED, class_caption, path_classes
from zatlas.figures.paths import COLUMNS, LatentPath, interpolation
from zatlas.latent.curves import Curve, default_blend, lerp
from zatlas.latent.grids import corners as between_corners
from zatlas.latent.interpolation import one_hot_rows
from zatlas.locate import Anchor, class_text, classes_with_images, default_anchors, locate
from zatlas.models.generator import ClassLabel
from zatlas.render.canvas import Canvas
from zatlas.render.pixels import as_color, blank
from zatlas.render.sheet import sheet
from zatlas.render.strip import ORIGINAL
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

MAX_CLASSES = 30  # columns of a sheet of classes
DEFAULT_ROWS = 6  # anchors of a sheet of classes
DISTANCE_NOTE = "lines: distance from the data, from near (thin, blue) to outside (thick, red)"
OWN_CLASSES = f"class: in each row from that of its first image to that of its last; {MIXED}"


def four_corners(
    workspace: Workspace,
    anchors: Sequence[Anchor],
    n: int = 9,
    *,
    label: int | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """Interpolations between four images at the corners of a grid (E4), beside the original images.

    A conditional model decodes each corner in its own class, or all images in the class `label`.
    """
    blend = default_blend(workspace.generator.space)
    z = between_corners(np.concatenate([anchor.latent for anchor in anchors]), n, blend)
    classes = path_classes(workspace, anchors, label)
    inputs: ClassLabel = None if classes is None else classes[0]
    if classes is not None and len(set(classes)) > 1:
        inputs = between_corners(one_hot_rows(classes, len(workspace.generator.classes)), n, lerp)
    images, heads = workspace.decode(z, inputs), []
    if any(anchor.image is not None for anchor in anchors):
        images = _beside_originals(images, [anchor.image for anchor in anchors], n, theme)
        heads = [ORIGINAL, *[""] * n, ORIGINAL]
    names = ", ".join(anchor.title for anchor in anchors)
    caption = class_caption(workspace, classes, ", ")
    return sheet(
        images,
        len(images) // n,
        heads=heads,
        theme=theme,
        title=f"Interpolations between four images of {workspace.name}",
        note=f"top left, top right, bottom left, bottom right: {names}" + (caption and f"; {caption}"),
    )


def pair_rows(
    workspace: Workspace,
    anchors: Sequence[Anchor],
    columns: int = COLUMNS,
    *,
    method: str | None = None,
    label: int | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """Interpolations between consecutive pairs of anchors, a pair per row (E4), with the original images."""
    pairs = list(zip(anchors[0::2], anchors[1::2], strict=True))
    paths = [
        replace(
            interpolation(workspace, pair, method=method, label=label), ends=((pair[0].image, pair[1].image),)
        )
        for pair in pairs
    ]
    names = [f"{a.title} to {b.title}" for a, b in pairs]
    rows = together(paths, names, f"Interpolations in {workspace.name}")
    note = "; ".join(text for text in (rows.note, DISTANCE_NOTE) if text)
    return replace(rows, note=note).strip(columns, theme=theme)


def to_all_classes(
    workspace: Workspace,
    anchor: Anchor,
    label: int | None = None,
    *,
    method: str | None = None,
    constant_speed: bool = False,
) -> list[LatentPath]:
    """A path from the anchor to a typical image of every other class (C4), in the order of the classes.

    Where images have no latents, a conditional model decodes the latent of the anchor in the other classes.
    """
    if workspace.generator.classes and not workspace.source.indexed:
        anchor = replace(anchor, label=anchor.label or 0)
    others = _of_other_classes(workspace, anchor)
    if not others:
        raise BadData(f"{workspace.name} has no images of other classes. Name the anchors of a path instead.")
    paths = [
        interpolation(workspace, [anchor, other], method=method, constant_speed=constant_speed, label=label)
        for other in others
    ]
    return [
        replace(path, names=(path.title,), ends=((anchor.image, other.image),))
        for path, other in zip(paths, others, strict=True)
    ]


def together(paths: Sequence[LatentPath], names: Sequence[str], title: str) -> LatentPath:
    """Several paths as the rows of one strip."""
    notes = {path.note for path in paths}
    changing = any(path.classes for path in paths)
    return replace(
        paths[0],
        curves=tuple(path.curves[0] for path in paths),
        names=tuple(names),
        title=title,
        marks=(),
        label=tuple(path.label if isinstance(path.label, int) else None for path in paths),
        note=notes.pop() if len(notes) == 1 else OWN_CLASSES,
        classes=tuple(map(_class_weights, paths)) if changing else (),
        ends=tuple(end for path in paths for end in path.ends),
    )


def class_sheet(
    workspace: Workspace,
    anchors: Sequence[Anchor] | None = None,
    *,
    label: int | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """The latent of each anchor, decoded in every class of a conditional model (C6): "this style as a 7".

    `label` is the class of anchors that are image files, so it is refused without anchors.
    """
    if label is not None and anchors is None:
        raise BadRecipe(
            "A grid by class decodes every class, so it takes no class without anchors. Omit the label "
            "(--label; in Python: label=)."
        )
    classes = workspace.generator.classes
    if not classes:
        raise NotSupported(
            f"{workspace.name} is not a conditional model, so it cannot decode a latent in another class."
        )
    anchors = default_anchors(workspace, DEFAULT_ROWS) if anchors is None else anchors
    numbers = np.arange(min(len(classes), MAX_CLASSES))
    z = np.repeat(np.concatenate([anchor.latent for anchor in anchors]), len(numbers), axis=0)
    images = workspace.decode(z, np.tile(numbers, len(anchors)))
    heads = [classes[number] for number in numbers]
    if any(anchor.image is not None for anchor in anchors):
        empty = blank(images, theme)
        rows = as_color(images).reshape(len(anchors), len(numbers), *as_color(images).shape[1:])
        originals = [empty if a.image is None else as_color(a.image) for a in anchors]
        images = np.concatenate([np.concatenate(pair) for pair in zip(originals, rows, strict=True)])
        heads = [ORIGINAL, *heads]
    more = f"; the first {len(numbers)} of {len(classes)} classes" if len(classes) > len(numbers) else ""
    return sheet(
        images,
        len(heads),
        rows=[anchor.title for anchor in anchors],
        heads=heads,
        theme=theme,
        title=f"One latent in every class of {workspace.name}",
        note=f"each row: one latent; each column: the class in which it is decoded{more}",
    )


def _of_other_classes(workspace: Workspace, anchor: Anchor) -> list[Anchor]:
    if workspace.source.indexed:
        own = None if anchor.label is None else workspace.dataset.classes[anchor.label]
        names = [name for name in classes_with_images(workspace) if name != own]
        return [locate(workspace, class_text(workspace, name)) for name in names]
    classes = enumerate(workspace.generator.classes)
    return [
        Anchor(name, anchor.latent, None, number, name) for number, name in classes if number != anchor.label
    ]


def _class_weights(path: LatentPath) -> Curve:
    """The class weights along a path, also if its class stays the same."""
    if path.classes:
        return path.classes[0]
    number = path.label if isinstance(path.label, int) else 0
    return Curve(one_hot_rows([number, number], len(path.workspace.generator.classes)), lerp)


def _beside_originals(images: Images, originals: Sequence[Images | None], n: int, theme: Theme) -> Images:
    """Add a column at each side of the grid, with the originals beside the four corners."""
    empty = blank(images, theme)
    tiles = [empty if image is None else as_color(image) for image in originals]
    sides = np.tile(empty[None], (n, 2, 1, 1, 1, 1))  # rows, left and right
    for tile, (row, side) in zip(tiles, ((0, 0), (0, 1), (n - 1, 0), (n - 1, 1)), strict=True):
        sides[row, side] = tile
    rows = as_color(images).reshape(n, n, *as_color(images).shape[1:])
    return np.concatenate(
        [np.concatenate([left, row, right]) for (left, right), row in zip(sides, rows, strict=True)]
    )
