"""Titles and formatted values of runs and metrics, for tables and reports."""

import math

from zatlas.core.numbers import DIGITS, significant
from zatlas.latent_source import Given
from zatlas.metrics.metric import Metric
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.workspace import Workspace

SMALLEST_SHOWN = 1e-6  # smaller numbers are shown as "below"
ROUNDING = 1e-6  # relative error below this is floating-point rounding, and not shown
FAMILIES = {"vae": "VAE", "ae": "auto-encoder", "gan": "GAN", "dcgan": "DCGAN"}


def describe_run(workspace: Workspace) -> str:
    """One sentence: the model, its number of dimensions and its data."""
    family = FAMILIES.get(workspace.description.family, workspace.description.family)
    kind = f"conditional {family}" if workspace.generator.classes else family
    rows = workspace.run.metrics()
    epochs = f", {rows[-1]['epoch']} epochs" if rows and "epoch" in rows[-1] else ""
    dimensions = "one dimension" if workspace.dim == 1 else f"{workspace.dim} dimensions"
    if isinstance(source := workspace.source, Given):
        classes = f", in {len(workspace.dataset.classes)} classes" if workspace.has_dataset else ""
        return f"{len(source.latents):,} latents with {dimensions}, imported without a decoder{classes}."
    article = "An" if kind[0] in "aeiou" else "A"
    return f"{article} {kind} with {dimensions}, {_data(workspace)}{epochs}."


def _data(workspace: Workspace) -> str:
    if not workspace.has_dataset:
        return "imported without images"
    how = "trained on" if imported_model_of(workspace.run) is None else "imported, with"
    return f"{how} {workspace.dataset.describe()}"


TITLES = {
    "elbo": "ELBO",
    "mig": "MIG",
    "sap": "SAP",
    "factor_vae": "FactorVAE metric",
    "beta_vae": "beta-VAE metric",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "posterior_frechet": "Frechet distance, decoded near latents",
    "reconstruction_frechet": "Frechet distance, reconstructions",
    "frechet": "Frechet distance",
    "dimension_rate": "rate (KL) per dimension",
    "generalization_gap": "generalization gap",
    "effective_beta": "effective beta",
    "outside_prior": "latents outside the prior",
    "relative_norm": "relative norm of latents",
    "neighbor_agreement": "neighbor agreement",
    "box_coverage": "covered share of the chart",
}
GROUP_TITLES = {
    "likelihood": "Likelihood",
    "space": "Use of the latent space",
    "samples": "Quality of samples",
    "meaning": "Labels, attributes and distances",
    "charts": "Quality of the chart",
}


def metric_title(metric: Metric) -> str:
    """The title of a metric."""
    return TITLES.get(metric.name, metric.name.replace("_", " "))


def group_title(group: str) -> str:
    """The heading of a group of metrics."""
    return GROUP_TITLES.get(group, group.replace("_", " ").replace("-", " ").capitalize())


def format_value(metric: Metric) -> str:
    """The value with standard error and unit: three significant digits, or as many as the error supports."""
    return _number(metric.value, metric.error, metric.unit)


def format_baseline(metric: Metric) -> str:
    """The baseline of a metric with its name; an empty string if there is none."""
    if metric.baseline is None:
        return ""
    name = f" ({metric.baseline_name})" if metric.baseline_name else ""
    return _number(metric.baseline, None, metric.unit) + name


def _number(value: float, error: float | None, unit: str) -> str:
    if not math.isfinite(value):
        return "not measurable"
    if unit == "share":
        percent = _number(100 * value, None if error is None else 100 * error, "")
        return " ± ".join(f"{part}%" for part in percent.split(" ± "))
    if not error and float(value).is_integer():
        return f"{value:,.0f} {unit}".strip()
    if max(abs(value), error or 0.0) < SMALLEST_SHOWN:
        return f"below {SMALLEST_SHOWN:f} {unit}".strip()
    if not error or error < ROUNDING * abs(value):
        return f"{significant(value)} {unit}".strip()
    decimals = min(max(_decimals(abs(value), DIGITS), _decimals(error, 1)), _decimals(error, 2))
    return f"{value:,.{decimals}f} ± {error:.{decimals}f} {unit}".strip()


def _decimals(size: float, digits: int) -> int:
    """The number of decimals that show a number of this size with this many significant digits."""
    if size <= 0 or not math.isfinite(size):
        return 0
    return int(min(max(digits - 1 - math.floor(math.log10(size)), 0), 6))
