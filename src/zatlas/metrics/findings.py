"""From metrics to causes: what ails a run, in plain words, and the command that suggestions it.

An check is one function from a `Patient` to a `Finding` or None. They are asked in order: an
check that explains another comes first, and the other is then not named.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zatlas.core.shell import shell_command
from zatlas.data.sources import value_of
from zatlas.metrics.metric import Metric
from zatlas.models.bring import brought_of
from zatlas.training.recipe import Recipe
from zatlas.workspace import Workspace

MAX_BETA = 2.0  # times what the ELBO charges for a nat of rate: a prior that is too strong
MIN_BETA = 0.5  # of it: a prior that is too weak
MAX_UNUSED = 0.5  # share of the axes that may be unused before it is told
MIN_RATE = 1.0  # nats of rate that tell next to nothing of an image
MAX_DIMENSION_RATE = 2.5  # nats an axis, when every axis is used: there are too few of them
MAX_NOISE_RATIO = 1.5  # times as much noise as the images that are rebuilt show
MAX_FRECHET_RATIO = 1.5  # times as far off are samples of the prior as images decoded near real codes
MAX_PRIOR_RATIO = 3.0  # times the distance that two draws of the prior have by chance
MAX_HOLES = 0.1  # share of the prior's mass without data that is told as holes
MAX_MEMORIZED = 0.1  # share of samples that are nearly training images, beyond that of held-out ones
MIN_VARIETY = 0.8  # of the data's variety, or of its spread
MAX_LATE_PROGRESS = 0.25  # share of its fall that a loss still has in the last third of a training
MAX_ACCURACY = 0.99  # accuracy of a discriminator that has nothing left to learn


@dataclass(frozen=True)
class Suggestion:
    """Something to try, and the command that does it."""

    text: str
    command: str
    settings: tuple[str, ...] = ()  # of the recipe, that it changes


@dataclass(frozen=True)
class Finding:
    """An check of a run: what it is, the metrics that show it, and what to try."""

    name: str
    text: str
    evidence: tuple[str, ...]  # names of metrics
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True)
class RunSummary:
    """A run as a diagnosis sees it: its metrics, how it was trained, and how the training went."""

    folder: Path
    family: str
    dim: int
    prior: str  # of its space: "none" for an auto-encoder
    metrics: Mapping[str, Metric]
    recipe: Recipe | None  # None for a model that was brought
    history: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, workspace: Workspace, metrics: Mapping[str, Metric]) -> "RunSummary":
        """The run of this workspace."""
        trained = brought_of(workspace.run) is None
        return cls(
            workspace.run.folder,
            workspace.description.family,
            workspace.dim,
            workspace.generator.space.prior,
            metrics,
            workspace.recipe if trained else None,
            workspace.run.metrics(),
        )

    def value(self, name: str) -> float:
        """The metric's value; not a number where it was not measured, which no comparison is true of."""
        return self.metrics[name].value if name in self.metrics else math.nan

    def baseline(self, name: str) -> float:
        """What the metric is compared with."""
        found = self.metrics.get(name)
        return math.nan if found is None or found.baseline is None else found.baseline

    def setting(self, name: str) -> Any:
        """A setting of the model as it was trained."""
        return None if self.recipe is None else self.recipe.model.get(name)

    def retrain(self, what: str, *settings: str) -> Suggestion:
        """Training the same recipe once more, with these settings changed."""
        changed = [word for setting in settings for word in ("--set", setting)]
        change = "-" + settings[0].partition(".")[2].replace("=", "-")
        recipe, out = self.folder / "recipe.toml", Path(f"{self.folder}{change}")
        command = shell_command("train", "--recipe", recipe, *changed, "--out", out)
        return Suggestion(what, command, settings)

    def train_longer(self, what: str) -> Suggestion:
        """Training for twice as long: going on, unless the schedule was made for its length."""
        training = None if self.recipe is None else self.recipe.training
        epochs = 60 if training is None else 2 * training.epochs
        if training is not None and training.schedule == "onecycle":
            return self.retrain(what, f"training.epochs={epochs}")
        return Suggestion(what, shell_command("train", "--resume", self.folder, "--epochs", epochs))

    def sample_fitted(self, what: str, kind: str) -> Suggestion:
        """Fitting a prior to the codes, and drawing from that."""
        return Suggestion(what, shell_command("sample", self.folder, "--prior", kind))

    def applies(self, suggestion: Suggestion) -> bool:
        """Whether the suggestion changes anything: no brought model is trained again, and none as it was."""
        if not suggestion.command.startswith("zatlas train"):
            return True
        if self.recipe is None:
            return False
        tables = {
            "model": {"family": self.recipe.family, **self.recipe.model},
            "training": vars(self.recipe.training),
        }
        asked = (setting.partition("=") for setting in suggestion.settings)
        parted = [(*name.partition(".")[::2], value_of(value)) for name, _, value in asked]
        same = [tables[table].get(key) == value for table, key, value in parted]
        return not same or not all(same)


