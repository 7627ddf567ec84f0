"""What torch.compile would gain: the training step of the 784-512-16 VAE, with its whole loss compiled.

The loss is written again here without what the compiler cannot follow: our random generator and our own
gradients. Encoder and decoder alone are measured compiled too, as a setting of the recipe could do.

    python benchmarks/compiled.py [--batch 256] [--steps 60]
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from common import machine_line
from zatlas.models.nets import MLP
from zatlas.models.noise import SharedNoise
from zatlas.models.vae import VAE, VAEConfig
from zatlas.training.precision import native_bfloat16

Step = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    x = torch.rand(given.batch, 1, 28, 28)
    half = bool(native_bfloat16(torch.device("cpu")))
    print(f"{machine_line()}; batch {given.batch}; bfloat16 {half}")
    steps = {"eager": step_of(x, half), "networks compiled": step_of(x, half, "networks")}
    steps["loss compiled"] = step_of(x, half, "loss")
    first = {name: seconds(step) for name, step in steps.items()}
    times = {name: [] for name in steps}
    for _ in range(given.steps):
        for name, step in steps.items():
            times[name].append(seconds(step))
    usual = {name: median(values) for name, values in times.items()}
    for name, each in usual.items():
        gain = usual["eager"] - each
        pays = f"pays after {first[name] / gain * usual['eager']:,.0f} s of training" if gain > 0 else ""
        print(f"{name:18} first step {first[name]:6.2f} s, then {each * 1e3:6.2f} ms {pays}")


def step_of(x: Tensor, half: bool, compiled: str = "") -> Step:
    """A training step of a new model; `compiled` names what torch.compile gets."""
    torch.manual_seed(0)
    model = VAEConfig(dim=16, likelihood="bernoulli").build(MLP((512,), "relu"), (1, 28, 28), 0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, (0.9, 0.99), fused=True)
    noise = SharedNoise(x.device)
    if compiled == "networks":
        model.encoder.compile()
        model.decoder.compile()
    loss = torch.compile(plain_loss(model)) if compiled == "loss" else None

    def step() -> None:
        optimizer.zero_grad()
        epsilon = torch.randn(len(x), 16, generator=noise) if loss else None
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            value = loss(x, epsilon) if loss else model.loss(x, None, "model", noise, 0.0)["loss"]
        value.backward()
        optimizer.step()

    return step


def plain_loss(model: VAE) -> Callable[[Tensor, Tensor], Tensor]:
    """Minus the ELBO in operations of torch only."""

    def loss(x: Tensor, epsilon: Tensor) -> Tensor:
        mean, log_variance = model.encoder(x).float().chunk(2, 1)
        raw = model.decoder(mean + epsilon * (log_variance / 2).exp()).float()
        distortion = (F.softplus(raw) - raw * x).flatten(1).sum(1).mean()
        rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0).sum()
        return distortion + rate

    return loss


def seconds(work: Step) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


if __name__ == "__main__":
    main()
