"""300 frames of 256x256 as MP4, with decoding, against matplotlib's animation writer.

Both follow the same interpolation of the shipped face model, with its 64x64 images four times as large,
and encode H.264 with ffmpeg's libx264. With --side 256, a decoder with random weights generates images of
that size, and most of the time is decoding. matplotlib (FuncAnimation, FFMpegWriter, `set_data`) is
measured in three variants: its default figure, the image with the plane next to it, and a bare figure of
256x256 pixels. The ratio without decoding is printed too.

    python benchmarks/film.py [--frames 300] [--repeats 3]
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot
from matplotlib.animation import FFMpegWriter, FuncAnimation
from torch import nn

from common import environment, in_turns, medians, timed
from zatlas.latent.curves import slerp
from zatlas.models.description import Description, generator, load_weights
from zatlas.models.generator import Generator
from zatlas.render.film import density_panel, film

SIDE, FPS = 256, 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", type=int, default=64, choices=(64, SIDE))
    given = parser.parse_args()
    matplotlib.use("agg")
    matplotlib.rcParams["animation.ffmpeg_path"] = ffmpeg()
    decoder = shipped_decoder() if given.side < SIDE else large_decoder()
    z = walk(given.frames, decoder.space.dim)
    decoder.decode(z[:32])  # torch's preparations on the first call
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.mp4", Path(folder) / "theirs.mp4"
        film(decoder.decode_batches(z[:2]), ours)  # imports do not count

        def mine(panel: bool) -> float:
            other = density_panel(z[:, :2]) if panel else None
            return timed(lambda: film(decoder.decode_batches(z), ours, fps=FPS, panel=other))

        def rival(size: tuple[float, float], panel: bool = False) -> Callable[[], float]:
            return lambda: timed(lambda: animate(decoder, z, theirs, size, panel))

        directions: dict[str, Callable[[], float]] = {
            "decoding, in batches": lambda: timed(lambda: list(map(len, decoder.decode_batches(z)))),
            "decoding, one by one": lambda: timed(lambda: [decoder.decode(row[None]) for row in z]),
            "zatlas": lambda: mine(panel=False),
            "zatlas, panel": lambda: mine(panel=True),
            "matplotlib": rival((6.4, 4.8)),
            "matplotlib, panel": rival((9.6, 4.8), panel=True),
            "matplotlib, bare": rival((SIDE / 100, SIDE / 100)),
        }
        report(medians(in_turns(given.repeats, directions)), given.frames)


def report(result: dict[str, float], frames: int) -> None:
    """Times, and ratios with and without decoding."""
    for name, seconds in result.items():
        print(f"{name:20} {seconds:8.2f} s  {frames / seconds:8,.0f} frames/s")
    batches, singly = result["decoding, in batches"], result["decoding, one by one"]
    for theirs, ours in (
        ("matplotlib", "zatlas"),
        ("matplotlib, panel", "zatlas, panel"),
        ("matplotlib, bare", "zatlas"),
    ):
        complete = result[theirs] / result[ours]
        rest = (result[theirs] - singly) / max(result[ours] - batches, 1e-3)
        print(f"{theirs} / {ours}: {complete:.1f} with decoding, {rest:.1f} without")


def shipped_decoder() -> Generator:
    """The shipped face model."""
    with as_file(files("zatlas") / "shipped" / "faces-vae" / "weights.safetensors") as path:
        return generator(*load_weights(path))


def large_decoder() -> Generator:
    """A decoder with random weights, scaled so that its images have contrast."""
    torch.manual_seed(0)
    described = Description("vae", {"dim": 16}, "conv", {"width": 2}, (3, SIDE, SIDE))
    model = described.build().eval()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.ConvTranspose2d)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    # Small batches of this size fit into the processor's cache.
    created = replace(generator(described, model), batch=16)
    with torch.no_grad():
        layers[-1].weight *= 0.3 / float(created.decode(walk(8, 16)).std())
    return created


def walk(frames: int, dim: int) -> np.ndarray:
    """Latents from one random latent of the prior to another."""
    ends = np.random.default_rng(0).normal(size=(2, dim)).astype(np.float32)
    t = np.linspace(0, 1, frames, dtype=np.float32)[:, None]
    a, b = (np.repeat(end[None], frames, axis=0) for end in ends)
    return slerp(a, b, t)


def animate(decoder: Generator, z: np.ndarray, path: Path, size: tuple[float, float], panel: bool) -> None:
    """The usual code, after matplotlib's documentation."""
    figure, axes = pyplot.subplots(1, 1 + panel, figsize=size, dpi=100, squeeze=False)
    if size[0] < 3:
        figure.subplots_adjust(0, 0, 1, 1)
    plot = axes[0, -1]
    plot.axis("off")
    visible = plot.imshow(np.zeros((*decoder.decode(z[:1]).shape[2:], 3)))
    if panel:
        steps = np.linspace(-3, 3, 100)
        density = np.exp(-(steps[None] ** 2 + steps[:, None] ** 2) / 2)
        axes[0, 0].contourf(steps, steps, density)
        axes[0, 0].plot(z[:, 0], z[:, 1])
        (point,) = axes[0, 0].plot([], [], "o")

    def update(frame: int) -> None:
        image = decoder.decode(z[frame : frame + 1])[0]
        visible.set_data(image.transpose(1, 2, 0))
        if panel:
            point.set_data([z[frame, 0]], [z[frame, 1]])

    film_of = FuncAnimation(figure, update, frames=len(z), cache_frame_data=False)
    film_of.save(path, writer=FFMpegWriter(fps=FPS))
    pyplot.close(figure)


def ffmpeg() -> str:
    """The ffmpeg program of imageio-ffmpeg, for matplotlib."""
    python = environment("ffmpeg", "imageio-ffmpeg==0.6.0")
    latent = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    output = subprocess.run([python, "-c", latent], check=True, capture_output=True, text=True)
    return output.stdout.strip()


if __name__ == "__main__":
    main()
