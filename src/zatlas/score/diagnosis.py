"""From figures to causes: what ails a run, in plain words, and the command that cures it.

An illness is one function from a `Patient` to a `Finding` or None. They are asked in order: an
illness that explains another comes first, and the other is then not named.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zatlas.core.shell import shell_command
from zatlas.data.sources import value_of
from zatlas.models.bring import brought_of
from zatlas.score.figure import Figure
from zatlas.training.recipe import Recipe
from zatlas.workspace import Workspace

HEAVY = 2.0  # times what the ELBO charges for a nat of rate: a prior that is too strong
LIGHT = 0.5  # of it: a prior that is too weak
ASLEEP = 0.5  # share of the axes that may be unused before it is told
EMPTY = 1.0  # nats of rate that tell next to nothing of an image
CROWDED = 2.5  # nats an axis, when every axis is used: there are too few of them
BLIND = 1.5  # times as much noise as the images that are rebuilt show
FAR = 1.5  # times as far off are samples of the prior as images decoded near real codes
APART = 3.0  # times the distance that two draws of the prior have by chance
RARE = 0.1  # share of the prior's mass without data that is told as holes
COPIED = 0.1  # share of samples that are nearly training images, beyond that of held-out ones
NARROW = 0.8  # of the data's variety, or of its spread
FALLING = 0.25  # share of its fall that a loss still has in the last third of a training
WON = 0.99  # accuracy of a discriminator that has nothing left to learn


@dataclass(frozen=True)
class Cure:
    """Something to try, and the command that does it."""

    what: str
    command: str
    settings: tuple[str, ...] = ()  # of the recipe, that it changes


@dataclass(frozen=True)
class Finding:
    """An illness of a run: what it is, the figures that show it, and what to try."""

    name: str
    words: str
    because: tuple[str, ...]  # names of figures
    cures: tuple[Cure, ...]


@dataclass(frozen=True)
class Patient:
    """A run as a diagnosis sees it: its figures, how it was trained, and how the training went."""

    folder: Path
    family: str
    axes: int
    prior: str  # of its space: "none" for an auto-encoder
    figures: Mapping[str, Figure]
    recipe: Recipe | None  # None for a model that was brought
    metrics: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, workspace: Workspace, figures: Mapping[str, Figure]) -> "Patient":
        """The run of this workspace."""
        trained = brought_of(workspace.run) is None
        return cls(
            workspace.run.folder,
            workspace.description.family,
            workspace.dim,
            workspace.generator.space.prior,
            figures,
            workspace.recipe if trained else None,
            workspace.run.metrics(),
        )

    def value(self, name: str) -> float:
        """The figure's value; not a number where it was not measured, which no comparison is true of."""
        return self.figures[name].value if name in self.figures else math.nan

    def floor(self, name: str) -> float:
        """What the figure is compared with."""
        found = self.figures.get(name)
        return math.nan if found is None or found.floor is None else found.floor

    def setting(self, name: str) -> Any:
        """A setting of the model as it was trained."""
        return None if self.recipe is None else self.recipe.model.get(name)

    def again(self, what: str, *settings: str) -> Cure:
        """Training the same recipe once more, with these settings changed."""
        changed = [word for setting in settings for word in ("--set", setting)]
        change = "-" + settings[0].partition(".")[2].replace("=", "-")
        recipe, out = self.folder / "recipe.toml", Path(f"{self.folder}{change}")
        command = shell_command("train", "--recipe", recipe, *changed, "--out", out)
        return Cure(what, command, settings)

    def longer(self, what: str) -> Cure:
        """Training for twice as long: going on, unless the schedule was made for its length."""
        training = None if self.recipe is None else self.recipe.training
        epochs = 60 if training is None else 2 * training.epochs
        if training is not None and training.schedule == "onecycle":
            return self.again(what, f"training.epochs={epochs}")
        return Cure(what, shell_command("train", "--resume", self.folder, "--epochs", epochs))

    def fitted(self, what: str, kind: str) -> Cure:
        """Fitting a prior to the codes, and drawing from that."""
        return Cure(what, shell_command("sample", self.folder, "--prior", kind))

    def open_to(self, cure: Cure) -> bool:
        """Whether the cure changes anything: no brought model is trained again, and none as it was."""
        if not cure.command.startswith("zatlas train"):
            return True
        if self.recipe is None:
            return False
        tables = {
            "model": {"family": self.recipe.family, **self.recipe.model},
            "training": vars(self.recipe.training),
        }
        asked = (setting.partition("=") for setting in cure.settings)
        parted = [(*name.partition(".")[::2], value_of(value)) for name, _, value in asked]
        same = [tables[table].get(key) == value for table, key, value in parted]
        return not same or not all(same)


def diagnose(patient: Patient) -> list[Finding]:
    """What ails this run by its figures; nothing, of a healthy one."""
    found: list[Finding] = []
    for illness, explained in ILLNESSES.items():
        if any(finding.name in explained for finding in found):
            continue
        if (finding := illness(patient)) is not None:
            cures = tuple(cure for cure in finding.cures if patient.open_to(cure))
            found.append(replace(finding, cures=cures))
    return found


