"""The demo: clothes laid out by a VAE trained here, faces by one that comes along; a gallery of each."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from zatlas.core.progress import console
from zatlas.core.shell import shell_command
from zatlas.create import resume, train
from zatlas.gallery import draw_gallery
from zatlas.page import PageFigure, PageSection, render_page
from zatlas.server.session import Print, explore
from zatlas.store import atomic
from zatlas.workspace import Workspace

CLOTHES, CLOTHES_RUN = "fashion-mini", "fashion-vae"
FACES_ARCHIVE = "faces-vae"


def demo(out: Path) -> Path:
    """Train on clothes, unpack the face model, draw both galleries; the page that leads to them."""
    folder = out / CLOTHES_RUN
    begun = (folder / "made.json").exists()
    clothes = resume(folder) if begun else train(CLOTHES, preset="demo", out=folder)
    faces = Workspace.open(unpack(out / FACES_ARCHIVE))
    for workspace in (clothes, faces):
        console().print(f"drawn: {draw_gallery(workspace)}", soft_wrap=True)
    return atomic.write_file(out / "index.html", _front(clothes, faces).encode())


def run_tour(out: Path, told: Print) -> None:
    """Open both runs of a demo in the explorer, until Ctrl-C."""
    explore([out / FACES_ARCHIVE, out / CLOTHES_RUN], print_url=told)


def unpack(folder: Path) -> Path:
    """Put the run of the face model that comes along into a folder, unless it is there."""
    if not (folder / "made.json").exists():
        with (
            as_file(files("zatlas") / "shipped" / FACES_ARCHIVE) as source,
            atomic.folder(folder, sealed=False, recorded=True) as side,
        ):
            for file in source.iterdir():
                shutil.copyfile(file, side / file.name)
    return folder


def _front(clothes: Workspace, faces: Workspace) -> str:
    both = (
        (clothes, "manifold.png", "Clothes", "Fashion-MNIST's clothes in two numbers, learnt a minute ago."),
        (faces, "chart-sheet.png", "Faces", "Drawn portraits in many numbers, laid out flat."),
    )
    sections = []
    for workspace, picture, title, about in both:
        gallery = workspace.run.gallery.relative_to(workspace.run.folder.parent).as_posix()
        figure = PageFigure(
            f"{gallery}/{picture}",
            f"{title}: the gallery",
            about,
            "",
            shell_command("gallery", workspace.run.folder),
            f"{gallery}/index.html",
        )
        sections.append(PageSection(title, (figure,)))
    return render_page("Two latent spaces", "An atlas of z, for clothes and for faces.", sections)
