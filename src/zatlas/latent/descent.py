"""Minimisation of many losses at once: L-BFGS with gradients, Levenberg-Marquardt without."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents, Rows, Values
from zatlas.core.progress import Advance

Gradient = Callable[[Tensor], tuple[Tensor, Tensor]]  # latents -> the loss and the gradient of each
Residual = Callable[[Latents, Rows], np.ndarray]  # latents and their rows -> residuals to minimise, (n, m)

MEMORY = 20  # steps that estimate the curvature
FIRST_STEP = 0.1  # length of the first step, relative to the norm of the latent
SUFFICIENT_DECREASE = 1e-4  # of the decrease that the gradient predicts
MIN_CURVATURE = 1e-6  # cosine between a step and its change of gradient, from which the step is used
DIFFERENCE = 1e-2  # step of a finite difference


def descend(gradient_of: Gradient, z: Tensor, steps: int, advance: Advance) -> tuple[Tensor, Tensor]:
    """Minimise the loss of each row; return the latents and their losses.

    Limited-memory BFGS for each row: every step tries all rows at once, and a row whose loss did not
    decrease tries a shorter step next. Nocedal 1980, https://doi.org/10.1090/S0025-5718-1980-0572855-7
    """
    loss, gradient = gradient_of(z)
    history: list[tuple[Tensor, Tensor, Tensor]] = []
    direction = _first_step(gradient, z)
    length = torch.ones_like(loss)
    for _ in range(steps):
        trial = z + length[:, None] * direction
        trial_loss, trial_gradient = gradient_of(trial)
        predicted = length * (gradient * direction).sum(1)
        accepted = trial_loss <= loss + SUFFICIENT_DECREASE * predicted
        step, change = (trial - z) * accepted[:, None], (trial_gradient - gradient) * accepted[:, None]
        curvature = (step * change).sum(1)
        usable = curvature > MIN_CURVATURE * step.norm(dim=1) * change.norm(dim=1)
        history.append((step, change, torch.where(usable, 1 / curvature.clamp(min=1e-30), 0)))
        history = history[-MEMORY:]
        # The minimum of the parabola through both losses and the gradient.
        shorter = -predicted * length / (2 * (trial_loss - loss - predicted)).clamp(min=1e-30)
        shorter = torch.where(torch.isfinite(shorter), shorter, 0).clamp(0.1 * length, 0.5 * length)
        z, loss = torch.where(accepted[:, None], trial, z), torch.where(accepted, trial_loss, loss)
        gradient = torch.where(accepted[:, None], trial_gradient, gradient)
        direction = torch.where(accepted[:, None], _lbfgs_direction(gradient, history, z), direction)
        length = torch.where(accepted, 1.0, shorter)
        advance(1)
    return z, loss


def _first_step(gradient: Tensor, z: Tensor) -> Tensor:
    """A short step along the negative gradient."""
    length = FIRST_STEP * z.norm(dim=1, keepdim=True).clamp(min=1)
    return -gradient * length / gradient.norm(dim=1, keepdim=True).clamp(min=1e-20)


def _lbfgs_direction(gradient: Tensor, history: list[tuple[Tensor, Tensor, Tensor]], z: Tensor) -> Tensor:
    """The two-loop recursion: the negative gradient times the estimated inverse Hessian."""
    q, coefficients = gradient, []
    for step, change, weight in reversed(history):
        coefficient = weight * (step * q).sum(1)
        q = q - coefficient[:, None] * change
        coefficients.append(coefficient)
    scale = torch.zeros(len(z), dtype=z.dtype, device=z.device)
    for _, change, weight in history:  # the last usable step of each row counts
        size = (weight * change.square().sum(1)).clamp(min=1e-20)
        scale = torch.where(weight > 0, 1 / size, scale)
    r = scale[:, None] * q
    for (step, change, weight), coefficient in zip(history, reversed(coefficients), strict=True):
        r = r + step * (coefficient - weight * (change * r).sum(1))[:, None]
    descends = (r * gradient).sum(1, keepdim=True) > 0
    return torch.where(descends, -r, _first_step(gradient, z))


def numeric_descent(residual: Residual, z: Latents, steps: int, advance: Advance) -> tuple[Latents, Values]:
    """Minimise the squared residuals of each row without gradients; return the latents and their losses.

    The Levenberg-Marquardt method with finite differences, which evaluates the residual once for each
    dimension and step. Marquardt 1963, https://doi.org/10.1137/0111030
    """
    z, damping, active = z.copy(), np.full(len(z), 0.1), np.ones(len(z), bool)
    current = residual(z, np.arange(len(z)))
    for _ in range(steps):
        for row in np.flatnonzero(active):
            of_row = partial(_residual_of_row, residual, int(row))
            result = _levenberg_marquardt_step(of_row, z[row], current[row], damping[row])
            active[row] = result is not None
            if result is not None:
                z[row], current[row], damping[row] = result
        advance(1)
    return z, (current**2).sum(1)


def _residual_of_row(residual: Residual, row: int, z: Latents) -> np.ndarray:
    return residual(z, np.full(len(z), row))


def _levenberg_marquardt_step(
    residual: Callable[[Latents], np.ndarray], z: Values, current: Values, damping: float
) -> tuple[Values, Values, float] | None:
    """Return the best of four steps with different damping; None if none of them lowers the loss."""
    jacobian = (residual(z + DIFFERENCE * np.eye(len(z), dtype=np.float32)) - current) / DIFFERENCE
    square, gradient = jacobian @ jacobian.T, jacobian @ current
    size = float(np.trace(square)) / len(z) + 1e-20
    dampings = damping * np.array([0.1, 1, 10, 100])
    steps = [np.linalg.solve(square + d * size * np.eye(len(z)), -gradient) for d in dampings]
    trials = (z + np.array(steps)).astype(np.float32)
    residuals = residual(trials)
    losses = (residuals**2).sum(1)
    best = int(losses.argmin())
    if not losses[best] < (current**2).sum():
        return None
    return trials[best], residuals[best], float(np.clip(dampings[best], 1e-6, 1e3))
