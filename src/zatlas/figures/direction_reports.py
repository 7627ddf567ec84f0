"""Pictures of proof: what ways move beside what they mean, how far each goes, and a strip of each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.arrays import Points
from zatlas.core.errors import NotSupported
from zatlas.directions.joint import entanglement, leak
from zatlas.directions.report import DirectionReport, range_told, times_told
from zatlas.directions.types import Direction, LinearDirection, in_std, is_nonlinear
from zatlas.figures.paths import LatentPath
from zatlas.latent.attributes import pretty
from zatlas.latent.curves import Curve
from zatlas.locate import Anchor, default_anchors
from zatlas.render.canvas import Canvas
from zatlas.render.matrix import matrix
from zatlas.render.plot import bars
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_COLUMNS = 24  # of a matrix: the directions' own answers, and of the others those that move most
STRIP_ROWS = 3  # rows of a strip
MAX_STD = 3.0  # spreads to either side


def entanglement_matrix(reports: Sequence[DirectionReport], *, title: str, theme: Theme = LIGHT) -> "Figure":
    """What one spread of each direction (row) changes of each answer (column), its own framed."""
    names = _columns(reports)
    if not names:
        raise NotSupported(
            "Nothing is asked of these images but how much they change. Give a scorer with --scorer."
        )
    table = entanglement([report.slopes for report in reports], names)
    own = [None if p.target is None else names.index(p.target) for p in reports]
    note = "percent by which one spread of the direction (row) changes the answer (column)"
    if (share := leakage(reports)) is not None:
        note += f"; beside the frames it is {share:.0%} of what is in them"
    return matrix(
        table,
        [pretty(report.name) for report in reports],
        [pretty(name) for name in names],
        title=title,
        note=note,
        own=own,
        theme=theme,
    )


def leakage(reports: Sequence[DirectionReport]) -> float | None:
    """The mean change of the others' targets over the mean change of one's own; None of fewer than two."""
    targets = [report.target for report in reports]
    if len(targets) < 2 or None in targets or len(set(targets)) < len(targets):
        return None
    slopes = [report.slopes for report in reports]
    return leak(entanglement(slopes, [target for target in targets if target is not None]))


def effect_bars(reports: Sequence[DirectionReport], *, title: str, theme: Theme = LIGHT) -> "Figure":
    """How far one spread of each goes, with its interval, and what chance reaches in its name."""
    found = [report.effect for report in reports]
    values, chance = (np.array([getattr(e, key) for e in found]) for key in ("value", "chance"))
    spans = np.array([[effect.low, effect.high] for effect in found])
    names = [
        pretty(one.name) + ("" if effect.real else " (not better than random)")
        for one, effect in zip(reports, found, strict=True)
    ]
    axis = "percent of the answer, or of grey, by one spread;\nupright: what random directions reach"
    figure = bars(names, 100 * values, spans=100 * spans, title=title, axis=axis, theme=theme)
    at = np.arange(len(found))
    figure.axes[0].vlines(100 * chance, at - 0.42, at + 0.42, colors=theme.alarm, lw=2.4, zorder=4)
    return figure


def report_strip(
    workspace: Workspace, report: DirectionReport, stops: Sequence[Anchor] = (), *, theme: Theme = LIGHT
) -> Canvas:
    """Images moved along one direction, with its proof in words; what lies beyond its range is named."""
    starts = list(stops) or default_anchors(workspace, STRIP_ROWS)
    curves: list[Curve] = [in_std(report.direction).walk(stop.point, -MAX_STD, MAX_STD) for stop in starts]
    marks = ((0.0, f"-{MAX_STD:g} spreads"), (0.5, "as it is"), (1.0, f"+{MAX_STD:g} spreads"))
    told = report.summary()
    return LatentPath(
        workspace,
        tuple(curves),
        tuple(stop.title for stop in starts),
        f"{pretty(report.name)} in {workspace.name}",
        marks,
        starts[0].label,
        told,
    ).strip(9, theme=theme)


def report_rows(reports: Sequence[DirectionReport]) -> list[dict[str, Any]]:
    """A row of a table for each direction: effect against chance, AUC, side effects, range, stability."""
    return [_row(report) for report in reports]


def std_of(direction: Direction) -> float | None:
    """How far a spread goes; None of what bends, where it is as far as the data varies there."""
    way = in_std(direction)
    return round(way.spread, 4) if isinstance(way, LinearDirection) else None


def comparison_strip(
    workspace: Workspace, shown: Points, *, title: str = "", label: int | None = None, theme: Theme = LIGHT
) -> Canvas:
    """The images of a compass' question side by side, each with its letter."""
    from zatlas.render.strip import strip

    heads = [chr(ord("a") + index) for index in range(len(shown))]
    return strip(workspace.decode(shown, label), columns=len(shown), heads=heads, title=title, theme=theme)


def _row(proof: DirectionReport) -> dict[str, Any]:
    direction = proof.direction
    score, effect = direction.score, proof.effect
    worst = sorted(proof.aside, key=lambda name: -abs(proof.aside[name]))[:3]
    return {
        "direction": direction.name,
        "way": "bends" if is_nonlinear(direction) else "straight",
        "moves": proof.target or "the picture",
        "spread": std_of(direction),
        "effect": round(effect.value, 4),
        "low": round(effect.low, 4),
        "high": round(effect.high, 4),
        "random reaches": round(effect.chance, 4),
        "against random": times_told(effect) if effect.real else "not better than random",
        "auc": None if score is None else round(score.area, 4),
        "also moves": ", ".join(f"{pretty(name)} {proof.aside[name]:+.0%}" for name in worst),
        "outside": round(proof.outside, 3),
        "usable": range_told(proof),
        "stability": None if proof.stable is None else round(proof.stable, 3),
    }


def _columns(proofs: Sequence[DirectionReport]) -> list[str]:
    """The answers that are shown: the directions' own, then those that are moved most."""
    own = list(dict.fromkeys(proof.target for proof in proofs if proof.target is not None))
    others = [name for name in (proofs[0].slopes if proofs else ()) if name not in own]
    most = {name: max(abs(proof.slopes[name]) for proof in proofs) for name in others}
    room = max(MAX_COLUMNS - len(own), 0)
    return own + sorted(sorted(others, key=lambda name: -most[name])[:room], key=others.index)
