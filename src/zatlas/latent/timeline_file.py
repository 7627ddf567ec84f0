"""Files of timelines: the keyframes of a walk, which the explorer saves and a film is made of."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadRecipe, NotFound, ZatlasError
from zatlas.latent.timeline import Timing
from zatlas.store import atomic, safe_paths

FORMAT = 1  # of the file
FOLDER = "timelines"  # of a run
ENDING = ".json"
MAX_BYTES = 8 << 20
MAX_KEYFRAMES = 500
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


def open_timeline(folder: Path, name: str) -> Timeline:
    """Return the timeline of a file, or the one of this name in the folder of a run."""
    path = Path(name)
    if not path.is_file():
        saved = safe_paths.path(folder, safe_paths.file_name(name, ENDING))
        if not saved.is_file():
            names = ", ".join(saved_timelines(folder)) or "none"
            raise NotFound(
                f"There is no file {name}, and no timeline of that name. Saved in this run: {names}."
            )
        path = saved
    if path.stat().st_size > MAX_BYTES:
        raise BadRecipe(
            f"{path} is larger than {MAX_BYTES >> 20} MB. Give a timeline that the explorer saved."
        )
    return parse_timeline(path.read_bytes(), str(path))


def saved_timelines(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the content of each valid timeline in the folder of a run, by name."""
    result = {}
    for path in sorted(folder.glob(f"*{ENDING}")) if folder.is_dir() else []:
        with suppress(ZatlasError, OSError):  # `zatlas path` says what is wrong with a file
            data = safe_paths.read_below(folder, path.name, limit=MAX_BYTES)
            parse_timeline(data, path.name)
            result[path.stem] = json.loads(data)
    return result


def save_timeline(folder: Path, name: str, data: bytes) -> Path:
    """Save the bytes of a timeline in the run after checking them, and return the file."""
    parse_timeline(data, name)
    path = safe_paths.path(folder, safe_paths.file_name(name, ENDING))
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
        raise BadRecipe(
            f"{name} has an unknown key {unknown[0]!r}. Known keys: {', '.join(sorted(allowed))}."
        )
