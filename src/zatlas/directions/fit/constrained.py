"""Straight ways that are aimed: the one step, the same from everywhere, that turns what a small net reads."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Flags, Latents, Values
from zatlas.core.seeds import stream
from zatlas.directions.field_networks import AttributeNetwork, forward

MAX_AMOUNT = 3.0  # spreads by which points are moved
STEPS, HALF, RATE = 150, 128, 0.04  # half a batch has what is aimed at, and half has not
SIDE_EFFECT_WEIGHT = 0.1  # mean change of the other answers, up to which they may
NORM_WEIGHT = 10.0  # of a change beyond it


def fit_constrained(
    layers: AttributeNetwork, latents: Latents, has: Flags, start: Values, *, seed: int = 0
) -> Values:
    """The direction along which the net's first answer turns and its others stay, of length 1.

    Points that have it are moved back by three spreads of the points along the direction, those that
    have not, forward; of all straight ways it looks, from `start`, for the one that turns most.
    """
    net = [torch.from_numpy(array) for array in (*layers.weights, *layers.offsets)]
    std = torch.from_numpy(layers.std)
    x = torch.from_numpy((latents - layers.mean) / layers.std)
    shape = torch.from_numpy(np.cov(latents.T).reshape(2 * (latents.shape[1],)).astype(np.float32))
    signs = torch.from_numpy(np.where(has, -1, 1).astype(np.float32))
    vector = torch.from_numpy(start / np.linalg.norm(start)).float().requires_grad_()
    optimizer = torch.optim.Adam([vector], lr=RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / STEPS, STEPS)
    chance = stream(seed, "aim")
    kinds = [np.flatnonzero(has), np.flatnonzero(~has)]
    for _ in range(STEPS):
        rows = np.concatenate([chance.choice(kind, HALF) for kind in kinds])
        step = MAX_AMOUNT * _spread(vector, shape) * vector / vector.norm() / std
        loss = _missed(net, x[rows], signs[rows, None], step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    result: Values = (vector / vector.norm()).detach().numpy()
    return result


def _spread(vector: Tensor, shape: Tensor) -> Tensor:
    """The standard deviation of the points along this vector."""
    return (vector @ shape @ vector).clamp_min(1e-12).sqrt() / vector.norm()


def _missed(net: list[Tensor], x: Tensor, signs: Tensor, step: Tensor) -> Tensor:
    """How far the first answer is from having turned, and how far the others moved beyond what they may."""
    with torch.no_grad():
        before = forward(net, x)
    after = forward(net, x + signs * step)
    turned = F.softplus(1 - signs[:, 0] * after[:, 0]).mean()
    if after.shape[1] == 1:
        return turned
    aside = (after[:, 1:].sigmoid() - before[:, 1:].sigmoid()).abs().mean()
    return turned + NORM_WEIGHT * (aside - SIDE_EFFECT_WEIGHT).clamp_min(0)
