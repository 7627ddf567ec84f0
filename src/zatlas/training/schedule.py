"""The learning rate as a pure function of the step, so that no checkpoint stores it.

One cycle: Smith and Topin 2019, https://arxiv.org/abs/1708.07120
"""

import math

from zatlas.training.recipe import Training

RISE = 0.1  # share of a one-cycle training in which the rate rises
LOW = 0.04  # first rate, as a share of the highest rate


def rate_at(training: Training, step: int, epoch_steps: int) -> float:
    """Return the learning rate of this step, counted from 0."""
    if training.schedule == "constant":
        return training.rate
    if training.schedule == "exponential":
        return float(training.rate * training.decay ** (step // epoch_steps))
    done = (step + 0.5) / (training.epochs * epoch_steps)
    if done < RISE:
        return training.rate * (LOW + (1 - LOW) * _ease(done / RISE))
    return training.rate * _ease((1 - done) / (1 - RISE))


def _ease(t: float) -> float:
    """Return half a cosine wave, from 0 at t = 0 to 1 at t = 1."""
    return (1 - math.cos(math.pi * t)) / 2
