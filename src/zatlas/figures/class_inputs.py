"""The class in which a conditional model decodes each row and each frame of a figure."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Labels
from zatlas.latent.curves import Curve
from zatlas.latent.interpolation import interpolate_with_classes
from zatlas.locate import Anchor, interpolate
from zatlas.models.generator import ClassLabel, takes_class_weights
from zatlas.workspace import Workspace

MIXED = "between anchors it is a mix of both (interpolated one-hot weights)"
RowLabels = int | Sequence[int | None] | None  # one class for all rows of a figure, or one for each


def path_classes(
    workspace: Workspace, anchors: Sequence[Anchor], label: int | None = None
) -> tuple[int, ...] | None:
    """Return the class in which a conditional model decodes each anchor of a path; None for other models.

    `label` is one class for all of them. An anchor without a class, such as a random one, takes the class of
    the anchor before it; at the start, the class of the first anchor that has one.
    """
    if not workspace.generator.classes:
        return None
    present = [anchor.label for anchor in anchors if anchor.label is not None]
    current, result = present[0] if present else 0, []
    for anchor in anchors:
        current = current if anchor.label is None else anchor.label
        result.append(current if label is None else label)
    return tuple(result)


def repeated(label: RowLabels, columns: int) -> ClassLabel:
    """Return the class of each image of a figure, row by row, from the class of each row."""
    if label is None or isinstance(label, int):
        return label
    if all(each is None for each in label):
        return None
    return np.repeat([each or 0 for each in label], columns)


def cloud_classes(workspace: Workspace) -> Labels | None:
    """Return the class in which a conditional model decodes each latent of the cloud, if they have one."""
    return workspace.conditions(workspace.table("train").rows) if workspace.source.indexed else None


def interpolate_anchors(
    workspace: Workspace,
    anchors: Sequence[Anchor],
    method: str | None = None,
    *,
    closed: bool = False,
    constant_speed: bool = False,
    label: int | None = None,
) -> tuple[Curve, Curve | None]:
    """Return the curve through the anchors, and that of the class weights if the class changes on the way.

    `label` keeps one class on the whole path of a conditional model.
    """
    classes = path_classes(workspace, anchors, label)
    if classes is None or len(set(classes)) < 2:
        curve = interpolate(
            workspace,
            anchors,
            method,
            closed=closed,
            constant_speed=constant_speed,
            label=None if classes is None else classes[0],
        )
        return curve, None
    z = np.concatenate([anchor.latent for anchor in anchors])
    return interpolate_with_classes(
        workspace.generator, z, classes, method, closed=closed, constant_speed=constant_speed
    )


def default_label(workspace: Workspace, anchors: Sequence[Anchor]) -> int | None:
    """Return the class that a path through default anchors keeps: None if the model can mix classes."""
    classes = path_classes(workspace, anchors)
    if classes is None or len(set(classes)) < 2 or takes_class_weights(workspace.generator):
        return None
    return classes[0]


def class_caption(workspace: Workspace, classes: Sequence[int] | None, joined: str = " to ") -> str:
    """Return the line of a caption that says in which class, or between which classes, images are decoded."""
    if classes is None:
        return ""
    names = [workspace.generator.classes[number] for number in classes]
    if len(set(names)) == 1:
        return f"class: {names[0]}"
    return f"class: {joined.join(names)}; {MIXED}"
