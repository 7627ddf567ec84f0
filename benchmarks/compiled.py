"""What torch.compile gains: training steps of three VAEs, with their networks or their losses compiled.

"Loss" is what `training.compile=on` does. The two limits of malloc keep the system from clearing memory
again at each step.

    MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=1000000000 python benchmarks/compiled.py
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from common import machine_line
from zatlas.models.nets import MLP, Net, Shape
from zatlas.models.nets_patch import ConvPatch
from zatlas.models.noise import SharedNoise
from zatlas.models.vae import VAEConfig
from zatlas.training.compiled_loss import compile_loss
from zatlas.training.precision import Precision, native_bfloat16

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
    precision = Precision(torch.bfloat16 if half else torch.float32, "measured", "cpu")
    print(f"{machine_line()}; {precision.name}")
    print(f"{'net, images, batch':34} {'eager':>8} {'networks':>9} {'loss':>8} {'gain':>6} {'compiling':>11}")
    for name, net, shape, batch in NETS:
        x = torch.rand(batch, *shape)
        steps = {how: step_of(net, x, precision, how) for how in ("eager", "networks")}
        begun = perf_counter()
        steps["loss"] = step_of(net, x, precision, "loss")
        compiling = perf_counter() - begun
        for step in steps.values():
            step()
        times = {how: [] for how in steps}
        for _ in range(given.steps):
            for how, step in steps.items():
                times[how].append(seconds(step))
        each = {how: median(values) * 1e3 for how, values in times.items()}
        columns = f"{each['eager']:5.2f} ms {each['networks']:6.2f} ms {each['loss']:5.2f} ms"
        print(f"{name:34} {columns} {each['eager'] / each['loss']:6.2f} {compiling:9.1f} s", flush=True)


def step_of(net: Net, x: Tensor, precision: Precision, compiled: str) -> Step:
    """A training step of a new model; `compiled` names what torch.compile gets."""
    torch.manual_seed(0)
    model = VAEConfig(dim=16, likelihood="bernoulli").build(net, tuple(x.shape[1:]), 0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, (0.9, 0.99), fused=True)
    noise = SharedNoise(x.device)
    loss = model.loss
    if compiled == "networks":
        model.encoder.compile()
        model.decoder.compile()
    if compiled == "loss":
        loss = compile_loss(model, len(x), tuple(x.shape[1:]), precision, x.device)

    def step() -> None:
        optimizer.zero_grad()
        with precision.autocast():
            value = loss(x, None, "model", noise, 0.0)["loss"]
        value.backward()
        optimizer.step()

    return step


def seconds(work: Step) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


if __name__ == "__main__":
    main()
