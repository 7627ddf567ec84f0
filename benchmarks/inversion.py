"""Error of inversion against steps and seconds: for GANs, and for a VAE without its encoder.

python benchmarks/inversion.py [--images 16] [--run RUN ...]

A GAN inverts its own samples, which it can generate exactly. The VAE inverts test images, with its own
encoder as the baseline. Runs of --run, such as imported ones, invert their own samples. Each row is one
inversion of all images at once, with all starts.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images
from zatlas.create import train
from zatlas.encoder import train_encoder
from zatlas.latent.inversion import STARTS, STEPS, InversionResult, invert
from zatlas.models.generator import Generator
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

STEPS_TRIED = (10, 20, 40, 80, 160)


def tell(name: str, what: str, result: InversionResult) -> None:
    low, center = np.quantile(result.psnr, [0.1, 0.5])
    rms = float(np.median(result.rms))
    print(f"| {name} | {what} | {center:.1f} | {low:.1f} | {rms:.4f} | {result.seconds:.1f} |", flush=True)


def table(name: str, generator: Generator, images: Images, searched: bool = True) -> None:
    bare = replace(generator, encoder=None)
    for steps in STEPS_TRIED if searched else ():
        for starts in (1, STARTS) if steps == STEPS else (STARTS,):
            result = invert(bare, images, steps=steps, starts=starts, verbose=False)
            tell(name, f"{steps} steps, {starts} starts", result)
    if generator.encoder is not None:
        for steps in (0, 10, 40):
            guess = generator.encode(images)
            result = invert(bare, images, guess=guess, steps=steps, verbose=False)
            tell(name, f"encoder and {steps} steps", result)


def own(workspace: Workspace, count: int) -> Images:
    return workspace.decode(sample_latents(workspace, count, seed=1234))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--run", type=Path, action="append", default=[])
    given = parser.parse_args()
    print("| model | search | median dB | lowest tenth dB | median rms | seconds |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"training.preview": 0}
        gan = train(
            "digits", model="gan", dim=32, epochs=60, out=Path(folder) / "gan", settings=quiet, verbose=False
        )
        table("GAN of digits, own samples", gan.generator, own(gan, given.images))
        trained = train_encoder(gan, verbose=False)
        table("the same, with a trained encoder", trained.generator, own(gan, given.images), searched=False)
        vae = train("digits", dim=12, out=Path(folder) / "vae", settings=quiet, verbose=False)
        images = vae.dataset.images(vae.rows("test")[: given.images])
        table("VAE of digits, test images", vae.generator, images)
    for run in given.run:
        workspace = Workspace.open(run)
        table(f"{workspace.name}, own samples", workspace.generator, own(workspace, given.images))


if __name__ == "__main__":
    main()
