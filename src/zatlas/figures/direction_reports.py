"""Figures of direction reports: effects, side effects, and a strip of each direction."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.directions.direction_report import DirectionReport, effect_text, range_text
from zatlas.directions.joint import entanglement, leak
from zatlas.directions.types import Direction, LinearDirection, in_std, is_nonlinear
from zatlas.figures.paths import LatentPath
from zatlas.latent.attributes import pretty
from zatlas.latent.curves import Curve
from zatlas.locate import Anchor, anchor_label, default_anchors
from zatlas.render.canvas import Canvas
from zatlas.render.figure import Plot
from zatlas.render.matrix import matrix
from zatlas.render.plot import bars
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

MAX_COLUMNS = 24  # of a matrix: the targets, and the other attributes that change most
STRIP_ROWS = 3  # rows of a strip
MAX_STD = 3.0  # standard deviations to either side


def entanglement_matrix(reports: Sequence[DirectionReport], *, title: str, theme: Theme = LIGHT) -> Plot:
    """The change of each attribute (column) by one std of each direction (row); targets are framed."""
    names = _columns(reports)
    if not names:
        raise NotSupported(
            "There are no attributes to measure. Give a classifier: --classifier FILE (in Python: "
            "atlas.annotate())."
        )
    table = entanglement([report.gradients for report in reports], names)
    targets = [None if p.target is None else names.index(p.target) for p in reports]
    note = "percent by which one std of the direction (row) changes the attribute (column)"
    if (share := leakage(reports)) is not None:
        note += f"; mean change outside the frames: {share:.0%} of that inside"
    return matrix(
        table,
        [pretty(report.name) for report in reports],
        [pretty(name) for name in names],
        title=title,
        note=note,
        own=targets,
        theme=theme,
    )


def leakage(reports: Sequence[DirectionReport]) -> float | None:
    """The mean change of other targets over that of the own target; None for fewer than two targets."""
    targets = [report.target for report in reports]
    if len(targets) < 2 or None in targets or len(set(targets)) < len(targets):
        return None
    gradients = [report.gradients for report in reports]
    return leak(entanglement(gradients, [target for target in targets if target is not None]))


def effect_bars(reports: Sequence[DirectionReport], *, title: str, theme: Theme = LIGHT) -> Plot:
    """The effect of one std of each direction, with its interval, its verdict and random directions."""
    measured = [report.effect for report in reports]
    values, random = (np.array([getattr(e, key) for e in measured]) for key in ("value", "random_limit"))
    spans = np.array([[effect.low, effect.high] for effect in measured])
    names = [pretty(report.name) + ("" if report.significant else " (not significant)") for report in reports]
    axis = "percent of the attribute, or of grey, by one std;\nvertical marks: random directions"
    figure = bars(names, 100 * values, spans=100 * spans, title=title, axis=axis, theme=theme)
    at = np.arange(len(measured))
    figure.figure.axes[0].vlines(100 * random, at - 0.42, at + 0.42, colors=theme.outside, lw=2.4, zorder=4)
    return figure


def report_strip(
    workspace: Workspace, report: DirectionReport, anchors: Sequence[Anchor] = (), *, theme: Theme = LIGHT
) -> Canvas:
    """Images moved along one direction, with a summary of its report."""
    starts = list(anchors) or default_anchors(workspace, STRIP_ROWS)
    curves: list[Curve] = [
        in_std(report.direction).walk(anchor.latent, -MAX_STD, MAX_STD) for anchor in starts
    ]
    marks = ((0.0, f"-{MAX_STD:g} std"), (0.5, "unchanged"), (1.0, f"+{MAX_STD:g} std"))
    return LatentPath(
        workspace,
        tuple(curves),
        tuple(anchor.title for anchor in starts),
        f"{pretty(report.name)} in {workspace.name}",
        marks,
        tuple(anchor_label(workspace, anchor) for anchor in starts),
        report.summary(),
    ).strip(9, theme=theme)


def report_rows(reports: Sequence[DirectionReport]) -> list[dict[str, Any]]:
    """A table row for each direction: effect, random effect, AUC, side effects, range, stability."""
    return [_row(report) for report in reports]


def std_of(direction: Direction) -> float | None:
    """The length of one std along a linear direction; None for a nonlinear one, where it varies."""
    scaled = in_std(direction)
    return round(scaled.std, 4) if isinstance(scaled, LinearDirection) else None


def comparison_strip(
    workspace: Workspace, z: Latents, *, title: str = "", label: int | None = None, theme: Theme = LIGHT
) -> Canvas:
    """Decoded images next to each other, labelled a, b, c ..."""
    from zatlas.render.strip import strip

    heads = [chr(ord("a") + index) for index in range(len(z))]
    return strip(workspace.decode(z, label), columns=len(z), heads=heads, title=title, theme=theme)


def _row(report: DirectionReport) -> dict[str, Any]:
    direction = report.direction
    score, effect = direction.score, report.effect
    worst = sorted(report.side_effects, key=lambda name: -abs(report.side_effects[name]))[:3]
    return {
        "direction": direction.name,
        "kind": "nonlinear" if is_nonlinear(direction) else "linear",
        "moves": report.target or "the image",
        "std": std_of(direction),
        "effect": round(effect.value, 4),
        "low": round(effect.low, 4),
        "high": round(effect.high, 4),
        "verdict": report.verdict,
        "p": None if report.shuffled is None else round(report.shuffled.p, 4),
        "random": round(effect.random_limit, 4),
        "times random": effect_text(effect) if report.significant else None,
        "auc": None if score is None else round(score.auc, 4),
        "better than chance": None if score is None else score.significant,
        "side effects": ", ".join(f"{pretty(name)} {report.side_effects[name]:+.0%}" for name in worst),
        "outside": round(report.unexplained, 3),
        "usable": range_text(report),
        "stability": None if report.stability is None else round(report.stability, 3),
    }


def _columns(reports: Sequence[DirectionReport]) -> list[str]:
    """The columns of a matrix: the targets, then the attributes that change most."""
    own = list(dict.fromkeys(report.target for report in reports if report.target is not None))
    others = [name for name in (reports[0].gradients if reports else ()) if name not in own]
    largest = {name: max(abs(report.gradients[name]) for report in reports) for name in others}
    free = max(MAX_COLUMNS - len(own), 0)
    return own + sorted(sorted(others, key=lambda name: -largest[name])[:free], key=others.index)
