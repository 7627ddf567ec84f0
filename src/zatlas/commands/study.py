"""Commands that say what is true of a run, and the one that draws everything."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from zatlas.commands import Dark, Label, Out, Run, command
from zatlas.commands.make import list_rows
from zatlas.commands.shared import class_of, open_workspace, tell, theme_of
from zatlas.core.errors import BadRecipe


@command
def arithmetic(
    run: Run,
    equation: Annotated[Positional[str], arg(metavar="EQUATION")],
    *,
    label: Label = None,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Add and subtract points, and draw the equation with its operands and its result.

    Args:
        equation: Terms between + and -: attributes or classes ("Eyeglasses - not Eyeglasses +
            Smiling"), numbers of images ("3,14,15 - 9,26,5 + 35,8"; of samples, where the model has
            no encoder), or image files.
    """
    from zatlas.core.progress import console
    from zatlas.figures.geometry import arithmetic as equation_of

    workspace = open_workspace(run)
    figure, words = equation_of(workspace, equation, label=class_of(workspace, label), theme=theme_of(dark))
    console().print(words, soft_wrap=True, markup=False)
    tell(figure, workspace, "arithmetic", out)


@command
def geometry(
    run: Run, *, dark: Dark = False, out: Annotated[Path | None, arg(metavar="FOLDER")] = None
) -> None:
    """Draw what many dimensions do, in general and to this run: volumes, norms, and half-way images.

    Args:
        out: The folder to draw into.
    """
    from zatlas.figures import geometry as facts
    from zatlas.render.pixels import save

    workspace, theme = open_workspace(run), theme_of(dark)
    folder = out or workspace.run.gallery
    for name, figure in facts.geometry(workspace, theme=theme).items():
        print(save(figure, folder / f"geometry-{name}.png"))


@command
def compare(
    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN RUN ...")] = (),
    *,
    data: Annotated[str | None, arg(metavar="DATA")] = None,
    models: tuple[str, ...] = ("ae", "vae"),
    dim: int = 2,
    epochs: int | None = None,
    seed: int = 0,
    dark: Dark = False,
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Draw runs side by side, with figures: codes, samples, reconstructions and, in two axes, grids.

    Args:
        runs: Two runs or more of the same images.
        data: Instead of runs: train these models on it, with the same nets and seed, and compare them.
        models: Which to train: ae, vae, or cvae for a conditional VAE.
        dim: Axes of their latent spaces.
        epochs: Times through the images.
        seed: Of their training.
        out: The folder to draw into.
    """
    from zatlas import create
    from zatlas.figures.comparison import as_table, draw_comparison
    from zatlas.workspace import Workspace

    if data is not None and runs:
        raise BadRecipe("Give runs to compare, or --data to train them on, not both.")
    if data is None and len(runs) < 2:
        raise BadRecipe(
            "Comparing takes two runs or more: zatlas compare RUN RUN, or zatlas compare --data fashion-mini"
        )
    if data is None:
        workspaces = [Workspace.open(run) for run in runs]
        folder = out or workspaces[0].run.gallery / "compare"
    else:
        folder = out or Path("runs") / "compare"
        workspaces = create.train_comparable(data, models, dim=dim, epochs=epochs, seed=seed, folder=folder)
    pictures, figures = draw_comparison(workspaces, folder, theme=theme_of(dark))
    for figure in pictures:
        print(figure)
    list_rows(as_table(figures), to_person=True)


@command
def gallery(
    run: Run,
    *,
    dark: Dark = False,
    no_open: bool = False,
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Draw everything that applies to a run into one folder, with a page that explains it.

    Args:
        no_open: Do not show the page on the screen.
        out: The folder; gallery/ of the run if not said.
    """
    from zatlas.gallery import draw_gallery, open_page

    page = draw_gallery(open_workspace(run), out, theme=theme_of(dark))
    if not no_open:
        open_page(page)
    print(page)
