"""What a direction changes in decoded images, measured against random directions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from html import escape
from typing import Any

import numpy as np

from zatlas.directions.types import Direction
from zatlas.latent.attributes import pretty
from zatlas.render.html import html_table

MAX_AMOUNT = 4  # standard deviations to either side that an evaluation covers
MAX_RATIO = 20  # larger ratios to a random direction are written as "more than"
MAX_P = 0.05  # of shuffled labels may do as well as a significant direction
MIN_STABILITY = 0.9  # a summary mentions a lower one


@dataclass(frozen=True)
class Effect:
    """The change by one std: of an attribute's probability, or of a pixel if there is no attribute."""

    value: float  # mean over the starting latents
    low: float  # ends of the 95 % interval
    high: float
    random_limit: float  # 97.5 % of random directions change less
    random_mean: float  # mean change by a random direction

    @property
    def exceeds_random(self) -> bool:
        """Whether even the low end exceeds the change by random directions."""
        return self.low > self.random_limit


@dataclass(frozen=True)
class NullTest:
    """A cross-fitted effect, as linear readers see it, compared with that of shuffled labels."""

    effect: float  # change by one std, fitted to one half of the latents and read in the other
    limit: float  # 95 % of shuffled labels have a smaller effect
    p: float  # share of shuffled labels with an effect at least as large


@dataclass(frozen=True)
class EffectMeasurement:
    """The measurements of a direction on decoded images."""

    target: str | None  # the attribute that the direction should change; None if only images are compared
    effect: Effect
    gradients: Mapping[str, float] = field(default_factory=dict)  # each attribute's change by one std
    unexplained: float = 0.0  # share of the images' change that is unrelated to the target's
    low: float = -MAX_AMOUNT  # usable range in std: the target still changes, inside the data
    high: float = MAX_AMOUNT
    stability: float | None = None  # mean cosine with the directions fitted to other samples of the data
    shuffled: NullTest | None = None  # for directions that were fitted to labels by a linear method

    @property
    def side_effects(self) -> Mapping[str, float]:
        """The changes of the attributes that are not the target."""
        return {name: s for name, s in self.gradients.items() if not same_attribute(name, self.target)}

    @property
    def leak(self) -> float | None:
        """Mean absolute side effect divided by the target's change; None without a target."""
        if self.target is None or not self.side_effects:
            return None
        others = float(np.mean([abs(s) for s in self.side_effects.values()]))
        return others / max(abs(self.gradients[self.target]), 1e-9)


@dataclass(frozen=True)
class DirectionReport(EffectMeasurement):
    """The measured effect, side effects and usable range of a direction. A notebook shows them as a table.

    Examples
    --------
    >>> report = atlas.find_direction("left").evaluate()
    >>> sorted(report.side_effects)
    ['below', 'right']
    """

    direction: Direction = field(kw_only=True)

    def __repr__(self) -> str:
        return f"<DirectionReport {self.name}: {self.summary()}>"

    def _repr_html_(self) -> str:
        order = sorted(self.gradients, key=lambda name: -abs(self.gradients[name]))
        rows = [
            {"attribute": pretty(key), "change by one std": f"{self.gradients[key]:+.1%}"} for key in order
        ]
        return f"<p>{escape(self.name)}: {escape(self.summary())}</p>{html_table(rows) if rows else ''}"

    @property
    def name(self) -> str:
        """The name of the direction."""
        return self.direction.name

    def measured(self) -> dict[str, Any]:
        """The measurements as plain values, as the direction's file stores them."""
        return asdict(EffectMeasurement(**{f.name: getattr(self, f.name) for f in fields(EffectMeasurement)}))

    @property
    def significant(self) -> bool:
        """Whether the direction changes its target more than chance explains.

        A direction of labels must exceed shuffled labels, both in its effect and in its AUC on held-out
        latents. Any other direction must exceed random directions.
        """
        if not self._separates or self._untested:
            return False
        return self.effect.exceeds_random if self.shuffled is None else self.shuffled.p <= MAX_P

    @property
    def verdict(self) -> str:
        """The result in a few words, such as "better than shuffled labels (p = 0.005)"."""
        better = "better than" if self.significant else "not better than"
        score = self.direction.score
        if score is not None and not self._separates:
            return f"{better} shuffled labels (AUC {score.auc:.2f}, limit {score.random_limit:.2f})"
        if self._untested:
            return "too few images to compare with shuffled labels"
        if self.shuffled is not None:
            return f"{better} shuffled labels (p = {self.shuffled.p:.2g})"
        return f"{better} random directions"

    @property
    def _separates(self) -> bool:
        """Whether the AUC exceeds that of shuffled labels, or there is none."""
        score = self.direction.score
        return self.target is None or score is None or score.auc > score.random_limit

    @property
    def _untested(self) -> bool:
        """Whether a direction of labels was neither scored nor compared with shuffled labels."""
        tested = self.shuffled is not None or self.direction.score is not None
        return self.target is not None and "method" in self.direction.facts and not tested

    def summary(self) -> str:
        """The measurements in a few sentences."""
        return summary_text(self)