def diagnose(run: RunSummary) -> list[Finding]:
    """What ails this run by its metrics; nothing, of a healthy one."""
    found: list[Finding] = []
    for check, explained in CHECKS.items():
        if any(finding.name in explained for finding in found):
            continue
        if (finding := check(run)) is not None:
            suggestions = tuple(suggestion for suggestion in finding.suggestions if run.applies(suggestion))
            found.append(replace(finding, suggestions=suggestions))
    return found


def rate_scale(run: RunSummary) -> Finding | None:
    """The rate is weighed by the number of pixels: the loss is a mean where the ELBO is a sum."""
    charge = run.value("effective_beta")
    if run.setting("reduction") != "mean" or MIN_BETA <= charge <= MAX_BETA:
        return None
    heavy = "so the posterior goes to the prior" if charge > 1 else "so the prior hardly counts"
    beta = float(run.setting("beta")) / charge
    return Finding(
        "scale of the rate",
        f"The loss is a mean over pixels and over axes, where the ELBO is a sum over both. A nat of rate "
        f"is thereby charged {charge:.3g} times what a nat of distortion is, {heavy}.",
        ("effective_beta", "rate"),
        (
            run.retrain("Sum over the pixels and the axes, as the ELBO does.", "model.reduction=sum"),
            run.retrain("Or keep the mean, and weigh the rate for it.", f"model.beta={beta:.3g}"),
        ),
    )


def strong_prior(run: RunSummary) -> Finding | None:
    """Beta is so high that axes go unused and images are rebuilt poorly."""
    charge, used = run.value("effective_beta"), run.value("active_units")
    if not (charge > MAX_BETA and used <= (1 - MAX_UNUSED) * run.dim):
        return None
    milder = max(1.0, charge / 8)
    return Finding(
        "over-strong prior",
        f"A nat of rate is charged {charge:.3g} times what it costs in the ELBO; the model pays with "
        f"{_dimensions_used(used, run.dim)} in use, and what the others would have told of an image is lost.",
        ("effective_beta", "active_units", "rate"),
        (
            run.retrain("Charge what the ELBO charges.", "model.beta=1"),
            run.retrain(
                "Or, for axes that disentangle, less, rising from nought.",
                f"model.beta={milder:.3g}",
                "model.warmup=5",
            ),
        ),
    )


def blind_likelihood(run: RunSummary) -> Finding | None:
    """The likelihood expects far more noise than there is, so that rebuilding well earns nothing."""
    noise, left = run.value("noise"), run.baseline("noise")
    if not noise > MAX_NOISE_RATIO * left:
        return None
    return Finding(
        "blind likelihood",
        f"The likelihood takes pixels to be noisy by {noise:.2g}, and the images it rebuilds are off by "
        f"{left:.2g} only. Detail finer than its noise is worth nothing to it, so the codes do not hold it.",
        ("noise", "reconstruction", "rate"),
        (
            run.retrain("Learn the noise with the rest.", "model.likelihood=gaussian", "model.sigma=0"),
            run.retrain("Or take grey levels as chances of white.", "model.likelihood=bernoulli"),
        ),
    )


