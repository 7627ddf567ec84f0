"""What a direction changes in decoded images, measured against random directions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from zatlas.directions.types import Direction
from zatlas.latent.attributes import pretty

MAX_REACH = 4  # standard deviations, to either side, that a direction is followed
MAX_NAMED = 20


@dataclass(frozen=True)
class Effect:
    """What one spread does, with what chance does: of an answer from 0 to 1, or of a pixel's grey."""

    value: float  # mean over the starts
    low: float  # ends of the 95 % interval, over starts
    high: float
    random_high: float  # what 97.5 % of random directions stay below
    random: float  # what a random direction does in the mean

    @property
    def real(self) -> bool:
        """Whether even the low end is above what random directions reach."""
        return self.low > self.random_high


@dataclass(frozen=True)
class EffectMeasurement:
    """What the decoded images show about a direction."""

    target: str | None  # the answer that it is to move; None where only the image's change is known
    effect: Effect
    gradients: Mapping[str, float] = field(default_factory=dict)  # every answer's change by one spread
    outside: float = 0.0  # share of the images' change that does not go with the target's
    low: float = -MAX_REACH  # usable range, in spreads: where the edit still follows, within the data
    high: float = MAX_REACH
    stable: float | None = None  # mean cosine with itself, learnt again from other draws of the data

    @property
    def side_effect(self) -> Mapping[str, float]:
        """The changes of the answers that are not the target."""
        return {name: s for name, s in self.gradients.items() if not same_attribute(name, self.target)}

    @property
    def leak(self) -> float | None:
        """Mean change of the other answers, for each unit of the target's; None if it has no target."""
        if self.target is None or not self.side_effect:
            return None
        others = float(np.mean([abs(s) for s in self.side_effect.values()]))
        return others / max(abs(self.gradients[self.target]), 1e-9)


@dataclass(frozen=True)
class DirectionReport(EffectMeasurement):
    """A direction with what was measured of it."""

    direction: Direction = field(kw_only=True)

    @property
    def name(self) -> str:
        """The name of the direction."""
        return self.direction.name

    def measured(self) -> dict[str, Any]:
        """The measurements alone, as plain values: what the direction's file stores."""
        return asdict(
            EffectMeasurement(**{each.name: getattr(self, each.name) for each in fields(EffectMeasurement)})
        )

    def summary(self) -> str:
        """The measurements in a few plain sentences."""
        return report_lines(self)


def same_attribute(name: str, target: str | None) -> bool:
    """Whether two answers are of the same thing: of one attribute, whose kinds exclude each other."""
    if target is None:
        return False
    return name == target or ("=" in name and name.partition("=")[0] == target.partition("=")[0])


def report_lines(report: EffectMeasurement) -> str:
    """The report in a few sentences."""
    sentences = [_effect_sentence(report)]
    if report.leak is not None and report.effect.real:
        largest = sorted(report.side_effect, key=lambda name: -abs(report.side_effect[name]))[:2]
        named = " and ".join(f"{pretty(name)} ({report.side_effect[name]:+.0%})" for name in largest)
        sentences.append(f"The largest side effects are on {named}.")
    if report.effect.real:
        sentences.append(f"The edit works {range_text(report)}.")
    if report.stable is not None and report.stable < 0.9:
        sentences.append(f"Fitted to other images, it differs (mean cosine {report.stable:.2f}).")
    return " ".join(sentences)


def _effect_sentence(report: EffectMeasurement) -> str:
    effect = report.effect
    target = "the image" if report.target is None else pretty(report.target)
    change = f"One standard deviation changes {target} by {_amount(report, effect.value)} "
    change += f"({_amount(report, effect.low)} to {_amount(report, effect.high)})"
    if not effect.real:
        limit = _amount(report, effect.random_high)
        return f"Not better than random. {change}; random directions change it by up to {limit}."
    return f"{change}, {effect_text(effect)} as much as a random direction."


def effect_text(effect: Effect) -> str:
    """How many times as much as a random direction, as text."""
    times = effect.value / max(effect.random, 1e-9)
    return f"{times:.1f} times" if times < MAX_NAMED else f"more than {MAX_NAMED} times"


def _amount(report: EffectMeasurement, value: float) -> str:
    if report.target is None:
        return f"{value:.3f} of grey"
    return f"{value:+.0%}" if abs(value) >= 0.01 else f"{value:+.1%}"


def range_text(report: EffectMeasurement) -> str:
    """The range in which the edit works, as text."""
    if not report.low and not report.high:
        return "nowhere: one standard deviation already leaves the data or changes nothing"
    low, high = (
        f"{end:+g}" + (" or more" if abs(end) >= MAX_REACH else "") for end in (report.low, report.high)
    )
    return f"from {low} to {high} standard deviations"