def same_attribute(name: str, target: str | None) -> bool:
    """Whether two names are values of one attribute, as "hair=red" and "hair=gray"."""
    if target is None:
        return False
    return name == target or ("=" in name and name.partition("=")[0] == target.partition("=")[0])


def summary_text(report: DirectionReport) -> str:
    """The measurements in a few sentences."""
    sentences = [_effect_sentence(report)]
    if report.leak is not None and report.significant:
        largest = sorted(report.side_effects, key=lambda name: -abs(report.side_effects[name]))[:2]
        named = " and ".join(f"{pretty(name)} ({report.side_effects[name]:+.0%})" for name in largest)
        sentences.append(f"The largest side effects are on {named}.")
    if report.significant:
        sentences.append(f"The edit works {range_text(report)}.")
    if report.stability is not None and report.stability < MIN_STABILITY:
        sentences.append(f"Fitted to other images, it differs (mean cosine {report.stability:.2f}).")
    return " ".join(sentences)


def _effect_sentence(report: DirectionReport) -> str:
    effect = report.effect
    target = "the grey levels" if report.target is None else pretty(report.target)
    change = f"One standard deviation changes {target} by {_amount(report, effect.value)} "
    change += f"({_amount(report, effect.low)} to {_amount(report, effect.high)})"
    verdict = report.verdict
    if not report.significant:
        sentence = f"{verdict[0].upper()}{verdict[1:]}. {change}"
        if "random directions" not in verdict:
            return f"{sentence}."
        return f"{sentence}; random directions change it by up to {_amount(report, effect.random_limit)}."
    ratio = f"{effect_text(effect)} as much as a random direction"
    return f"{change}, {ratio}." if report.shuffled is None else f"{change}, {verdict} and {ratio}."


def effect_text(effect: Effect) -> str:
    """The ratio to a random direction, as "3.2 times"."""
    ratio = effect.value / max(effect.random_mean, 1e-9)
    return f"{ratio:.1f} times" if ratio < MAX_RATIO else f"more than {MAX_RATIO} times"


def _amount(report: EffectMeasurement, value: float) -> str:
    if report.target is None:
        return f"{value:.3f}"
    return f"{value:+.0%}" if abs(value) >= 0.01 else f"{value:+.1%}"


def range_text(report: EffectMeasurement) -> str:
    """The range in which the edit works, as "from -2 to +3 standard deviations"."""
    if not report.low and not report.high:
        return "nowhere: one standard deviation already leaves the data or changes nothing"
    low, high = (
        f"{end:+g}" + (" or more" if abs(end) >= MAX_AMOUNT else "") for end in (report.low, report.high)
    )
    return f"from {low} to {high} standard deviations"
