"""Milliseconds per image of a decoder in each engine, and how far its pixels are from torch in float32.

The decoders are that of the shipped faces, the default nets for 64x64, 128x128 and 28x28 pixels, and a
StyleGAN2 of 256 pixels with random weights. The engines are torch in float32 in one batch; zatlas, which
decodes in batches that fit into the cache, with channels last; and in those batches torch in bfloat16, torch
compiled, and onnxruntime with the file that an export has. The difference is that of the pixels, of 256
grey levels.

    python benchmarks/decoders.py [--images 256] [--repeats 5]
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from common import in_turns, machine_line, medians, timed
from zatlas.core.space import Space
from zatlas.models.description import load_weights
from zatlas.models.device import images_per_batch
from zatlas.models.generator import Generator
from zatlas.models.nets import MLP
from zatlas.models.nets_patch import ConvPatch
from zatlas.models.nets_stylegan2 import StyleGAN2
from zatlas.models.onnx_export import export_decoder

WIDTHS = (512, 512, 512, 512, 256, 128, 64)  # channels of StyleGAN2's blocks for 256 pixels
Engine = Callable[[Tensor], Tensor]


class Bounded(nn.Module):
    """A network, and what maps its output to [0, 1]."""

    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.network(z) * self.scale).sigmoid()


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.manual_seed(0)
    print(machine_line())
    print("| decoder | engine | ms per image | times torch | largest difference, grey levels |")
    print("|---|---|---|---|---|")
    with as_file(files("zatlas") / "shipped" / "faces-vae" / "weights.safetensors") as path:
        _, faces = load_weights(path)
    patches, mlp = ConvPatch(), MLP()
    decoders = {
        "conv, faces 64x64": (faces.decoder, 32),
        "conv-patch, 64x64": (patches.decoder((3, 64, 64), 32), 32),
        "conv-patch, 128x128": (patches.decoder((3, 128, 128), 32), 32),
        "mlp, 28x28": (mlp.decoder((1, 28, 28), 16), 16),
    }
    for name, (decoder, dim) in decoders.items():
        report(name, Bounded(decoder, 1), dim, given.images, given.repeats)
    report("StyleGAN2, 256x256", Bounded(StyleGAN2(WIDTHS).build(), 4), 512, 8, given.repeats)


def report(name: str, decoder: nn.Module, dim: int, images: int, repeats: int) -> None:
    """Print a row for each engine."""
    z = torch.randn(images, dim)
    decoder.eval()
    size = images_per_batch(decoder(z[:1]).numel(), "cpu")
    runs = engines(decoder, Space((dim,)), size)
    expected = runs["torch"](z)
    errors = {engine: float((run(z) - expected).abs().max()) * 255 for engine, run in runs.items()}
    times = {engine: lambda run=run: timed(lambda: run(z)) * 1e3 / images for engine, run in runs.items()}
    result = medians(in_turns(repeats, times))
    for engine, each in result.items():
        ratio = result["torch"] / each
        print(f"| {name} | {engine} | {each:.2f} | {ratio:.2f} | {errors[engine]:.2f} |", flush=True)


def engines(decoder: nn.Module, space: Space, size: int) -> dict[str, Engine]:
    """The decoder as a function of each engine, in batches of this size but the first."""
    ours = Generator(space, copy.deepcopy(decoder).to(memory_format=torch.channels_last))
    compiled = torch.compile(copy.deepcopy(decoder))

    def half(z: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return decoder(z).float()

    with tempfile.TemporaryDirectory() as folder:
        path = export_decoder(Generator(space, decoder), Path(folder) / "decoder.onnx").path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def batches(engine: Engine) -> Engine:
        return lambda z: torch.cat([engine(part) for part in z.split(size)])

    return {
        "torch": decoder,
        "zatlas": lambda z: torch.from_numpy(ours.decode(z.numpy())),
        "torch, bfloat16": batches(half),
        "torch, compiled": batches(compiled),
        "onnxruntime": batches(lambda z: torch.from_numpy(session.run(None, {"z": z.numpy()})[0])),
    }


if __name__ == "__main__":
    main()
