"""The evaluation of a run: every metric that applies to it, and findings with suggestions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from zatlas.core.errors import BadPlugin, UnknownName, first_line
from zatlas.core.progress import bar
from zatlas.core.registry import METRICS
from zatlas.core.requirements import accepted
from zatlas.latent_source import Encoded
from zatlas.metrics.chart_quality import chart_findings
from zatlas.metrics.elbo import bound_images
from zatlas.metrics.features import Features
from zatlas.metrics.findings import diagnose
from zatlas.metrics.metric import Metric
from zatlas.metrics.run_summary import Finding, RunSummary
from zatlas.metrics.sample_quality import MAX_IMAGES, cycle_classes
from zatlas.metrics.titles import describe_run
from zatlas.models.decoding_time import TIMED_IMAGES, announce_decoding
from zatlas.workspace import Workspace

MEANING_IMAGES = 512  # decoded for the smoothness
GROUPS = ("likelihood", "space", "samples", "meaning", "charts")  # built in, in order


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
    groups: Sequence[str] | None = None,
    features: Features | None = None,
    prior: str = "model",
    samples: int = MAX_IMAGES,
    seed: int = 0,
) -> EvaluationResult:
    """Measure the named groups of metrics, or all with those of plugins, and find problems of the run.

    `features` is the feature space in which samples are compared; `prior` is the distribution that they
    are sampled from. Metrics of images use at most `samples` images of a set.
    """
    metrics: list[Metric] = []
    options = {"seed": seed, "features": features, "prior": prior, "limit": samples}
    measures = _measures(groups)
    groups = list(measures)
    _announce(workspace, groups, samples)
    with bar("measuring", len(groups), "groups") as advance:
        for measure in measures.values():
            metrics += measure(workspace, metrics, options)
            advance(1)
    by_name = {metric.name: metric for metric in metrics}
    summary = RunSummary.of(workspace, by_name)
    findings = [*diagnose(summary), *chart_findings(summary)]
    return EvaluationResult(workspace.name, describe_run(workspace), tuple(metrics), tuple(findings))


Measure = Callable[[Workspace, Sequence[Metric], Mapping[str, Any]], list[Metric]]


def _measures(groups: Sequence[str] | None) -> dict[str, Measure]:
    """Return the functions of these groups by name; without groups, of all that can be used."""
    if groups is not None:
        for group in groups:
            if group not in METRICS.names():
                raise UnknownName("group of metrics", group, METRICS.names())
        functions = {group: METRICS.get(group) for group in groups}
    else:
        working = dict(METRICS.working())
        functions = {group: working[group] for group in [*GROUPS, *working]}
    skip = groups is None  # a plugin that nobody named may fail
    return {name: partial(_measure, name, function, skip) for name, function in functions.items()}


def _measure(
    group: str,
    function: Callable[..., Sequence[Metric]],
    skip: bool,
    workspace: Workspace,
    earlier: Sequence[Metric],
    options: Mapping[str, Any],
) -> list[Metric]:
    """Return the metrics of one group; with `skip`, those of a plugin that fails are left out."""
    given = accepted(function, **options)
    if METRICS.is_built_in(group):
        return list(function(workspace, **given))
    try:
        metrics = [replace(metric, group=group) for metric in function(workspace, **given)]
        if taken := {metric.name for metric in earlier} & {metric.name for metric in metrics}:
            raise BadPlugin(f"There is another metric named {min(taken)!r}. Rename it.")
    except Exception as error:  # a plugin can fail in any way
        if not skip:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise BadPlugin(f"{METRICS.title(group, 'The')} failed: {reason}.") from error
        METRICS.warn_failed(group, error)
        return []
    return metrics


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