def scale(p: Patient) -> Finding | None:
    """The rate is weighed by the number of pixels: the loss is a mean where the ELBO is a sum."""
    charge = p.value("charge")
    if p.setting("reduction") != "mean" or LIGHT <= charge <= HEAVY:
        return None
    heavy = "so the posterior goes to the prior" if charge > 1 else "so the prior hardly counts"
    beta = float(p.setting("beta")) / charge
    return Finding(
        "scale of the rate",
        f"The loss is a mean over pixels and over axes, where the ELBO is a sum over both. A nat of rate "
        f"is thereby charged {charge:.3g} times what a nat of distortion is, {heavy}.",
        ("charge", "rate"),
        (
            p.again("Sum over the pixels and the axes, as the ELBO does.", "model.reduction=sum"),
            p.again("Or keep the mean, and weigh the rate for it.", f"model.beta={beta:.3g}"),
        ),
    )


def strong_prior(p: Patient) -> Finding | None:
    """Beta is so high that axes go unused and images are rebuilt poorly."""
    charge, used = p.value("charge"), p.value("active_units")
    if not (charge > HEAVY and used <= (1 - ASLEEP) * p.axes):
        return None
    milder = max(1.0, charge / 8)
    return Finding(
        "over-strong prior",
        f"A nat of rate is charged {charge:.3g} times what it costs in the ELBO; the model pays with "
        f"{_axes(used, p.axes)} in use, and what the others would have told of an image is lost.",
        ("charge", "active_units", "rate"),
        (
            p.again("Charge what the ELBO charges.", "model.beta=1"),
            p.again(
                "Or, for axes that disentangle, less, rising from nought.",
                f"model.beta={milder:.3g}",
                "model.warmup=5",
            ),
        ),
    )


def blind_likelihood(p: Patient) -> Finding | None:
    """The likelihood expects far more noise than there is, so that rebuilding well earns nothing."""
    noise, left = p.value("noise"), p.floor("noise")
    if not noise > BLIND * left:
        return None
    return Finding(
        "blind likelihood",
        f"The likelihood takes pixels to be noisy by {noise:.2g}, and the images it rebuilds are off by "
        f"{left:.2g} only. Detail finer than its noise is worth nothing to it, so the codes do not hold it.",
        ("noise", "rebuilding", "rate"),
        (
            p.again("Learn the noise with the rest.", "model.likelihood=gaussian", "model.sigma=0"),
            p.again("Or take grey levels as chances of white.", "model.likelihood=bernoulli"),
        ),
    )


def collapse(p: Patient) -> Finding | None:
    """The posterior is the prior, whatever the image: codes tell nothing."""
    used, rate = p.value("active_units"), p.value("rate")
    if not (used == 0 or rate < EMPTY):
        return None
    words = f"a code tells only {rate:.2g} nats of its image: the decoder has learnt to do without."
    if used == p.axes:
        words = f"The axes do move from image to image, but {words}"
    elif used < p.axes:
        words = f"{_axes(used, p.axes).capitalize()} differ from image to image, and {words}"
    else:  # the rate alone was measured
        words = words.capitalize()
    early = (p.longer("Or, if it has only begun to learn, go on."),) if used == p.axes else ()
    return Finding(
        "posterior collapse",
        words,
        ("active_units", "rate", "mutual_information"),
        (
            p.again("Give each axis some nats for nothing.", "model.free_bits=0.5"),
            p.again("Or charge less for the rate.", "model.beta=0.25"),
            p.again("Or let it cost nothing at first.", f"model.warmup={_half(p)}"),
            *early,
        ),
    )


def holes(p: Patient) -> Finding | None:
    """Nothing shaped the space: places between the codes decode to no image."""
    share, ratio = p.value("holes"), p.value("frechet") / p.value("posterior_frechet")
    if p.prior != "none" or not (share > RARE or ratio > FAR):
        return None
    empty = f"{share:.0%} of the mass of a normal distribution as wide as the codes is empty of codes"
    words = empty if share > RARE else f"samples are {ratio:.1f} times as far from real images as codes"
    return Finding(
        "holes",
        f"Nothing asked this model to fill its space: {words}, and what is decoded there is luck.",
        ("holes", "frechet", "posterior_frechet"),
        (
            p.fitted("Draw where the codes are.", "mixture"),
            p.again("Or train a VAE, which fills its prior.", "model.family=vae"),
        ),
    )


def apart(p: Patient) -> Finding | None:
    """Samples of the prior lie where no codes are, so the decoder was never taught what to make of them."""
    far = p.value("prior_distance") > APART * p.floor("prior_distance")
    worse = p.value("frechet") > FAR * p.value("posterior_frechet")
    if p.prior == "none" or not (far and worse):
        return None
    ratio = p.value("frechet") / p.value("posterior_frechet")
    cures = [p.fitted("Draw from a prior that is fitted to the codes.", "flow")]
    if p.value("charge") < LIGHT:
        cures.append(p.again("Or charge the rate in full.", "model.beta=1"))
    return Finding(
        "prior and codes apart",
        f"The codes do not fill the prior: images decoded from its samples are {ratio:.1f} times as far "
        "from real ones as images decoded from where the codes are.",
        ("prior_distance", "shell", "spill", "frechet", "posterior_frechet"),
        tuple(cures),
    )


