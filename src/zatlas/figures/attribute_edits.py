"""Edits of images by an attribute, as paths from "not A" to "A"."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.space import MappedSpace
from zatlas.directions.direction_report import same_attribute
from zatlas.directions.estimate import ESTIMATORS
from zatlas.directions.evaluate import target_of
from zatlas.directions.find import find_direction, known_names, parse_property
from zatlas.directions.layers import LayerRange, in_layers
from zatlas.directions.types import Direction, LinearDirection, in_std
from zatlas.figures import captions
from zatlas.figures.attribute_medians import JITTER, path_of_medians, path_on_chart
from zatlas.figures.class_inputs import class_caption
from zatlas.figures.paths import LatentPath
from zatlas.figures.style_sheets import layered
from zatlas.latent.attributes import pretty, title_of
from zatlas.latent.names import find
from zatlas.locate import Anchor, anchor_label, interpolate, locate, locate_all
from zatlas.workspace import Workspace

MEDIAN_METHODS = {"medians": path_of_medians, "chart": path_on_chart}
ATTRIBUTE_METHODS = (*ESTIMATORS, *MEDIAN_METHODS)
MAX_STD = 3.0  # standard deviations to either side


def attribute(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    anchors: Sequence[Anchor] = (),
    orthogonal_to: Sequence[str] = (),
    reach: float = MAX_STD,
    jitter: float = JITTER,
    seed: int = 0,
    label: int | None = None,
    layers: LayerRange = "",
) -> LatentPath:
    """A path from "not A" to "A" (A6).

    With `layers`, a direction of w or w+ moves only these layers, and the anchors are latents of w+.

    mean_difference, median_difference and linear find a direction and move images along it. medians goes
    from a median latent of images without the attribute to one of images with it, in latent space, and chart
    does so on a chart that the attribute supervises: see `zatlas.figures.attribute_medians`. A conditional
    model decodes in the class `label`, else in that of each anchor, and medians in the first class.
    """
    if method not in ATTRIBUTE_METHODS:
        raise UnknownName("method for an attribute", method, ATTRIBUTE_METHODS)
    if name == "Random" and find(name, known_names(workspace), anchor=False) is None:
        ends = locate_all(workspace, ["random", "random"])
        curve = interpolate(workspace, ends, label=label)
        return LatentPath(workspace, (curve,), (), f"Random in {workspace.name}", label=label)
    if method in MEDIAN_METHODS:
        curve = MEDIAN_METHODS[method](workspace, name, jitter, seed)
        words = title_of(parse_property(workspace, name))
        title = f"From not {words} to {words} in {workspace.name}"
        caption = class_caption(workspace, [label or 0]) if workspace.generator.classes else ""
        note = captions.join(_method_note(method, jitter), caption)
        return LatentPath(workspace, (curve,), (), title, label=label, note=note)
    direction = in_std(find_direction(workspace, name, method=method, orthogonal_to=orthogonal_to, seed=seed))
    if layers != "":
        workspace, direction = edited_layers(workspace, direction, layers)
    starts = list(anchors) or [
        locate(workspace, str(i)) for i in range(min(4, len(workspace.chart_table("test"))))
    ]
    curves = tuple(direction.walk(anchor.latent, -reach, reach) for anchor in starts)
    ends_named = ((0.0, f"-{reach:g} std"), (0.5, "unchanged"), (1.0, f"+{reach:g} std"))
    names = tuple(anchor.title for anchor in starts)
    title = f"{pretty(direction.name)} in {workspace.name}"
    classes = tuple(anchor_label(workspace, anchor) if label is None else label for anchor in starts)
    return LatentPath(workspace, curves, names, title, ends_named, classes, quality(direction))


def edited_layers(
    workspace: Workspace, direction: Direction, layers: LayerRange
) -> tuple[Workspace, LinearDirection]:
    """Return the run in w+, and the direction with steps in these layers only."""
    if not isinstance(direction, LinearDirection):
        raise NotSupported(f"{direction.name!r} is nonlinear, so it moves all layers: omit the layers.")
    wide, step = layered(workspace), direction.vector * np.float32(direction.std)
    space, own = wide.generator.space, workspace.generator.space
    if wide is not workspace:
        if not isinstance(space, MappedSpace) or space.source != own or not isinstance(own, MappedSpace):
            raise NotSupported(
                f"{direction.name!r} is no direction of w or w+. Add --space w (in Python: atlas.space('w'))."
            )
        start = own.center()  # truncation shortens a step of w on its way to w+
        step = (space.map(start + step, None) - space.map(start, None))[0]
    return wide, in_layers(direction, step, space, layers)


def quality(direction: Direction) -> str:
    """The quality of a direction in one line: AUC, error and side effects."""
    parts = [str(direction.facts["meaning"])] if "meaning" in direction.facts else []
    if direction.score is not None:
        s = direction.score
        verdict = "" if s.significant else ", not better than chance"
        parts.append(f"AUC on held-out latents {s.auc:.3f} ({s.low:.3f} to {s.high:.3f}){verdict}")
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


def _method_note(method: str, jitter: float) -> str:
    where = "on a chart supervised by it" if method == "chart" else "of the latents"
    offset = f"; random offset: {jitter:g} times the median absolute deviation" if jitter else ""
    return f"from median to median {where}{offset}"
