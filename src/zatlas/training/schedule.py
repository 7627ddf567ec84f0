"""The learning rate as a pure function of the step, so that there is nothing to save of it.

One cycle: Smith and Topin 2019, https://arxiv.org/abs/1708.07120
"""

import math

from zatlas.training.recipe import Training

RISE = 0.1  # part of a one-cycle training in which the rate rises
LOW = 0.04  # where it starts, as a part of the highest


def rate_at(training: Training, step: int, epoch_steps: int) -> float:
    """The learning rate for this step, counted from 0."""
    if training.schedule == "constant":
        return training.rate
    if training.schedule == "exponential":
        return float(training.rate * training.decay ** (step // epoch_steps))
    done = (step + 0.5) / (training.epochs * epoch_steps)
    if done < RISE:
        return training.rate * (LOW + (1 - LOW) * _ease(done / RISE))
    return training.rate * _ease((1 - done) / (1 - RISE))


def _ease(t: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * t)) / 2
