"""Runs and metrics as people say them."""

import math

from zatlas.metrics.metric import Metric
from zatlas.models.bring import brought_of
from zatlas.workspace import Workspace

SMALLEST_SHOWN = 1e-6  # what is shown of a number at least
ROUNDING = 1e-6  # of a number: an error below it is that of adding up
FAMILIES = {"vae": "VAE", "ae": "auto-encoder", "gan": "GAN", "dcgan": "DCGAN"}


def describe_run(workspace: Workspace) -> str:
    """One sentence: what was trained on what."""
    family = FAMILIES.get(workspace.description.family, workspace.description.family)
    kind = f"conditional {family}" if workspace.generator.classes else family
    rows = workspace.run.metrics()
    epochs = f", {rows[-1]['epoch']} epochs" if rows and "epoch" in rows[-1] else ""
    axes = "one axis" if workspace.dim == 1 else f"{workspace.dim} axes"
    if workspace.given is not None:
        told = f", in {len(workspace.images.classes)} classes" if workspace.has_images else ""
        return f"{len(workspace.given):,} codes with {axes}, brought without a decoder{told}."
    article = "An" if kind[0] in "aeiou" else "A"
    return f"{article} {kind} with {axes}, {_data(workspace)}{epochs}."


def _data(workspace: Workspace) -> str:
    if not workspace.has_images:
        return "brought without images"
    how = "trained on" if brought_of(workspace.run) is None else "brought, with"
    return f"{how} {workspace.images.describe()}"


TITLES = {
    "elbo": "ELBO",
    "mig": "MIG",
    "sap": "SAP",
    "factor_vae": "FactorVAE score",
    "beta_vae": "beta-VAE score",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "posterior_frechet": "Frechet, around codes",
    "reconstruction_frechet": "Frechet, rebuilt",
    "kernel_distance": "kernel distance",
    "frechet": "Frechet distance",
    "dimension_rate": "rate of an axis",
    "generalization_gap": "gap to training images",
    "effective_beta": "price of the rate",
    "outside_prior": "codes beyond the prior",
    "relative_norm": "norm of codes",
    "linear_probe": "linear probe",
    "neighbor_agreement": "neighbours alike",
    "straightness": "straightness",
    "trustworthiness": "trustworthiness",
    "box_coverage": "box covered",
}
GROUP_TITLES = {
    "likelihood": "How likely images are",
    "space": "How the space is used",
    "samples": "What it makes",
    "meaning": "What places mean",
    "charts": "How true its chart is",
}


def metric_title(metric: Metric) -> str:
    """A metric's name, as one says it."""
    return TITLES.get(metric.name, metric.name.replace("_", " "))


def group_title(group: str) -> str:
    """What a group of metrics answers."""
    return GROUP_TITLES[group]


def format_value(metric: Metric) -> str:
    """The number with its standard error and its unit, no more digits than it is sure of."""
    return _number(metric.value, metric.error, metric.unit)


def format_baseline(metric: Metric) -> str:
    """What the metric is compared with."""
    if metric.baseline is None:
        return ""
    said = f" ({metric.baseline_name})" if metric.baseline_name else ""
    return _number(metric.baseline, None, metric.unit) + said


def _number(value: float, error: float | None, unit: str) -> str:
    if not math.isfinite(value):
        return "not measurable"
    if unit == "share":
        return f"{value:.1%}" + (f" ± {error:.1%}" if error else "")
    if not error and float(value).is_integer():
        return f"{value:,.0f} {unit}".strip()
    if max(abs(value), error or 0.0) < SMALLEST_SHOWN:
        return f"below {SMALLEST_SHOWN:f} {unit}".strip()
    if error and error < ROUNDING * abs(value):
        error = None
    decimals = _decimals(error if error else abs(value) / 100)
    said = f"{value:,.{decimals}f}" + (f" ± {error:.{decimals}f}" if error else "")
    return f"{said} {unit}".strip()


def _decimals(least: float) -> int:
    """How many decimals show a number to this, with two digits of it at most."""
    if least <= 0 or not math.isfinite(least):
        return 0
    return int(min(max(1 - math.floor(math.log10(least)), 0), 6))
