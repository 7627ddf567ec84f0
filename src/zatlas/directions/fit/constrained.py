"""Linear directions that are optimized to flip one predicted attribute and to keep the others."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Flags, Latents, Values
from zatlas.core.seeds import stream
from zatlas.directions.field_networks import AttributeNetwork, forward

AMOUNT = 3.0  # standard deviations by which latents are moved
STEPS, HALF_BATCH, RATE = 150, 128, 0.04  # half a batch has the attribute, and half lacks it
MAX_SIDE_EFFECT = 0.1  # mean change of the other attributes' probabilities that is not penalized
PENALTY = 10.0  # of a larger change


def fit_constrained(
    network: AttributeNetwork, latents: Latents, flags: Flags, start: Values, *, seed: int = 0
) -> Values:
    """The unit vector (d,) that flips the network's first output and keeps its other outputs.

    Latents with the attribute move by -AMOUNT std along the vector, those without by AMOUNT std. The
    optimization begins at `start`.
    """
    variables = [torch.from_numpy(array) for array in (*network.weights, *network.offsets)]
    std = torch.from_numpy(network.std)
    x = torch.from_numpy((latents - network.mean) / network.std)
    covariance = torch.from_numpy(np.cov(latents.T).reshape(2 * (latents.shape[1],)).astype(np.float32))
    signs = torch.from_numpy(np.where(flags, -1, 1).astype(np.float32))
    vector = torch.from_numpy(start / np.linalg.norm(start)).float().requires_grad_()
    optimizer = torch.optim.Adam([vector], lr=RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / STEPS, STEPS)
    rng = stream(seed, "aim")
    groups = [np.flatnonzero(flags), np.flatnonzero(~flags)]
    for _ in range(STEPS):
        rows = np.concatenate([rng.choice(group, HALF_BATCH) for group in groups])
        step = AMOUNT * _std_along(vector, covariance) * vector / vector.norm() / std
        loss = _loss(variables, x[rows], signs[rows, None], step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    result: Values = (vector / vector.norm()).detach().numpy()
    return result


def _std_along(vector: Tensor, covariance: Tensor) -> Tensor:
    """The standard deviation of the latents along a vector."""
    return (vector @ covariance @ vector).clamp_min(1e-12).sqrt() / vector.norm()


def _loss(variables: list[Tensor], x: Tensor, signs: Tensor, step: Tensor) -> Tensor:
    """The loss of the first output's flips, plus the penalty for changes of the other outputs."""
    with torch.no_grad():
        before = forward(variables, x)
    after = forward(variables, x + signs * step)
    flip_loss = F.softplus(1 - signs[:, 0] * after[:, 0]).mean()
    if after.shape[1] == 1:
        return flip_loss
    side_effect = (after[:, 1:].sigmoid() - before[:, 1:].sigmoid()).abs().mean()
    return flip_loss + PENALTY * (side_effect - MAX_SIDE_EFFECT).clamp_min(0)
