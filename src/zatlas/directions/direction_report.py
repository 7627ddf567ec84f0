"""What a direction changes in decoded images, measured against random directions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from zatlas.directions.types import Direction
from zatlas.latent.attributes import pretty

MAX_AMOUNT = 4  # standard deviations to either side that an evaluation covers
MAX_RATIO = 20  # larger ratios to a random direction are written as "more than"
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
    def significant(self) -> bool:
        """Whether even the low end exceeds the change by random directions."""
        return self.low > self.random_limit


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
    """A direction with its measurements."""

    direction: Direction = field(kw_only=True)

    @property
    def name(self) -> str:
        """The name of the direction."""
        return self.direction.name

    def measured(self) -> dict[str, Any]:
        """The measurements as plain values, as the direction's file stores them."""
        return asdict(EffectMeasurement(**{f.name: getattr(self, f.name) for f in fields(EffectMeasurement)}))

    def summary(self) -> str:
        """The measurements in a few sentences."""
        return summary_text(self)


def same_attribute(name: str, target: str | None) -> bool:
    """Whether two names are values of one attribute, as "hair=red" and "hair=gray"."""
    if target is None:
        return False
    return name == target or ("=" in name and name.partition("=")[0] == target.partition("=")[0])


def summary_text(report: EffectMeasurement) -> str:
    """The measurements in a few sentences."""
    sentences = [_effect_sentence(report)]
    if report.leak is not None and report.effect.significant:
        largest = sorted(report.side_effects, key=lambda name: -abs(report.side_effects[name]))[:2]
        named = " and ".join(f"{pretty(name)} ({report.side_effects[name]:+.0%})" for name in largest)
        sentences.append(f"The largest side effects are on {named}.")
    if report.effect.significant:
        sentences.append(f"The edit works {range_text(report)}.")
    if report.stability is not None and report.stability < MIN_STABILITY:
        sentences.append(f"Fitted to other images, it differs (mean cosine {report.stability:.2f}).")
    return " ".join(sentences)


def _effect_sentence(report: EffectMeasurement) -> str:
    effect = report.effect
    target = "the image" if report.target is None else pretty(report.target)
    change = f"One standard deviation changes {target} by {_amount(report, effect.value)} "
    change += f"({_amount(report, effect.low)} to {_amount(report, effect.high)})"
    if not effect.significant:
        limit = _amount(report, effect.random_limit)
        return f"Not better than random. {change}; random directions change it by up to {limit}."
    return f"{change}, {effect_text(effect)} as much as a random direction."


def effect_text(effect: Effect) -> str:
    """The ratio to a random direction, as "3.2 times"."""
    ratio = effect.value / max(effect.random_mean, 1e-9)
    return f"{ratio:.1f} times" if ratio < MAX_RATIO else f"more than {MAX_RATIO} times"


def _amount(report: EffectMeasurement, value: float) -> str:
    if report.target is None:
        return f"{value:.3f} of grey"
    return f"{value:+.0%}" if abs(value) >= 0.01 else f"{value:+.1%}"


def range_text(report: EffectMeasurement) -> str:
    """The range in which the edit works, as "from -2 to +3 standard deviations"."""
    if not report.low and not report.high:
        return "nowhere: one standard deviation already leaves the data or changes nothing"
    low, high = (
        f"{end:+g}" + (" or more" if abs(end) >= MAX_AMOUNT else "") for end in (report.low, report.high)
    )
    return f"from {low} to {high} standard deviations"
