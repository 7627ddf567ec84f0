"""The demo: real images that come along, a 2-D VAE, and its latent space in three pictures."""

import os
import sys
import webbrowser
from pathlib import Path

import numpy as np

from zatlas.atlas import Atlas, resume, train
from zatlas.core.progress import console
from zatlas.latent.grids import quantile_grid
from zatlas.render.pixels import save_picture
from zatlas.render.plot import cloud, save_plot
from zatlas.render.sheet import sheet

DATA = "fashion-mini"
GRID = 20  # places along each axis of the manifold
SHOWN = 14  # reconstructions


def demo(out: Path, *, show: bool) -> Path:
    """Train on clothes that come along with the package and draw; the folder of the run."""
    folder = out / "fashion-vae"
    atlas = (
        resume(folder)
        if (folder / "made.json").exists()
        else train(DATA, preset="demo", out=folder)
    )
    pictures = [rebuilt(atlas), manifold(atlas), points(atlas)]
    for picture in pictures:
        console().print(f"drawn: {picture}", soft_wrap=True)
    if show and _has_screen():
        webbrowser.open(pictures[1].resolve().as_uri())
    return folder


def rebuilt(atlas: Atlas) -> Path:
    """Test images of every class, and under each what the model makes of its two numbers."""
    rows, labels = atlas.rows(), atlas.images.labels
    assert labels is not None
    kinds = np.arange(SHOWN) % len(atlas.images.classes)
    pick = np.array([rows[labels[rows] == kind][i // 10] for i, kind in enumerate(kinds)])
    real = atlas.images.images(pick)
    made = atlas.generator.decode(atlas.generator.encode(real))
    picture = sheet(
        np.concatenate([real, made]),
        SHOWN,
        title="Images the model has not seen, and what is left of them in two numbers",
        rows=["real", "rebuilt"],
    )
    return save_picture(picture, atlas.run.gallery / "reconstructions.png")


def manifold(atlas: Atlas) -> Path:
    """The plane of the latent space, decoded at equal steps of the prior's mass."""
    images = atlas.generator.decode(quantile_grid(GRID))
    title = f"The latent plane, decoded at {GRID} x {GRID} places"
    axes = ("first axis: 5 % to 95 % of the prior", "second axis: 5 % to 95 % of the prior")
    return save_picture(
        sheet(images, GRID, title=title, axes=axes), atlas.run.gallery / "manifold.png"
    )


def points(atlas: Atlas) -> Path:
    """Where the test images lie in the plane."""
    rows = atlas.rows()
    figure = cloud(
        atlas.points(rows),
        atlas.labels(rows),
        atlas.images.classes,
        title=f"{len(rows):,} test images in the latent plane",
        axes=("first axis", "second axis"),
    )
    return save_plot(figure, atlas.run.gallery / "points.png")


def _has_screen() -> bool:
    graphical = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(graphical) or sys.platform in ("darwin", "win32")
