"""Figures of inversion: images and what the model decodes from the latents found for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images, Labels
from zatlas.core.errors import NotSupported
from zatlas.latent.inversion import InversionResult
from zatlas.locate import image_of
from zatlas.render.canvas import Canvas
from zatlas.render.pixels import save
from zatlas.render.sheet import sheet
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.workspace import Workspace

SAMPLES = 16  # samples that are inverted if no image is given
MAX_SHOWN = 16  # images of a figure


@dataclass(frozen=True)
class InversionInput:
    """Images to invert, with their names."""

    names: tuple[str, ...]
    images: Images
    labels: Labels | None  # class inputs of a conditional model


def read_files(workspace: Workspace, files: Sequence[Path], label: int | None) -> InversionInput:
    """Read image files in the format of the model."""
    if workspace.generator.classes and label is None:
        raise NotSupported(
            "A conditional model needs the class of the images: add --label CLASS (in Python: label=)."
        )
    images = np.concatenate([image_of(workspace, file) for file in files])
    return InversionInput(
        tuple(map(str, files)), images, workspace.generator.class_numbers(len(files), label)
    )


def sample_inputs(workspace: Workspace, label: int | None, seed: int) -> InversionInput:
    """Samples of the model itself, which it can reproduce exactly."""
    labels = workspace.generator.class_numbers(SAMPLES, label)
    images = workspace.decode(sample_latents(workspace, SAMPLES, seed=seed), labels)
    return InversionInput(tuple(f"sample {number}" for number in range(SAMPLES)), images, labels)


def save_inversion(
    workspace: Workspace, given: InversionInput, result: InversionResult, path: Path, *, theme: Theme = LIGHT
) -> tuple[Path, Path]:
    """Save latents and errors as an .npz file, and the figure; return both paths.

    `path` is either file; the other one has the same name, and the figure then ends in .png.
    """
    latents, figure = path.with_suffix(".npz"), path
    if path.suffix.lower() == ".npz":
        latents, figure = path, path.with_suffix(".png")
    data = BytesIO()
    np.savez(
        data,
        names=np.array(given.names),
        latents=result.latents,
        images=result.images,
        psnr=result.psnr,
        rms=result.rms,
    )
    atomic.write_file(latents, data.getvalue())
    return latents, save(inversion_sheet(workspace, given, result, theme=theme), figure)


def inversion_sheet(
    workspace: Workspace, given: InversionInput, result: InversionResult, *, theme: Theme = LIGHT
) -> Canvas:
    """The first images, their decoded latents, and the differences."""
    first = slice(0, MAX_SHOWN)
    names, real, decoded = given.names[first], given.images[first], result.images[first]
    difference = (decoded - real) / 2 + 0.5
    heads = [f"{psnr:.0f} dB" for psnr in result.psnr[first]]
    return sheet(
        np.concatenate([real, decoded, difference]),
        len(names),
        rows=("original", "decoded", "difference"),
        heads=heads,
        theme=theme,
        title=f"Images inverted by {workspace.name}",
        note=f"difference: grey means none.  median of all {len(given.names)}: error "
        f"{float(np.median(result.rms)):.1%} of the grey range ({float(np.median(result.psnr)):.1f} dB); two "
        f"images of this model differ by {_usual_difference(workspace):.1%}",
    )


def _usual_difference(workspace: Workspace) -> float:
    """The median root mean square difference of two of the model's images, with which an error compares."""
    images = workspace.decode(workspace.cloud[:SAMPLES])
    differences = images - np.roll(images, 1, axis=0)
    return float(np.median(np.sqrt((differences**2).reshape(len(images), -1).mean(axis=1))))
