"""The demo: a VAE of clothes that is trained here, a shipped VAE of faces, and a gallery of each."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from zatlas.core.logs import LOG
from zatlas.create import resume, train
from zatlas.gallery import draw_gallery
from zatlas.page import PageFigure, PageSection, image_size, render_page
from zatlas.server.session import Print, explore
from zatlas.store import atomic
from zatlas.workspace import Workspace

CLOTHES, CLOTHES_RUN = "fashion-mini", "fashion-vae"
FACES_ARCHIVE = "faces-vae"


def demo(out: Path) -> Path:
    """Train on clothes, unpack the face model, draw both galleries; return the page that links to them."""
    folder = out / CLOTHES_RUN
    exists = (folder / "made.json").exists()
    clothes = resume(folder) if exists else train(CLOTHES, preset="demo", out=folder)
    faces = Workspace.open(unpack(out / FACES_ARCHIVE))
    for workspace in (clothes, faces):
        LOG.info(f"drawn: {draw_gallery(workspace)}")
    return atomic.write_file(out / "index.html", _index_page(clothes, faces).encode())


def run_tour(out: Path, write: Print) -> None:
    """Open both runs of a demo in the explorer, until Ctrl-C."""
    explore([out / FACES_ARCHIVE, out / CLOTHES_RUN], print_url=write)


def unpack(folder: Path) -> Path:
    """Copy the run of the shipped face model into a folder, unless it is there."""
    if not (folder / "made.json").exists():
        with (
            as_file(files("zatlas") / "shipped" / FACES_ARCHIVE) as source,
            atomic.folder(folder, sealed=False, recorded=True) as side,
        ):
            for file in source.iterdir():
                shutil.copyfile(file, side / file.name)
    return folder


def _index_page(clothes: Workspace, faces: Workspace) -> str:
    galleries = (
        (clothes, "manifold.png", "Clothes", "A VAE with two dimensions, trained just now on Fashion-MNIST."),
        (faces, "chart-sheet.png", "Faces", "A VAE with many dimensions, on a chart of drawn portraits."),
    )
    sections = []
    for workspace, image, title, about in galleries:
        gallery = workspace.gallery.relative_to(workspace.run.folder.parent).as_posix()
        figure = PageFigure(
            f"{gallery}/{image}",
            f"{title}: the gallery",
            about,
            "",
            workspace.command("gallery", workspace.run.folder),
            f"{gallery}/index.html",
            image_size(workspace.gallery / image),
        )
        sections.append(PageSection(title, (figure,)))
    return render_page(
        "Two latent spaces",
        "Galleries of two models, one of clothes and one of faces.",
        sections,
        explore=faces.command("explore", faces.run.folder, clothes.run.folder),
    )
