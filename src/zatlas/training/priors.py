"""Fitting a flow to codes, so that it can be sampled where the codes lie."""

import math
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Points
from zatlas.core.errors import Diverged
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import derive, stream
from zatlas.models.flow import Flow
from zatlas.training.scoring import silent

COUPLINGS = 8
NARROW, WIDE = 48, 128  # of a coupling's net
BATCH = 256
STEPS = 1500
RATE = 5e-3
HELD = 0.1  # of the codes, which say when it is best
EVERY = 60  # steps between two looks at them
MOST_HELD = 2000
FEWEST = 20  # different codes; fewer have no shape but their mean and their spread


def fit_flow(
    points: Points, deviations: Points | None = None, *, steps: int = STEPS, seed: int = 0, show: bool = True
) -> Flow:
    """The flow that these codes are most likely from; of posteriors, draws are taken anew each time.

    A tenth of the codes is held out, and of all it was on the way the flow is taken that they like best;
    it begins as the normal distribution with the codes' mean and covariance, and is never worse to them.
    """
    dim = points.shape[1]
    spread = np.zeros_like(points) if deviations is None else deviations
    held = np.zeros(len(points), bool)
    order = stream(seed, "flow-held").permutation(len(points))
    held[order[: min(MOST_HELD, int(HELD * len(points)))]] = True
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "flow"))
        flow = Flow(dim, width=min(max(NARROW, 2 * dim), WIDE), couplings=COUPLINGS)
    mean, factor = moments(points, spread)
    flow.mean.copy_(torch.from_numpy(mean))
    flow.factor.copy_(torch.from_numpy(factor))
    if len(np.unique(points[~held], axis=0)) >= FEWEST and held.any():
        chance = torch.Generator().manual_seed(derive(seed, "flow-draws"))
        known = torch.from_numpy(points), torch.from_numpy(spread)
        inside, outside = (torch.from_numpy(np.flatnonzero(part)) for part in (~held, held))
        told = bar("fitting the flow", steps, "steps") if show else nullcontext(silent)
        with told as advance:
            _descend(flow, known, inside, _drawn(known, outside, chance), steps, chance, advance)
    return flow.eval()


def moments(points: Points, spread: Points) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and lower factor of the covariance; of few codes, the axes are taken to be less related."""
    x = points.astype(np.float64)
    n, dim = x.shape
    covariance = np.atleast_2d(np.cov(x, rowvar=False, bias=True))
    covariance += np.diag((spread.astype(np.float64) ** 2).mean(axis=0))
    variance = covariance.diagonal().copy()
    covariance *= 1 - min(1.0, dim / n)
    floor = 1e-6 * float(variance.mean()) + 1e-9
    np.fill_diagonal(covariance, variance + floor)
    return x.mean(axis=0).astype(np.float32), np.linalg.cholesky(covariance).astype(np.float32)


def _descend(
    flow: Flow,
    known: tuple[Tensor, Tensor],
    inside: Tensor,
    outside: Tensor,
    steps: int,
    chance: torch.Generator,
    advance: Advance,
) -> None:
    """Make the codes likely, and keep what those held out like best."""
    optimizer = torch.optim.Adam(flow.parameters(), lr=RATE)
    best, kept = _mean(flow, outside), _copy(flow)
    for step in range(steps):
        rows = inside[torch.randint(len(inside), (min(BATCH, len(inside)),), generator=chance)]
        for group in optimizer.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = -flow.log_density(_drawn(known, rows, chance)).mean() / flow.dim
        if not math.isfinite(loss.item()):
            raise Diverged(f"The flow's loss is no longer a number at step {step + 1:,}.")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        advance(1)
        if (step + 1) % EVERY == 0 and (found := _mean(flow, outside)) > best:
            best, kept = found, _copy(flow)
    flow.load_state_dict(kept)


@torch.no_grad()
def _mean(flow: Flow, z: Tensor) -> float:
    return float(flow.log_density(z).mean())


def _copy(flow: Flow) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in flow.state_dict().items()}


def _drawn(known: tuple[Tensor, Tensor], rows: Tensor, chance: torch.Generator) -> Tensor:
    points, spread = (part[rows] for part in known)
    return points + spread * torch.randn(points.shape, generator=chance)
