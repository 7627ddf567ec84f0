"""Images beside what a model makes of the points that were found for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images, Labels
from zatlas.core.errors import NotSupported
from zatlas.latent.inversion import Inverted
from zatlas.locate import image_of
from zatlas.render.canvas import Canvas
from zatlas.render.pixels import save
from zatlas.render.sheet import sheet
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.workspace import Workspace

SAMPLES = 16  # samples that are searched for when no image is named
MAX_SHOWN = 16  # images of a picture


@dataclass(frozen=True)
class InversionInput:
    """Images whose points are wanted, with their names."""

    names: tuple[str, ...]
    images: Images
    labels: Labels | None  # that a conditional model is told


def read_files(workspace: Workspace, files: Sequence[Path], label: int | None) -> InversionInput:
    """Image files as the model takes them."""
    if workspace.generator.classes and label is None:
        raise NotSupported("A conditional model is told the class of the images: give --label.")
    images = np.concatenate([image_of(workspace, file) for file in files])
    return InversionInput(tuple(map(str, files)), images, workspace.told(len(files), label))


def sample_inputs(workspace: Workspace, label: int | None, seed: int) -> InversionInput:
    """Samples of the model itself, which it is able to make for certain."""
    labels = workspace.told(SAMPLES, label)
    images = workspace.decode(sample_latents(workspace, SAMPLES, seed=seed), labels=labels)
    return InversionInput(tuple(f"sample {number}" for number in range(SAMPLES)), images, labels)


def save_inversion(
    workspace: Workspace, given: InversionInput, found: Inverted, place: Path, *, theme: Theme = LIGHT
) -> Path:
    """Keep the points and the errors as an .npz file, and the picture beside it; the picture's path."""
    data = BytesIO()
    np.savez(
        data,
        names=np.array(given.names),
        points=found.points,
        images=found.images,
        psnr=found.psnr,
        rms=found.rms,
    )
    atomic.write_file(place, data.getvalue())
    return save(inversion_sheet(workspace, given, found, theme=theme), place.with_suffix(".png"))


def inversion_sheet(
    workspace: Workspace, given: InversionInput, found: Inverted, *, theme: Theme = LIGHT
) -> Canvas:
    """The first images over what the model makes of their points, and over the difference of the two."""
    some = slice(0, MAX_SHOWN)
    names, real, made = given.names[some], given.images[some], found.images[some]
    apart = (made - real) / 2 + 0.5
    heads = [f"{psnr:.0f} dB" for psnr in found.psnr[some]]
    return sheet(
        np.concatenate([real, made, apart]),
        len(names),
        rows=("original", "found", "difference"),
        heads=heads,
        theme=theme,
        title=f"Images that {workspace.name} was asked to make",
        note=f"difference: grey is none.  median of all {len(given.names)}: "
        f"{float(np.median(found.psnr)):.1f} dB; 20 dB is a likeness, 30 dB hard to tell apart",
    )
