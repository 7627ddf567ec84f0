"""Runs and figures as people say them."""

import math

from zatlas.latent_source import Given
from zatlas.models.bring import brought_of
from zatlas.score.figure import Figure
from zatlas.workspace import Workspace

TINY = 1e-6  # what is shown of a number at least
SURE = 1e-6  # of a number: an error below it is that of adding up
FAMILIES = {"vae": "VAE", "ae": "auto-encoder", "gan": "GAN", "dcgan": "DCGAN"}


def in_words(workspace: Workspace) -> str:
    """One sentence: what was trained on what."""
    family = FAMILIES.get(workspace.description.family, workspace.description.family)
    kind = f"conditional {family}" if workspace.generator.classes else family
    rows = workspace.run.metrics()
    epochs = f", {rows[-1]['epoch']} epochs" if rows and "epoch" in rows[-1] else ""
    axes = "one axis" if workspace.dim == 1 else f"{workspace.dim} axes"
    if isinstance(source := workspace.source, Given):
        told = f", in {len(workspace.dataset.classes)} classes" if workspace.has_dataset else ""
        return f"{len(source.latents):,} codes with {axes}, brought without a decoder{told}."
    article = "An" if kind[0] in "aeiou" else "A"
    return f"{article} {kind} with {axes}, {_data(workspace)}{epochs}."


def _data(workspace: Workspace) -> str:
    if not workspace.has_dataset:
        return "brought without images"
    how = "trained on" if brought_of(workspace.run) is None else "brought, with"
    return f"{how} {workspace.dataset.describe()}"


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
    "rebuilt_frechet": "Frechet, rebuilt",
    "kernel": "kernel distance",
    "frechet": "Frechet distance",
    "axis_rate": "rate of an axis",
    "overfit": "gap to training images",
    "charge": "price of the rate",
    "spill": "codes beyond the prior",
    "shell": "norm of codes",
    "probe": "linear probe",
    "neighbours": "neighbours alike",
    "bent": "straightness",
    "trust": "trustworthiness",
    "covered": "box covered",
}
GROUPS = {
    "likelihood": "How likely images are",
    "space": "How the space is used",
    "samples": "What it makes",
    "meaning": "What places mean",
    "charts": "How true its chart is",
}


def title_of(figure: Figure) -> str:
    """A figure's name, as one says it."""
    return TITLES.get(figure.name, figure.name.replace("_", " "))


def group_in_words(group: str) -> str:
    """What a group of figures answers."""
    return GROUPS[group]


def value_in_words(figure: Figure) -> str:
    """The number with its standard error and its unit, no more digits than it is sure of."""
    return _number(figure.value, figure.error, figure.unit)


def floor_in_words(figure: Figure) -> str:
    """What the figure is compared with."""
    if figure.floor is None:
        return ""
    said = f" ({figure.floor_is})" if figure.floor_is else ""
    return _number(figure.floor, None, figure.unit) + said


def _number(value: float, error: float | None, unit: str) -> str:
    if not math.isfinite(value):
        return "not measurable"
    if unit == "share":
        return f"{value:.1%}" + (f" ± {error:.1%}" if error else "")
    if not error and float(value).is_integer():
        return f"{value:,.0f} {unit}".strip()
    if max(abs(value), error or 0.0) < TINY:
        return f"below {TINY:f} {unit}".strip()
    if error and error < SURE * abs(value):
        error = None
    decimals = _decimals(error if error else abs(value) / 100)
    said = f"{value:,.{decimals}f}" + (f" ± {error:.{decimals}f}" if error else "")
    return f"{said} {unit}".strip()


def _decimals(least: float) -> int:
    """How many decimals show a number to this, with two digits of it at most."""
    if least <= 0 or not math.isfinite(least):
        return 0
    return int(min(max(1 - math.floor(math.log10(least)), 0), 6))
