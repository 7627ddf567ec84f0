"""Figures of a StyleGAN: style mixing, truncation, and the noise of its layers."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import NotSupported
from zatlas.core.space import MappedSpace
from zatlas.directions.layers import LayerRange, mix_layers, named_ranges
from zatlas.locate import Anchor, locate_all
from zatlas.models.generator import Generator
from zatlas.models.importers.style_spaces import with_noise
from zatlas.render.canvas import Canvas
from zatlas.render.pixels import as_color, blank
from zatlas.render.sheet import sheet
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

LAYERED = "w+"
SOURCES, DESTINATIONS = 5, 2  # of a sheet of style mixing
PSI = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.7, 1.0)  # columns of a sheet of truncations
TRUNCATED = 4  # its rows
RANDOM_NOISES = 3  # columns of a sheet of noise


def has_layers(workspace: Workspace) -> bool:
    """Return whether the model of a run has latents with layers."""
    return LAYERED in (workspace.model or workspace.generator).spaces


def layered(workspace: Workspace) -> Workspace:
    """Return the run in a space of latents with layers: its own if it has them, else w+."""
    if len(workspace.generator.space.shape) == 2:
        return workspace
    if not has_layers(workspace):
        raise NotSupported(f"The latents of {workspace.name} have no layers to mix. Import a StyleGAN.")
    return workspace.in_space(LAYERED)


def mixing_sheet(
    workspace: Workspace,
    sources: Sequence[Anchor] = (),
    destinations: Sequence[Anchor] = (),
    *,
    layers: Sequence[LayerRange] = (),
    theme: Theme = LIGHT,
) -> Canvas:
    """A grid of style mixing: each row is a destination, with some layers of the source of each column.

    `workspace` has latents with layers. By default sources and destinations are its first samples, and the
    layers are the coarse, medium and fine ones.
    """
    space = workspace.generator.space
    sources = sources or locate_all(workspace, [str(number) for number in range(SOURCES)])
    numbers = range(SOURCES, SOURCES + DESTINATIONS)
    destinations = destinations or locate_all(workspace, [str(number) for number in numbers])
    ranges = named_ranges(space.shape[0])
    chosen = list(layers) or list(ranges)
    given = np.concatenate([anchor.latent for anchor in sources])
    parts, names = [given], ["source"]
    for part in chosen:
        first_last = ranges.get(str(part))
        label = f"{part} {first_last[0]}-{first_last[1]}" if first_last else f"layers {part}"
        for anchor in destinations:
            into = np.repeat(anchor.latent, len(given), axis=0)
            parts += [anchor.latent, mix_layers(into, given, space, part)]
            names.append(f"{anchor.title}\n{label}")
    images = as_color(workspace.decode(np.concatenate(parts)))
    cells = np.concatenate([blank(images, theme), images])
    return sheet(
        cells,
        len(given) + 1,
        rows=names,
        heads=["destination", *(anchor.title for anchor in sources)],
        theme=theme,
        title=f"Style mixing in {workspace.name}",
        note="each image: the destination at the left, with the named layers of the source above",
    )


def truncation_sheet(
    workspace: Workspace, *, count: int = TRUNCATED, psi: Sequence[float] = PSI, theme: Theme = LIGHT
) -> Canvas:
    """Samples in rows, and their distance from the center of the space in columns: psi."""
    space = workspace.generator.space
    if not isinstance(space, MappedSpace):
        raise NotSupported(
            f"{workspace.name} has no center of mapped latents: open it in w, with --space w (in Python: "
            "atlas.space('w'))."
        )
    z, center = space.sample(count, seed=0), space.center()
    factors = np.asarray(psi, np.float32)[:, None]
    rows = [center + factors * (row - center) for row in z]
    return sheet(
        workspace.decode(np.concatenate(rows)),
        len(psi),
        rows=[f"sample {number}" for number in range(count)],
        heads=[f"{value:g}" for value in psi],
        theme=theme,
        title=f"Truncation in {workspace.name}",
        note="above each column: psi, the factor on the distance from the mean; 0 is the mean, 1 the sample",
    )


def noise_sheet(workspace: Workspace, *, count: int = TRUNCATED, theme: Theme = LIGHT) -> Canvas:
    """Samples with the stored noise, without noise, with random noise, and where the noise acts."""
    z = workspace.generator.space.sample(count, seed=0)
    columns = [decode_with_noise(workspace.generator, z, noise) for noise in ("fixed", "zero")]
    random = [decode_with_noise(workspace.generator, z, "random", seed) for seed in range(RANDOM_NOISES)]
    std = np.stack(random).std(axis=0).mean(axis=1, keepdims=True)
    std = np.broadcast_to(std / max(float(std.max()), 1e-9), columns[0].shape)
    cells = np.stack([*columns, *random, std], axis=1).reshape(-1, *columns[0].shape[1:])
    return sheet(
        cells.astype(np.float32),
        RANDOM_NOISES + 3,
        rows=[f"sample {number}" for number in range(count)],
        heads=["fixed", "zero", *[f"random {number}" for number in range(RANDOM_NOISES)], "std"],
        theme=theme,
        title=f"The noise of {workspace.name}",
        note="std: of the pixels between the random noises, brightest where the noise changes most",
    )


def decode_with_noise(generator: Generator, z: np.ndarray, noise: str, seed: int = 0) -> Images:
    """Decode latents of w+ with the stored noise ("fixed"), with none ("zero"), or with random noise."""
    return with_noise(generator, noise, seed).decode(z)
