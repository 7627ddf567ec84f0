"""Fit a normalizing flow to latents, to sample from their density."""

import math

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents
from zatlas.core.errors import Diverged
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import derive, stream
from zatlas.models.flow import Flow

COUPLINGS = 8
NARROW, WIDE = 48, 128  # smallest and largest width of a coupling's net
BATCH = 256
STEPS = 1500
LEARNING_RATE = 5e-3
VALID_SHARE = 0.1  # share of the latents for validation
VALID_STEPS = 60  # steps between two validations
MAX_VALID = 2000
MIN_LATENTS = 20  # distinct latents; for fewer the flow stays a normal distribution


def fit_flow(
    latents: Latents, stds: Latents | None = None, *, steps: int = STEPS, seed: int = 0, show: bool = True
) -> Flow:
    """Return the flow of highest likelihood for these latents (n, d).

    `stds` (n, d) are those of posteriors: each step then samples the latents.
    The flow starts as the normal distribution with the mean and covariance of the latents. A tenth of the
    latents is for validation, and the weights with the highest validation likelihood are returned.
    """
    dim = latents.shape[1]
    std = np.zeros_like(latents) if stds is None else stds
    valid = np.zeros(len(latents), bool)
    order = stream(seed, "flow-held").permutation(len(latents))
    valid[order[: min(MAX_VALID, int(VALID_SHARE * len(latents)))]] = True
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "flow"))
        flow = Flow(dim, width=min(max(NARROW, 2 * dim), WIDE), couplings=COUPLINGS)
    mean, factor = moments(latents, std)
    flow.mean.copy_(torch.from_numpy(mean))
    flow.factor.copy_(torch.from_numpy(factor))
    if len(np.unique(latents[~valid], axis=0)) >= MIN_LATENTS and valid.any():
        rng = torch.Generator().manual_seed(derive(seed, "flow-draws"))
        data = torch.from_numpy(latents), torch.from_numpy(std)
        train, validation = (torch.from_numpy(np.flatnonzero(flags)) for flags in (~valid, valid))
        with bar("fitting the flow", steps, "steps", show=show) as advance:
            _fit(flow, data, train, _sampled(data, validation, rng), steps, rng, advance)
    return flow.eval()


def moments(latents: Latents, std: Latents) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, and the Cholesky factor of the covariance, shrunk to its diagonal for few latents."""
    x = latents.astype(np.float64)
    n, dim = x.shape
    covariance = np.atleast_2d(np.cov(x, rowvar=False, bias=True))
    covariance += np.diag((std.astype(np.float64) ** 2).mean(axis=0))
    variance = covariance.diagonal().copy()
    covariance *= 1 - min(1.0, dim / n)
    floor = 1e-6 * float(variance.mean()) + 1e-9
    np.fill_diagonal(covariance, variance + floor)
    return x.mean(axis=0).astype(np.float32), np.linalg.cholesky(covariance).astype(np.float32)


def _fit(
    flow: Flow,
    data: tuple[Tensor, Tensor],
    train: Tensor,
    valid: Tensor,
    steps: int,
    rng: torch.Generator,
    advance: Advance,
) -> None:
    """Maximize the likelihood of the rows `train`, and load the best weights for the latents `valid`."""
    optimizer = torch.optim.Adam(flow.parameters(), lr=LEARNING_RATE)
    best, weights = _mean_log_density(flow, valid), _copy(flow)
    for step in range(steps):
        rows = train[torch.randint(len(train), (min(BATCH, len(train)),), generator=rng)]
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = -flow.log_density(_sampled(data, rows, rng)).mean() / flow.dim
        if not math.isfinite(loss.item()):
            raise Diverged(f"The flow's loss is NaN or infinite at step {step + 1:,}.")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        advance(1)
        if (step + 1) % VALID_STEPS == 0 and (density := _mean_log_density(flow, valid)) > best:
            best, weights = density, _copy(flow)
    flow.load_state_dict(weights)


@torch.no_grad()
def _mean_log_density(flow: Flow, z: Tensor) -> float:
    return float(flow.log_density(z).mean())


def _copy(flow: Flow) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in flow.state_dict().items()}


def _sampled(data: tuple[Tensor, Tensor], rows: Tensor, rng: torch.Generator) -> Tensor:
    means, std = (part[rows] for part in data)
    return means + std * torch.randn(means.shape, generator=rng)
