"""Edits of images by an attribute, as paths from "not A" to "A"."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Latents, Plane
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.direction_report import same_attribute
from zatlas.directions.estimate import ESTIMATORS
from zatlas.directions.evaluate import target_of
from zatlas.directions.find import find_direction, known_names, parse_property
from zatlas.directions.types import Direction, in_std
from zatlas.figures.paths import LatentPath
from zatlas.latent.attributes import pretty, title_of
from zatlas.latent.curves import Curve, lerp
from zatlas.latent.names import find
from zatlas.locate import Anchor, interpolate, locate, locate_all
from zatlas.workspace import Workspace

ATTRIBUTE_METHODS = (*ESTIMATORS, "medians", "chart")
MAX_STD = 3.0  # standard deviations to either side


def attribute(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    anchors: Sequence[Anchor] = (),
    orthogonal_to: Sequence[str] = (),
    reach: float = MAX_STD,
    seed: int = 0,
) -> LatentPath:
    """A path from "not A" to "A" (A6).

    mean_difference, median_difference and linear find a direction and move images along it. medians goes from
    the median latent of images without the attribute to that of images with it; chart does the same on the
    chart. Both ends are jittered by the median absolute deviation.
    """
    if method not in ATTRIBUTE_METHODS:
        raise UnknownName("method for an attribute", method, ATTRIBUTE_METHODS)
    if name == "Random" and find(name, known_names(workspace), anchor=False) is None:
        ends = locate_all(workspace, ["random", "random"])
        return LatentPath(workspace, (interpolate(workspace, ends),), (), f"Random in {workspace.name}")
    if method in ("medians", "chart"):
        curve = _on_chart(workspace, name, seed) if method == "chart" else _medians(workspace, name, seed)
        words = title_of(parse_property(workspace, name))
        title = f"From not {words} to {words} in {workspace.name}"
        return LatentPath(workspace, (curve,), (), title, note=_method_note(method))
    direction = in_std(find_direction(workspace, name, method=method, orthogonal_to=orthogonal_to, seed=seed))
    starts = list(anchors) or [
        locate(workspace, str(i)) for i in range(min(4, len(workspace.chart_table("test"))))
    ]
    curves = tuple(direction.walk(anchor.latent, -reach, reach) for anchor in starts)
    ends_named = ((0.0, f"-{reach:g} std"), (0.5, "unchanged"), (1.0, f"+{reach:g} std"))
    names = tuple(anchor.title for anchor in starts)
    title = f"{pretty(direction.name)} in {workspace.name}"
    classes = tuple(anchor.label for anchor in starts)
    return LatentPath(workspace, curves, names, title, ends_named, classes, quality(direction))


def quality(direction: Direction) -> str:
    """The quality of a direction in one line: AUC, error and side effects."""
    parts = []
    if direction.score is not None:
        s = direction.score
        parts.append(f"AUC on held-out latents {s.auc:.3f} ({s.low:.3f} to {s.high:.3f})")
        parts.append(f"random labels reach {s.random_limit:.3f}")
    if "mean_error" in direction.facts:
        parts.append(f"mean error of the targets {direction.facts['mean_error']:.3f}")
    if moved := side_effects(direction):
        parts.append(f"one std also moves {moved}")
    return "; ".join(parts)


def side_effects(direction: Direction, count: int = 3) -> str:
    """The other attributes that a direction moves most."""
    target, _ = target_of(direction, list(direction.side_effects))
    others = {k: v for k, v in direction.side_effects.items() if not same_attribute(k, target)}
    worst = sorted(others, key=lambda key: -abs(others[key]))[:count]
    return ", ".join(f"{pretty(key)} {others[key]:+.0%}" for key in worst)


def _medians(workspace: Workspace, name: str, seed: int) -> Curve:
    table = workspace.table("train")
    flags = workspace.flags(name, table.rows)
    ends = [_jittered(table.latents[flags == side], seed + side, name) for side in (False, True)]
    return Curve(np.concatenate(ends), lerp)


def _on_chart(workspace: Workspace, name: str, seed: int) -> Curve:
    chart = workspace.chart(supervise=name)
    assert chart.rows is not None  # charts of a run have rows
    flags = workspace.flags(name, chart.rows)
    ends = [_jittered(chart.positions[flags == side], seed + side, name) for side in (False, True)]
    positions: Plane = Curve(np.concatenate(ends), lerp).sample(49)
    return Curve(chart.inverse_transform(positions), lerp, anchor_times=(0.0, 1.0))


def _jittered(latents: Latents, seed: int, name: str) -> Latents:
    """The median of these latents plus normal noise scaled by their median absolute deviation."""
    if not len(latents):
        raise NotSupported(f"All images or none have {name!r}, so there is no path between them.")
    median = np.median(latents, axis=0, keepdims=True)
    scale = np.median(np.abs(latents - median), axis=0, keepdims=True)
    noise = stream(seed, "jitter").standard_normal(median.shape)
    return (median + scale * noise).astype(np.float32)


def _method_note(method: str) -> str:
    where = "on a chart supervised by it" if method == "chart" else "of the latents"
    return f"from median to median {where}, jittered by the median absolute deviation"
