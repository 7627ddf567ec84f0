"""The command that finds the points of images, and teaches a run the encoder that it lacks."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from zatlas.commands import Dark, Label, Out, Run, command
from zatlas.commands.make import list_rows
from zatlas.commands.shared import class_of, open_workspace, theme_of
from zatlas.core.errors import BadRecipe


@command
def invert(
    run: Run,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE ...")] = (),
    *,
    learn: bool = False,
    steps: int | None = None,
    starts: int | None = None,
    label: Label = None,
    seed: int = 0,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Find the points of image files in any model, draw what it makes of them, and say how near it comes.

    Args:
        images: Image files; they are cropped to a square and made as large as the model's own. Without
            any, the model's own samples are searched for, which says how well searching does.
        learn: Teach the model an encoder first, from its own samples, and keep it in the run: real
            images then have points in every command. It takes minutes.
        steps: Of the search; 0 for what the encoder says, as it is.
        starts: Points that the search of each image begins at; of no use with an encoder.
        seed: Of the starts and of the teaching.
        out: Where the points are kept, an .npz file; the picture goes beside it.
    """
    from zatlas.core.progress import console
    from zatlas.figures.inversions import read_files, sample_inputs, save_inversion
    from zatlas.latent.inversion import STARTS, STEPS

    if out is not None and out.suffix != ".npz":
        raise BadRecipe(f"Points are kept in an .npz file, not in {out.name}.")
    from zatlas.encoder import invert as search
    from zatlas.encoder import train_encoder

    workspace = open_workspace(run)
    told = class_of(workspace, label)
    if learn:
        workspace = train_encoder(workspace, seed=seed)
    given = read_files(workspace, images, told) if images else sample_inputs(workspace, told, seed)
    result = search(
        workspace,
        given.images,
        given.labels,
        seed=seed,
        steps=STEPS if steps is None else steps,
        starts=STARTS if starts is None else starts,
    )
    place = out or workspace.run.gallery / "inverted.npz"
    figure = save_inversion(workspace, given, result, place, theme=theme_of(dark))
    console().print(f"points: {place}\npicture: {figure}", soft_wrap=True, markup=False)
    list_rows(
        [
            {
                "file": name,
                "psnr": round(float(psnr), 2),
                "rms": round(float(rms), 4),
                "seconds": round(result.seconds / len(given.names), 2),
            }
            for name, psnr, rms in zip(given.names, result.psnr, result.rms, strict=True)
        ]
    )
