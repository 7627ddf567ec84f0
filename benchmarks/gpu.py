"""Training and decoding on a GPU: images a second, and the share of the rate of its matrix products.

VAEs and GANs with the default recipe for drawn faces, in float32 and in bfloat16. "Ready" repeats their steps
with a batch that is on the device: if the training is as fast, it never waits for images. The decoders
are the default net and a StyleGAN2 with random weights. Several GPUs also train the first model together.

    python benchmarks/gpu.py [--images 8000] [--sizes 64,128] [--side 1024] [--device auto]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from subprocess import run as run_process
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from common import in_turns, machine_line, medians, quiet
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.device import resolve_device
from zatlas.models.nets_patch import ConvPatch
from zatlas.models.nets_stylegan2 import StyleGAN2
from zatlas.models.noise import part_of
from zatlas.training.callbacks import Callback
from zatlas.training.loop import fit
from zatlas.training.recipe import make_recipe

WIDTHS = (512, 512, 512, 512, 512, 256, 128, 64, 32)  # channels of StyleGAN2's blocks, from 4 to 1024 pixels
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
STEPS = 30  # measured steps with a batch that is on the device


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--sizes", default="64,128")
    parser.add_argument("--side", type=int, default=1024, help="pixels of the StyleGAN2, a power of two")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    device = torch.device(resolve_device(given.device))
    name = torch.cuda.get_device_name() if device.type == "cuda" else machine_line()
    print(f"{name}, torch {torch.__version__}")
    peaks = {kind: product_rate(getattr(torch, kind), device) for kind in PRECISIONS}
    print(", ".join(f"{kind} {peak / 1e12:,.2f} TFLOP/s" for kind, peak in peaks.items()))
    print("\n| model | precision | images/s | ready, images/s | share of the product rate |")
    print("|---|---|---|---|---|")
    for size in map(int, given.sizes.split(",")):
        images = sources.load("faces", size=size, count=given.images)
        for family in ("vae", "gan"):
            for kind, peak in peaks.items():
                rate, ready, operations = training_rates(images, family, PRECISIONS[kind], device)
                share = f"{rate * operations / peak:.1%}"
                print(
                    f"| {family}, {size}x{size} | {kind} | {rate:,.0f} | {ready:,.0f} | {share} |", flush=True
                )
    print("\n| decoder | float32, images/s | bfloat16, images/s |\n|---|---|---|")
    blocks = given.side.bit_length() - 2
    for label, net, dim, batch in (
        ("conv-patch, 128x128", ConvPatch().decoder((3, 128, 128), 32), 32, 256),
        (f"StyleGAN2, {given.side}x{given.side}", StyleGAN2(WIDTHS[:blocks]).build(), 512, 8),
    ):
        rates = decoding_rates(net.to(device).eval(), torch.randn(batch, dim, device=device))
        print(f"| {label} | {rates['float32']:,.1f} | {rates['bfloat16']:,.1f} |", flush=True)
    if device.type == "cuda" and torch.cuda.device_count() > 1:
        report_processes(given.sizes.split(",")[0], given.images)


class Operations(TorchDispatchMode):
    """Counts the operations of products and convolutions inside the block."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


class StepsOnDevice(Callback):
    """After a training, measures its steps on one batch on the device, and counts their operations."""

    def on_train_start(self, run: Any, recipe: Any, images: Any, learner: Any) -> None:
        self.learner, self.batch, self.shape = learner, recipe.training.batch, images.shape

    def on_test_end(self, result: Any) -> None:
        x = torch.rand(self.batch, *self.shape, device=self.learner.fabric.device)
        step = partial(self.learner.step, x, None, part_of(self.batch), 1.0, 1e-6)
        with Operations() as counted:
            step()
        self.operations = counted.total / self.batch  # of an image
        self.rate = self.batch / median(seconds(step, x.device) for _ in range(STEPS))


def training_rates(
    images: ImageDataset, family: str, precision: str, device: torch.device
) -> tuple[float, float, float]:
    """Images a second of a training, those of its steps on one batch, and the operations of an image."""
    data = {"source": "faces", "size": images.shape[1], "count": len(images)}
    training = {"epochs": 4, "preview": 0, "precision": precision}
    tables = {"data": data, "model": {"family": family}, "training": training}
    recipe = make_recipe(tables, images.shape, len(images.rows("train")))
    ready = StepsOnDevice()
    with tempfile.TemporaryDirectory() as folder:
        run = fit(recipe, images, Path(folder) / "run", [ready], device=device.type)
        rates = [row["images_per_second"] for row in run.metrics()]
    return median(rates[1:]), ready.rate, ready.operations


@torch.inference_mode()
def decoding_rates(decoder: nn.Module, z: torch.Tensor) -> dict[str, float]:
    """Images a second of a decoder in each type."""

    def rate(kind: str) -> float:
        half = torch.autocast(z.device.type, torch.bfloat16, enabled=kind == "bfloat16")
        with half:
            return len(z) / seconds(lambda: decoder(z), z.device)

    runs = {kind: partial(rate, kind) for kind in PRECISIONS}
    for run in runs.values():
        run()
    return medians(in_turns(5, runs))


def product_rate(kind: torch.dtype, device: torch.device) -> float:
    """Operations a second of square matrix products, the best of several."""
    side = 8192 if device.type == "cuda" else 2048
    a = torch.randn(side, side, device=device).to(kind)
    return max(2 * side**3 / seconds(lambda: a @ a, device) for _ in range(10))


def report_processes(size: str, count: int) -> None:
    """Train a VAE on one GPU and on all, and print the ratio of their rates."""
    rates = []
    for processes in (1, torch.cuda.device_count()):
        with tempfile.TemporaryDirectory() as folder:
            command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
            command += ["-m", "zatlas", "train", f"faces:count={count}", "--size", size, "--epochs", "4"]
            run_process(
                [sys.executable, *command, "--out", f"{folder}/run"],
                check=True,
                env=quiet(),
                capture_output=True,
            )
            rows = map(json.loads, Path(folder, "run", "metrics.jsonl").read_text().splitlines())
            rates.append(median([row["images_per_second"] for row in rows][1:]))
        print(f"VAE, {size}x{size}, {processes} processes: {rates[-1]:,.0f} images/s", flush=True)
    print(f"ratio: {rates[1] / rates[0]:.2f}")


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, until the device has ended it."""
    wait = torch.accelerator.synchronize if device.type != "cpu" else lambda: None
    wait()
    begun = perf_counter()
    work()
    wait()
    return perf_counter() - begun


if __name__ == "__main__":
    main()
