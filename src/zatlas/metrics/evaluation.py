"""The evaluation of a run: every metric that applies to it, and findings with suggestions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from zatlas.core.errors import UnknownName
from zatlas.core.progress import bar
from zatlas.latent_source import Encoded
from zatlas.metrics.chart_quality import chart_findings, chart_metrics
from zatlas.metrics.elbo import bound_images, likelihood_metrics
from zatlas.metrics.features import Features
from zatlas.metrics.findings import diagnose
from zatlas.metrics.latent_usage import space_metrics
from zatlas.metrics.metric import Group, Metric
from zatlas.metrics.run_summary import Finding, RunSummary
from zatlas.metrics.sample_quality import MAX_IMAGES, cycle_classes, sample_metrics
from zatlas.metrics.semantics import meaning_metrics
from zatlas.metrics.titles import describe_run
from zatlas.models.decoding_time import TIMED_IMAGES, announce_decoding
from zatlas.workspace import Workspace

MEANING_IMAGES = 512  # decoded for the smoothness
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class EvaluationResult:
    """The metrics of a run, and the findings that follow from them."""

    run: str
    about: str  # one sentence about the model and its data
    metrics: tuple[Metric, ...]
    findings: tuple[Finding, ...]  # empty if no check finds a problem

    def metric(self, name: str) -> Metric:
        """The metric of this name."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise UnknownName("metric of this evaluation", name, [metric.name for metric in self.metrics])

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as plain values, for JSON."""
        metrics = {metric.name: _plain(metric) for metric in self.metrics}
        findings = [asdict(finding) for finding in self.findings]
        return {"run": self.run, "about": self.about, "metrics": metrics, "findings": findings}


def evaluate(
    workspace: Workspace,
    *,
    groups: Sequence[str] = GROUPS,
    features: Features | None = None,
    prior: str = "model",
    samples: int = MAX_IMAGES,
    seed: int = 0,
) -> EvaluationResult:
    """Measure the named groups of metrics, and find problems of the run.

    `features` is the feature space in which samples are compared; `prior` is the distribution that they
    are sampled from. Metrics of images use at most `samples` images of a set.
    """
    measures: Mapping[str, Callable[[], list[Metric]]] = {
        "likelihood": lambda: likelihood_metrics(workspace, seed=seed, limit=samples),
        "space": lambda: space_metrics(workspace, seed=seed),
        "samples": lambda: sample_metrics(
            workspace, seed=seed, features=features, prior=prior, limit=samples
        ),
        "meaning": lambda: meaning_metrics(workspace, seed=seed),
        "charts": lambda: chart_metrics(workspace, seed=seed),
    }
    metrics: list[Metric] = []
    groups = list(dict.fromkeys(groups))
    for group in groups:
        if group not in measures:
            raise UnknownName("group of metrics", group, measures)
    _announce(workspace, groups, samples)
    with bar("measuring", len(groups), "groups") as advance:
        for group in groups:
            metrics += measures[group]()
            advance(1)
    by_name = {metric.name: metric for metric in metrics}
    summary = RunSummary.of(workspace, by_name)
    findings = [*diagnose(summary), *chart_findings(summary)]
    return EvaluationResult(workspace.name, describe_run(workspace), tuple(metrics), tuple(findings))


def _announce(workspace: Workspace, groups: Sequence[str], samples: int) -> None:
    """Print how long it takes to decode the images of these groups, if that is long."""
    if not workspace.source.decodes:
        return
    pixels = math.prod(workspace.description.shape)
    images = {
        "likelihood": bound_images(pixels, samples) if isinstance(workspace.source, Encoded) else 0,
        "samples": 2 * samples,
        "meaning": MEANING_IMAGES,
    }
    count, labels = sum(images.get(group, 0) for group in groups), cycle_classes(workspace, TIMED_IMAGES)
    task = f"Decoding images of {workspace.name}"
    announce_decoding(task, count, workspace.generator, workspace.cloud, labels=labels)


def _plain(metric: Metric) -> dict[str, Any]:
    """A metric as plain values for JSON; NaN and infinity become None."""
    table = {key: value for key, value in asdict(metric).items() if key != "name"}
    table["parts"] = {name: _finite(value) for name, value in metric.parts.items()}
    for key in ("value", "error", "baseline"):
        table[key] = _finite(table[key])
    ends = metric.interval
    table["interval"] = None if ends is None else [_finite(end) for end in ends]
    return table


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