def collapse(run: RunSummary) -> Finding | None:
    """The posterior is the prior, whatever the image: codes tell nothing."""
    used, rate = run.value("active_units"), run.value("rate")
    if not (used == 0 or rate < MIN_RATE):
        return None
    words = f"a code tells only {rate:.2g} nats of its image: the decoder has learnt to do without."
    if used == run.dim:
        words = f"The axes do move from image to image, but {words}"
    elif used < run.dim:
        words = f"{_dimensions_used(used, run.dim).capitalize()} differ from image to image, and {words}"
    else:  # the rate alone was measured
        words = words.capitalize()
    early = (run.train_longer("Or, if it has only begun to learn, go on."),) if used == run.dim else ()
    return Finding(
        "posterior collapse",
        words,
        ("active_units", "rate", "mutual_information"),
        (
            run.retrain("Give each axis some nats for nothing.", "model.free_bits=0.5"),
            run.retrain("Or charge less for the rate.", "model.beta=0.25"),
            run.retrain("Or let it cost nothing at first.", f"model.warmup={_half_epochs(run)}"),
            *early,
        ),
    )


def holes(run: RunSummary) -> Finding | None:
    """Nothing shaped the space: places between the codes decode to no image."""
    share, ratio = run.value("holes"), run.value("frechet") / run.value("posterior_frechet")
    if run.prior != "none" or not (share > MAX_HOLES or ratio > MAX_FRECHET_RATIO):
        return None
    empty = f"{share:.0%} of the mass of a normal distribution as wide as the codes is empty of codes"
    words = empty if share > MAX_HOLES else f"samples are {ratio:.1f} times as far from real images as codes"
    return Finding(
        "holes",
        f"Nothing asked this model to fill its space: {words}, and what is decoded there is luck.",
        ("holes", "frechet", "posterior_frechet"),
        (
            run.sample_fitted("Draw where the codes are.", "mixture"),
            run.retrain("Or train a VAE, which fills its prior.", "model.family=vae"),
        ),
    )


def prior_mismatch(run: RunSummary) -> Finding | None:
    """Samples of the prior lie where no codes are, so the decoder was never taught what to make of them."""
    far = run.value("prior_distance") > MAX_PRIOR_RATIO * run.baseline("prior_distance")
    worse = run.value("frechet") > MAX_FRECHET_RATIO * run.value("posterior_frechet")
    if run.prior == "none" or not (far and worse):
        return None
    ratio = run.value("frechet") / run.value("posterior_frechet")
    suggestions = [run.sample_fitted("Draw from a prior that is fitted to the codes.", "flow")]
    if run.value("effective_beta") < MIN_BETA:
        suggestions.append(run.retrain("Or charge the rate in full.", "model.beta=1"))
    return Finding(
        "prior and codes apart",
        f"The codes do not fill the prior: images decoded from its samples are {ratio:.1f} times as far "
        "from real ones as images decoded from where the codes are.",
        ("prior_distance", "relative_norm", "outside_prior", "frechet", "posterior_frechet"),
        tuple(suggestions),
    )


def few_dimensions(run: RunSummary) -> Finding | None:
    """Every axis is full, and what does not fit is lost."""
    each, used = run.value("dimension_rate"), run.value("active_units")
    if not (used == run.dim and each > MAX_DIMENSION_RATE) or run.value("effective_beta") < MIN_BETA:
        return None
    more = max(8, 4 * run.dim)
    one = run.dim == 1
    return Finding(
        "too few axes",
        f"{'The one axis is' if one else f'All {run.dim} axes are'} in use, with {each:.1f} nats each: more "
        "is to be told of an image than they hold. As a map it may be just right.",
        ("dimension_rate", "active_units", "reconstruction"),
        (run.retrain("Take more; those that are not needed stay unused.", f"model.dim={more}"),),
    )


