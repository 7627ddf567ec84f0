"""The score of a run: every figure that applies to it, what ails it, and what to try."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from zatlas.core.errors import UnknownName
from zatlas.core.progress import bar
from zatlas.score.charts import charts
from zatlas.score.diagnosis import Finding, Patient, diagnose
from zatlas.score.features import Features
from zatlas.score.figure import Figure, Group
from zatlas.score.likelihood import likelihood
from zatlas.score.meaning import meaning
from zatlas.score.samples import samples
from zatlas.score.space import space
from zatlas.score.words import in_words
from zatlas.workspace import Workspace

GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Score:
    """What was measured of a run, and what follows from it."""

    run: str
    about: str  # the model and its images, in a line
    figures: tuple[Figure, ...]
    findings: tuple[Finding, ...]  # none: nothing ails it, by these figures

    def figure(self, name: str) -> Figure:
        """The figure of this name."""
        for found in self.figures:
            if found.name == name:
                return found
        raise UnknownName("figure of this score", name, [one.name for one in self.figures])

    def as_table(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        figures = {one.name: _plain(one) for one in self.figures}
        findings = [asdict(one) for one in self.findings]
        return {"run": self.run, "about": self.about, "figures": figures, "findings": findings}


def score(
    workspace: Workspace,
    *,
    groups: Sequence[str] = GROUPS,
    features: Features | None = None,
    prior: str = "own",
    seed: int = 0,
) -> Score:
    """Measure a run and say what ails it; a group is left out by not naming it.

    `features` is the space that samples are compared in, and `prior` where they are drawn from.
    """
    rooms: Mapping[str, Callable[[], list[Figure]]] = {
        "likelihood": lambda: likelihood(workspace, seed=seed),
        "space": lambda: space(workspace, seed=seed),
        "samples": lambda: samples(workspace, seed=seed, features=features, prior=prior),
        "meaning": lambda: meaning(workspace, seed=seed),
        "charts": lambda: charts(workspace, seed=seed),
    }
    figures: list[Figure] = []
    groups = list(dict.fromkeys(groups))
    for group in groups:
        if group not in rooms:
            raise UnknownName("group of figures", group, rooms)
    with bar("measuring", len(groups), "groups") as advance:
        for group in groups:
            figures += rooms[group]()
            advance(1)
    found = {figure.name: figure for figure in figures}
    findings = diagnose(Patient.of(workspace, found))
    return Score(workspace.name, in_words(workspace), tuple(figures), tuple(findings))


def _plain(figure: Figure) -> dict[str, Any]:
    """A figure as JSON takes it: what is no finite number is null."""
    table = {key: value for key, value in asdict(figure).items() if key != "name"}
    table["parts"] = {name: _finite(value) for name, value in figure.parts.items()}
    for key in ("value", "error", "floor"):
        table[key] = _finite(table[key])
    ends = figure.interval
    table["interval"] = None if ends is None else [_finite(end) for end in ends]
    return table


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