def few_axes(p: Patient) -> Finding | None:
    """Every axis is full, and what does not fit is lost."""
    each, used = p.value("axis_rate"), p.value("active_units")
    if not (used == p.axes and each > CROWDED) or p.value("charge") < LIGHT:
        return None
    more = max(8, 4 * p.axes)
    one = p.axes == 1
    return Finding(
        "too few axes",
        f"{'The one axis is' if one else f'All {p.axes} axes are'} in use, with {each:.1f} nats each: more "
        "is to be told of an image than they hold. As a map it may be just right.",
        ("axis_rate", "active_units", "rebuilding"),
        (p.again("Take more; those that are not needed stay unused.", f"model.dim={more}"),),
    )


def memorised(p: Patient) -> Finding | None:
    """Samples are training images, more often than chance makes them."""
    share, usual = p.value("memorised"), p.floor("memorised")
    if not share - usual > COPIED:
        return None
    return Finding(
        "memorisation",
        f"{share:.0%} of the samples lie nearer to a training image than almost any held-out image does "
        f"({usual:.0%} of which do): the model gives back what it was shown.",
        ("memorised", "overfit", "coverage"),
        (
            p.again("Keep the epoch that is best on held-out images.", "training.best=loss"),
            p.again("Show it more: mirrored images too, where left may be right.", "training.flip=true"),
        ),
    )


def discriminator_won(p: Patient) -> Finding | None:
    """The discriminator is never wrong, so its slope teaches the generator nothing."""
    real, fake = (_lately(p, f"train/discriminator/{kind}_accuracy") for kind in ("real", "fake"))
    if not (real > WON and fake > WON):
        return None
    return Finding(
        "the discriminator has won",
        f"It tells {real:.1%} of the real images and {fake:.1%} of the generator's: where it is never in "
        "doubt, its slope is flat, and the generator has nothing to follow.",
        ("frechet", "variety"),
        (
            p.again(
                "Hold its slope down, and take smaller steps.",
                "model.r1=1",
                "training.rate=0.0002",
                "training.beta1=0.5",
            ),
        ),
    )


def mode_collapse(p: Patient) -> Finding | None:
    """The generator makes a few kinds of image, whatever it is given."""
    if p.family != "gan":
        return None
    variety, spread = p.value("variety"), p.value("spread_of_samples")
    if not (variety < NARROW or spread < NARROW):
        return None
    return Finding(
        "mode collapse",
        f"Samples have {variety:.0%} of the variety of the data and differ by {spread:.0%} of what real "
        "images differ by: the generator has settled on what passes.",
        ("variety", "spread_of_samples", "recall", "coverage"),
        (
            p.again(
                "Hold the discriminator's slope down, so that it does not chase the generator.",
                "model.r1=1",
                "training.rate=0.0002",
                "training.beta1=0.5",
            ),
            p.longer("Or, if it has only begun to learn, go on."),
        ),
    )


def unfinished(p: Patient) -> Finding | None:
    """The loss was still falling when the training ended."""
    losses = [float(row["valid/loss"]) for row in p.metrics if "valid/loss" in row]
    if len(losses) < 2:
        return None
    whole = losses[0] - losses[-1]
    last = losses[-1 - max(1, len(losses) // 3)] - losses[-1]
    if not last > FALLING * whole > 0:
        return None
    return Finding(
        "still learning",
        f"{last / whole:.0%} of what the training has won on held-out images it won in its last third: "
        "what is measured here is of a model that had not finished.",
        ("rebuilding", "frechet"),
        (p.longer("Train it for twice as long."),),
    )


Illness = Callable[[Patient], Finding | None]
ILLNESSES: Mapping[Illness, tuple[str, ...]] = {  # and what explains each of them
    scale: (),
    strong_prior: ("scale of the rate",),
    blind_likelihood: ("scale of the rate",),
    collapse: ("scale of the rate", "over-strong prior", "blind likelihood"),
    holes: (),
    apart: ("scale of the rate",),
    few_axes: (),
    memorised: (),
    discriminator_won: (),
    mode_collapse: ("the discriminator has won",),
    unfinished: (),
}


def _lately(p: Patient, name: str) -> float:
    """The mean of a measure over the last quarter of the training."""
    values = [float(row[name]) for row in p.metrics if name in row]
    last = values[-max(1, len(values) // 4) :]
    return sum(last) / len(last) if last else math.nan


def _axes(used: float, axes: int) -> str:
    return f"{'none' if used == 0 else f'{used:.0f}'} of {axes} axes"


def _half(p: Patient) -> int:
    return 1 if p.recipe is None else max(1, p.recipe.training.epochs // 2)
