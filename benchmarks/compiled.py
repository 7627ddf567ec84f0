"""What torch.compile would gain: training steps of three VAEs, with their networks or whole losses compiled.

The loss is written again here without what the compiler cannot follow: our random generator and our own
gradients. The two limits of malloc keep the system from clearing memory again at each step.

    MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=1000000000 python benchmarks/compiled.py
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from common import machine_line
from zatlas.models.nets import MLP, Net, Shape
from zatlas.models.nets_patch import ConvPatch
from zatlas.models.noise import SharedNoise
from zatlas.models.vae import VAE, VAEConfig
from zatlas.training.precision import native_bfloat16

Step = Callable[[], None]
GREY, COLOUR = (1, 28, 28), (3, 64, 64)
NETS: tuple[tuple[str, Net, Shape, int], ...] = (
    ("mlp 512, 28x28, 128", MLP((512,), "relu"), GREY, 128),
    ("mlp 512, 28x28, 512", MLP((512,), "relu"), GREY, 512),
    ("mlp 512-256 (default), 28x28, 512", MLP(), GREY, 512),
    ("conv-patch (default), 64x64, 32", ConvPatch(), COLOUR, 32),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    half = bool(native_bfloat16(torch.device("cpu")))
    print(f"{machine_line()}; bfloat16 {half}")
    print(
        f"{'net, images, batch':34} {'eager':>8} {'networks':>9} {'loss':>8} {'gain':>6} {'first step':>11}"
    )
    for name, net, shape, batch in NETS:
        x = torch.rand(batch, *shape)
        steps = {how: step_of(net, x, half, how) for how in ("eager", "networks", "loss")}
        first = {how: seconds(step) for how, step in steps.items()}
        times = {how: [] for how in steps}
        for _ in range(given.steps):
            for how, step in steps.items():
                times[how].append(seconds(step))
        each = {how: median(values) * 1e3 for how, values in times.items()}
        columns = f"{each['eager']:5.2f} ms {each['networks']:6.2f} ms {each['loss']:5.2f} ms"
        print(f"{name:34} {columns} {each['eager'] / each['loss']:6.2f} {first['loss']:9.1f} s", flush=True)


def step_of(net: Net, x: Tensor, half: bool, compiled: str) -> Step:
    """A training step of a new model; `compiled` names what torch.compile gets."""
    torch.manual_seed(0)
    model = VAEConfig(dim=16, likelihood="bernoulli").build(net, tuple(x.shape[1:]), 0)
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
