"""Timelines as paths: the film of the keyframes that the explorer saved."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.errors import BadRecipe, ShapeError
from zatlas.directions.find import find_direction
from zatlas.directions.types import in_std, is_nonlinear
from zatlas.figures.paths import LatentPath, interpolation
from zatlas.latent.curves import Curve, lerp
from zatlas.latent.timeline import Timing, curve_times, duration, frame_count, frame_times
from zatlas.latent.timeline_file import Keyframe, Timeline
from zatlas.locate import Anchor, locate
from zatlas.workspace import Workspace

MAX_FRAMES = 100_000


def timeline_path(
    workspace: Workspace, timeline: Timeline, title: str, *, fps: float, label: int | None = None
) -> tuple[LatentPath, int]:
    """Return the path of a timeline, whose equal steps are the frames of its film, and their number."""
    timings, closed = timeline.timings, timeline.closed
    frames = frame_count(timings, closed, fps)
    if frames > MAX_FRAMES:
        raise BadRecipe(
            f"This timeline has {frames:,} frames, more than {MAX_FRAMES:,}. Lower --fps (in Python: fps=)."
        )
    workspace.generator.class_numbers(1, label)  # raises if images decode without a class
    anchors = [_anchor(workspace, keyframe) for keyframe in timeline.keyframes]
    path = interpolation(
        workspace,
        anchors,
        label,
        method=timeline.method,
        closed=closed,
        constant_speed=timeline.constant_rate,
    )
    marks = path.curves[0].named_times
    times = curve_times(timings, marks, closed, frame_times(timings, closed, frames))
    curve, *classes = (Curve(each(times), lerp) for each in (*path.curves, *path.classes))
    names = [anchor.title for anchor in anchors]
    starts, total = _starts(timings), duration(timings, closed)
    positions = tuple((min(start / total, 1.0), name) for start, name in zip(starts, names, strict=True))
    moved = replace(path, curves=(curve,), classes=tuple(classes), title=title, marks=positions)
    return moved, frames


def _starts(timings: Sequence[Timing]) -> list[float]:
    """Return the second at which each keyframe is reached."""
    lengths = [timing.hold + timing.seconds for timing in timings]
    return [sum(lengths[:index]) for index in range(len(timings))]


def _anchor(workspace: Workspace, keyframe: Keyframe) -> Anchor:
    """Return the latent of a keyframe, with its edits."""
    label = None
    if keyframe.label is not None:
        classes = workspace.generator.class_names
        if keyframe.label not in classes:
            raise BadRecipe(
                f'{workspace.name} has no class {keyframe.label!r}. Change "label" in the timeline.'
            )
        label = classes.index(keyframe.label)
    if keyframe.latent is not None:
        if len(keyframe.latent) != workspace.dim:
            raise ShapeError(
                f"A latent of this timeline has {len(keyframe.latent)} dimensions, and those of "
                f"{workspace.name} have {workspace.dim}. Use the run that the timeline was made with."
            )
        title = keyframe.anchor or "latent"
        return Anchor(title, np.array([keyframe.latent], np.float32), label=label, title=title)
    anchor = locate(workspace, keyframe.anchor, label)
    z = anchor.latent
    directions = [(in_std(find_direction(workspace, name)), by) for name, by in keyframe.edits.items()]
    for direction, amount in sorted(directions, key=lambda item: is_nonlinear(item[0])):
        z = direction.move(z, amount)
    return replace(anchor, latent=z, label=anchor.label if label is None else label)
