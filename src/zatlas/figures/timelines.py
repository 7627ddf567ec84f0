"""Timelines as files: the keyframes of a walk, which the page writes and a film is made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.errors import BadRecipe, NotFound, ShapeError
from zatlas.directions.find import find_direction
from zatlas.directions.types import in_std, is_nonlinear
from zatlas.figures.paths import LatentPath, interpolation
from zatlas.latent.curves import Curve, lerp
from zatlas.latent.timeline import Timing, curve_times, duration, frame_count, frame_times
from zatlas.locate import Anchor, locate
from zatlas.store import atomic, safe_paths
from zatlas.workspace import Workspace

FORMAT = 1  # of the file
FOLDER = "timelines"  # of a run
ENDING = ".json"
MAX_BYTES = 8 << 20
MAX_KEYFRAMES = 500
MAX_FRAMES = 100_000
SHAPES = ("lerp", "slerp", "spline", "geodesic")
KEYS = {"format", "method", "closed", "constant_rate", "keyframes"}
KEYFRAME_KEYS = {"anchor", "latent", "label", "hold", "seconds", "easing", "edits"}


@dataclass(frozen=True)
class Keyframe:
    """A keyframe: a latent, or an anchor with edits, and its timing."""

    anchor: str = ""
    latent: tuple[float, ...] | None = None  # with its edits
    label: str | None = None  # class of a conditional model
    edits: Mapping[str, float] = field(default_factory=dict)  # direction -> standard deviations
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class Timeline:
    """The keyframes of a walk, and the curve through them."""

    keyframes: tuple[Keyframe, ...]
    method: str | None = None  # None: the default of the latent space
    closed: bool = False
    constant_rate: bool = False

    @property
    def timings(self) -> list[Timing]:
        """The timing of each keyframe."""
        return [keyframe.timing for keyframe in self.keyframes]


def open_timeline(workspace: Workspace, name: str) -> Timeline:
    """Return the timeline of a file, or the one that the run saved under this name."""
    path = Path(name)
    if not path.is_file():
        folder = workspace.folder(FOLDER)
        saved = safe_paths.path(folder, safe_paths.file_name(name, ENDING))
        if not saved.is_file():
            names = ", ".join(saved_timelines(workspace)) or "none"
            raise NotFound(
                f"There is no file {name}, and no timeline of that name. Saved in this run: {names}."
            )
        path = saved
    if path.stat().st_size > MAX_BYTES:
        raise BadRecipe(
            f"{path} is larger than {MAX_BYTES >> 20} MB. Give a timeline that the explorer saved."
        )
    return parse_timeline(path.read_bytes(), str(path))


def saved_timelines(workspace: Workspace) -> list[str]:
    """Return the names of the timelines of a run."""
    folder = workspace.folder(FOLDER)
    return sorted(path.stem for path in folder.glob(f"*{ENDING}")) if folder.is_dir() else []


def save_timeline(workspace: Workspace, name: str, data: bytes) -> Path:
    """Save the bytes of a timeline in the run after checking them, and return the file."""
    parse_timeline(data, name)
    path = safe_paths.path(workspace.folder(FOLDER), safe_paths.file_name(name, ENDING))
    path.parent.mkdir(exist_ok=True)
    return atomic.write_file(path, data)


def parse_timeline(data: bytes, name: str) -> Timeline:
    """Return the timeline in the bytes of a file; an error names the keyframe and the key."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadRecipe(
            f'{name} is no timeline: it must be JSON with "format": {FORMAT}. Save one in the explorer.'
        )
    _check_keys(content, KEYS, name)
    rows = content.get("keyframes")
    if not isinstance(rows, list) or not 2 <= len(rows) <= MAX_KEYFRAMES:
        raise BadRecipe(f"{name} needs from 2 to {MAX_KEYFRAMES} keyframes.")
    method = content.get("method")
    if method is not None and method not in SHAPES:
        raise BadRecipe(f'{name}: "method" must be one of {", ".join(SHAPES)}, not {method!r}.')
    flags = [content.get(key, False) for key in ("closed", "constant_rate")]
    if not all(isinstance(flag, bool) for flag in flags):
        raise BadRecipe(f'{name}: "closed" and "constant_rate" must be true or false.')
    keyframes = tuple(_keyframe(row, f"{name}, keyframe {i + 1}") for i, row in enumerate(rows))
    return Timeline(keyframes, method, *flags)


def timeline_path(
    workspace: Workspace, timeline: Timeline, title: str, *, fps: float, label: int | None = None
) -> tuple[LatentPath, int]:
    """Return the path of a timeline, whose equal steps are the frames of its film, and their number."""
    timings, closed = timeline.timings, timeline.closed
    frames = frame_count(timings, closed, fps)
    if frames > MAX_FRAMES:
        raise BadRecipe(f"This timeline has {frames:,} frames, more than {MAX_FRAMES:,}. Lower --fps.")
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


def _keyframe(row: Any, name: str) -> Keyframe:
    """Return a keyframe of a file."""
    if not isinstance(row, dict):
        raise BadRecipe(f'{name} must be an object such as {{"anchor": "7", "seconds": 2}}.')
    _check_keys(row, KEYFRAME_KEYS, name)
    anchor, latent, label = row.get("anchor", ""), row.get("latent"), row.get("label")
    if not isinstance(anchor, str) or not (label is None or isinstance(label, str)):
        raise BadRecipe(f'{name}: "anchor" and "label" must be text.')
    if latent is None and not anchor:
        raise BadRecipe(f'{name} needs an "anchor" or a "latent".')
    if latent is not None and not (isinstance(latent, list) and all(map(_is_number, latent))):
        raise BadRecipe(f'{name}: "latent" must be a list of finite numbers.')
    edits = row.get("edits", {})
    if not isinstance(edits, dict) or not all(map(_is_number, edits.values())):
        raise BadRecipe(f'{name}: "edits" must give a number for each direction.')
    settings = {key: row[key] for key in ("hold", "seconds") if key in row}
    if not all(map(_is_number, settings.values())) or not isinstance(row.get("easing", ""), str):
        raise BadRecipe(f'{name}: "hold" and "seconds" must be numbers, and "easing" a text.')
    timing = Timing(**settings, **({"easing": row["easing"]} if "easing" in row else {}))
    return Keyframe(anchor, None if latent is None else tuple(map(float, latent)), label, edits, timing)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6


def _check_keys(content: Mapping[str, Any], allowed: set[str], name: str) -> None:
    if unknown := sorted(set(content) - allowed):
        raise BadRecipe(f"{name} has an unknown key {unknown[0]!r}. Known keys: {', '.join(sorted(allowed))}.")
