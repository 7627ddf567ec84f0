"""Going downhill for many points at once: with slopes, or by feeling the way where there are none."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents, Rows, Values
from zatlas.core.progress import Advance

Gradient = Callable[[Tensor], tuple[Tensor, Tensor]]  # points -> a loss each, and its gradient
Residual = Callable[[Latents, Rows], np.ndarray]  # points -> a row of numbers each, all wanted to be 0

MEMORY = 20  # steps that bend the next one
FIRST_STEP = 0.1  # length of the first step, of a point's own
SUFFICIENT_DECREASE = 1e-4  # of the decrease that the slope promises
MIN_CURVATURE = 1e-6  # cosine between a step and the change of slope, from which it tells of the valley
DIFFERENCE = 1e-2  # by which a coordinate is moved, to feel what it does


def descend(slope: Gradient, z: Tensor, steps: int, advance: Advance) -> tuple[Tensor, Tensor]:
    """Lower each row's own loss by so many steps; the points, and what is left of the loss of each.

    The limited-memory BFGS method, row by row: every step tries all rows at once, and a row that did
    not fall goes less far next time. Nocedal 1980, https://doi.org/10.1090/S0025-5718-1980-0572855-7
    """
    loss, gradient = slope(z)
    past: list[tuple[Tensor, Tensor, Tensor]] = []
    direction = _first_step(gradient, z)
    reach = torch.ones_like(loss)
    for _ in range(steps):
        tried = z + reach[:, None] * direction
        tried_loss, tried_gradient = slope(tried)
        promised = reach * (gradient * direction).sum(1)
        fell = tried_loss <= loss + SUFFICIENT_DECREASE * promised
        moved, bent = (tried - z) * fell[:, None], (tried_gradient - gradient) * fell[:, None]
        along = (moved * bent).sum(1)
        good = along > MIN_CURVATURE * moved.norm(dim=1) * bent.norm(dim=1)
        past.append((moved, bent, torch.where(good, 1 / along.clamp(min=1e-30), 0)))
        past = past[-MEMORY:]
        # Less far, as a parabola through the two losses and the slope says.
        less = -promised * reach / (2 * (tried_loss - loss - promised)).clamp(min=1e-30)
        less = torch.where(torch.isfinite(less), less, 0).clamp(0.1 * reach, 0.5 * reach)
        z, loss = torch.where(fell[:, None], tried, z), torch.where(fell, tried_loss, loss)
        gradient = torch.where(fell[:, None], tried_gradient, gradient)
        direction = torch.where(fell[:, None], _lbfgs_direction(gradient, past, z), direction)
        reach = torch.where(fell, 1.0, less)
        advance(1)
    return z, loss


def _first_step(gradient: Tensor, z: Tensor) -> Tensor:
    """Straight down, a little way."""
    far = FIRST_STEP * z.norm(dim=1, keepdim=True).clamp(min=1)
    return -gradient * far / gradient.norm(dim=1, keepdim=True).clamp(min=1e-20)


def _lbfgs_direction(gradient: Tensor, past: list[tuple[Tensor, Tensor, Tensor]], z: Tensor) -> Tensor:
    """The way down, bent by what the last steps told of the valley's shape."""
    q, parts = gradient, []
    for moved, bent, weight in reversed(past):
        part = weight * (moved * q).sum(1)
        q = q - part[:, None] * bent
        parts.append(part)
    scale = torch.zeros(len(z), dtype=z.dtype, device=z.device)
    for _, bent, weight in past:  # the last good step of each row counts
        size = (weight * bent.square().sum(1)).clamp(min=1e-20)
        scale = torch.where(weight > 0, 1 / size, scale)
    r = scale[:, None] * q
    for (moved, bent, weight), part in zip(past, reversed(parts), strict=True):
        r = r + moved * (part - weight * (bent * r).sum(1))[:, None]
    down = (r * gradient).sum(1, keepdim=True) > 0
    return torch.where(down, -r, _first_step(gradient, z))


def numeric_descent(rest: Residual, z: Latents, steps: int, advance: Advance) -> tuple[Latents, Values]:
    """The same for functions without slopes: each coordinate is nudged to feel what it does.

    `rest` is told which rows its points stand for. The method of Levenberg and Marquardt with
    differences: a step asks for a value a coordinate. Marquardt 1963, https://doi.org/10.1137/0111030
    """
    z, damping, going = z.copy(), np.full(len(z), 0.1), np.ones(len(z), bool)
    here = rest(z, np.arange(len(z)))
    for _ in range(steps):
        for row in np.flatnonzero(going):
            at = partial(_residual_of_row, rest, int(row))
            result = _levenberg_marquardt_step(at, z[row], here[row], damping[row])
            going[row] = result is not None
            if result is not None:
                z[row], here[row], damping[row] = result
        advance(1)
    return z, (here**2).sum(1)


def _residual_of_row(rest: Residual, row: int, z: Latents) -> np.ndarray:
    return rest(z, np.full(len(z), row))


def _levenberg_marquardt_step(
    at: Callable[[Latents], np.ndarray], z: Values, here: Values, damping: float
) -> tuple[Values, Values, float] | None:
    """The best of four strides, from bold to careful; None where none of them helps."""
    jacobian = (at(z + DIFFERENCE * np.eye(len(z), dtype=np.float32)) - here) / DIFFERENCE
    square, gradient = jacobian @ jacobian.T, jacobian @ here
    size = float(np.trace(square)) / len(z) + 1e-20
    dampings = damping * np.array([0.1, 1, 10, 100])
    ways = [np.linalg.solve(square + d * size * np.eye(len(z)), -gradient) for d in dampings]
    tried = (z + np.array(ways)).astype(np.float32)
    answers = at(tried)
    losses = (answers**2).sum(1)
    best = int(losses.argmin())
    if not losses[best] < (here**2).sum():
        return None
    return tried[best], answers[best], float(np.clip(dampings[best], 1e-6, 1e3))
