"""A metric of a run: a number with its standard error, sample size and description."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from zatlas.core.arrays import Rows
from zatlas.core.seeds import stream

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Metric:
    """One measured number of a run."""

    name: str  # as "importance_bound"
    group: str  # the registered name of the function that measures it
    value: float
    about: str  # description, with the treatment of pixels or the feature space
    n: int  # images, samples or pairs measured; 0 if the value comes from the recipe
    error: float | None = None  # standard error; None where the number is exact
    unit: str = ""  # as "nats", "share", "dimensions"
    better: Better = "neither"
    baseline: float | None = None  # value of a reference, such as real images
    baseline_name: str = ""  # what the reference is, as "random guess"
    parts: Mapping[str, float] = field(
        default_factory=dict
    )  # the value for each dimension, class or attribute

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% confidence interval; None without a standard error."""
        if self.error is None:
            return None
        return self.value - 1.96 * self.error, self.value + 1.96 * self.error


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of independent values, and its standard error."""
    numbers = np.asarray(values, np.float64)
    std = numbers.std(ddof=1) if len(numbers) > 1 else 0.0
    return float(numbers.mean()), float(std / np.sqrt(len(numbers)))


def bootstrap_error(statistic: Callable[[Rows], float], n: int, *, seed: int, times: int = 20) -> float:
    """The bootstrap standard error of a statistic of n rows.

    Efron 1979, https://doi.org/10.1214/aos/1176344552
    """
    rng = stream(seed, "bootstrap")
    values = [statistic(rng.integers(0, n, n)) for _ in range(times)]
    return float(np.std(values, ddof=1))
