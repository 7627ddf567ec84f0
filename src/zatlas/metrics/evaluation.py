"""The score of a run: every metric that applies to it, what ails it, and what to try."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from zatlas.core.errors import UnknownName
from zatlas.core.progress import bar
from zatlas.metrics.chart_quality import chart_metrics
from zatlas.metrics.elbo import likelihood_metrics
from zatlas.metrics.features import Features
from zatlas.metrics.findings import Finding, RunSummary, diagnose
from zatlas.metrics.latent_usage import space_metrics
from zatlas.metrics.metric import Group, Metric
from zatlas.metrics.sample_quality import sample_metrics
from zatlas.metrics.semantics import meaning_metrics
from zatlas.metrics.titles import describe_run
from zatlas.workspace import Workspace

GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class EvaluationResult:
    """What was measured of a run, and what follows from it."""

    run: str
    about: str  # the model and its images, in a line
    metrics: tuple[Metric, ...]
    findings: tuple[Finding, ...]  # none: nothing ails it, by these metrics

    def metric(self, name: str) -> Metric:
        """The metric of this name."""
        for found in self.metrics:
            if found.name == name:
                return found
        raise UnknownName("metric of this score", name, [one.name for one in self.metrics])

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        metrics = {one.name: _plain(one) for one in self.metrics}
        findings = [asdict(one) for one in self.findings]
        return {"run": self.run, "about": self.about, "metrics": metrics, "findings": findings}


def evaluate(
    workspace: Workspace,
    *,
    groups: Sequence[str] = GROUPS,
    features: Features | None = None,
    prior: str = "own",
    seed: int = 0,
) -> EvaluationResult:
    """Measure a run and say what ails it; a group is left out by not naming it.

    `features` is the space that samples are compared in, and `prior` where they are drawn from.
    """
    rooms: Mapping[str, Callable[[], list[Metric]]] = {
        "likelihood": lambda: likelihood_metrics(workspace, seed=seed),
        "space": lambda: space_metrics(workspace, seed=seed),
        "samples": lambda: sample_metrics(workspace, seed=seed, features=features, prior=prior),
        "meaning": lambda: meaning_metrics(workspace, seed=seed),
        "charts": lambda: chart_metrics(workspace, seed=seed),
    }
    metrics: list[Metric] = []
    groups = list(dict.fromkeys(groups))
    for group in groups:
        if group not in rooms:
            raise UnknownName("group of metrics", group, rooms)
    with bar("measuring", len(groups), "groups") as advance:
        for group in groups:
            metrics += rooms[group]()
            advance(1)
    found = {metric.name: metric for metric in metrics}
    findings = diagnose(RunSummary.of(workspace, found))
    return EvaluationResult(workspace.name, describe_run(workspace), tuple(metrics), tuple(findings))


def _plain(metric: Metric) -> dict[str, Any]:
    """A metric as JSON takes it: what is no finite number is null."""
    table = {key: value for key, value in asdict(metric).items() if key != "name"}
    table["parts"] = {name: _finite(value) for name, value in metric.parts.items()}
    for key in ("value", "error", "baseline"):
        table[key] = _finite(table[key])
    ends = metric.interval
    table["interval"] = None if ends is None else [_finite(end) for end in ends]
    return table


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
