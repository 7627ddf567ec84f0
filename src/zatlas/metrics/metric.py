"""A metric of a run: a number with its error, how many it was taken from, and what it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from zatlas.core.arrays import Rows
from zatlas.core.seeds import stream

Group = Literal["likelihood", "space", "samples", "meaning", "charts"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Metric:
    """One number that tells something of a run."""

    name: str  # by which it is asked for, as "importance_bound"
    group: Group
    value: float
    about: str  # what it is, with the treatment of pixels or the feature space it is measured in
    n: int  # images, samples or pairs it was taken from
    error: float | None = None  # standard error; None where the number is exact, or of one run alone
    unit: str = ""  # as "nats", "share", "axes"
    better: Better = "neither"
    baseline: float | None = None  # what the best or the emptiest answer would give: see baseline_name
    baseline_name: str = ""  # as "real images against other real images", or "chance"
    parts: Mapping[str, float] = field(default_factory=dict)  # the same of each axis, class or attribute

    @property
    def interval(self) -> tuple[float, float] | None:
        """Ends between which the truth lies nineteen times in twenty."""
        if self.error is None:
            return None
        return self.value - 1.96 * self.error, self.value + 1.96 * self.error


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of independent values, and its standard error."""
    numbers = np.asarray(values, np.float64)
    spread = numbers.std(ddof=1) if len(numbers) > 1 else 0.0
    return float(numbers.mean()), float(spread / np.sqrt(len(numbers)))


def bootstrap_error(statistic: Callable[[Rows], float], n: int, *, seed: int, times: int = 20) -> float:
    """The standard error of a statistic of n rows: its spread over draws of them with replacement.

    Efron 1979, https://doi.org/10.1214/aos/1176344552
    """
    rng = stream(seed, "bootstrap")
    found = [statistic(rng.integers(0, n, n)) for _ in range(times)]
    return float(np.std(found, ddof=1))