def memorization(run: RunSummary) -> Finding | None:
    """Samples are training images, more often than chance makes them."""
    share, usual = run.value("memorized"), run.baseline("memorized")
    if not share - usual > MAX_MEMORIZED:
        return None
    return Finding(
        "memorisation",
        f"{share:.0%} of the samples lie nearer to a training image than almost any held-out image does "
        f"({usual:.0%} of which do): the model gives back what it was shown.",
        ("memorized", "generalization_gap", "coverage"),
        (
            run.retrain("Keep the epoch that is best on held-out images.", "training.best=loss"),
            run.retrain("Show it more: mirrored images too, where left may be right.", "training.flip=true"),
        ),
    )


def discriminator_won(run: RunSummary) -> Finding | None:
    """The discriminator is never wrong, so its slope teaches the generator nothing."""
    real, fake = (_recent_mean(run, f"train/discriminator/{kind}_accuracy") for kind in ("real", "fake"))
    if not (real > MAX_ACCURACY and fake > MAX_ACCURACY):
        return None
    return Finding(
        "the discriminator has won",
        f"It tells {real:.1%} of the real images and {fake:.1%} of the generator's: where it is never in "
        "doubt, its slope is flat, and the generator has nothing to follow.",
        ("frechet", "variety"),
        (
            run.retrain(
                "Hold its slope down, and take smaller steps.",
                "model.r1=1",
                "training.rate=0.0002",
                "training.beta1=0.5",
            ),
        ),
    )


def mode_collapse(run: RunSummary) -> Finding | None:
    """The generator makes a few kinds of image, whatever it is given."""
    if run.family != "gan":
        return None
    variety, spread = run.value("variety"), run.value("sample_diversity")
    if not (variety < MIN_VARIETY or spread < MIN_VARIETY):
        return None
    return Finding(
        "mode collapse",
        f"Samples have {variety:.0%} of the variety of the data and differ by {spread:.0%} of what real "
        "images differ by: the generator has settled on what passes.",
        ("variety", "sample_diversity", "recall", "coverage"),
        (
            run.retrain(
                "Hold the discriminator's slope down, so that it does not chase the generator.",
                "model.r1=1",
                "training.rate=0.0002",
                "training.beta1=0.5",
            ),
            run.train_longer("Or, if it has only begun to learn, go on."),
        ),
    )


def unfinished(run: RunSummary) -> Finding | None:
    """The loss was still falling when the training ended."""
    losses = [float(row["valid/loss"]) for row in run.history if "valid/loss" in row]
    if len(losses) < 2:
        return None
    whole = losses[0] - losses[-1]
    last = losses[-1 - max(1, len(losses) // 3)] - losses[-1]
    if not last > MAX_LATE_PROGRESS * whole > 0:
        return None
    return Finding(
        "still learning",
        f"{last / whole:.0%} of what the training has won on held-out images it won in its last third: "
        "what is measured here is of a model that had not finished.",
        ("reconstruction", "frechet"),
        (run.train_longer("Train it for twice as long."),),
    )


Check = Callable[[RunSummary], Finding | None]
CHECKS: Mapping[Check, tuple[str, ...]] = {  # and what explains each of them
    rate_scale: (),
    strong_prior: ("scale of the rate",),
    blind_likelihood: ("scale of the rate",),
    collapse: ("scale of the rate", "over-strong prior", "blind likelihood"),
    holes: (),
    prior_mismatch: ("scale of the rate",),
    few_dimensions: (),
    memorization: (),
    discriminator_won: (),
    mode_collapse: ("the discriminator has won",),
    unfinished: (),
}


def _recent_mean(run: RunSummary, name: str) -> float:
    """The mean of a measure over the last quarter of the training."""
    values = [float(row[name]) for row in run.history if name in row]
    last = values[-max(1, len(values) // 4) :]
    return sum(last) / len(last) if last else math.nan


def _dimensions_used(used: float, axes: int) -> str:
    return f"{'none' if used == 0 else f'{used:.0f}'} of {axes} axes"


def _half_epochs(run: RunSummary) -> int:
    return 1 if run.recipe is None else max(1, run.recipe.training.epochs // 2)
