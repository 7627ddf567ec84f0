"""The command that encodes very many images."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from zatlas.commands import Run, command
from zatlas.commands.shared import open_workspace


@command
def encode(
    run: Run,
    data: Annotated[Positional[str | None], arg(metavar="DATA")] = None,
    *,
    split: Annotated[Literal["train", "valid", "test"] | None, arg(metavar="SPLIT")] = None,
    on: Annotated[Literal["here", "ray"], arg(metavar="here|ray")] = "here",
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None,
) -> None:
    """Encode images to points, a row an image, as a folder of Parquet files; begun again, it goes on.

    Args:
        data: A folder of images, a folder of Parquet files with images in them, or a name as
            `zatlas train` takes; the run's own images, if not said.
        split: A part of a set that has parts: train, valid or test; all of it, if not said.
        on: Here, or on ray: the cluster of RAY_ADDRESS, or the cores of this machine.
        out: The folder to write; latents/DATA-SPLIT.parquet of the run, if not said.
    """
    from zatlas.encode import encode

    print(encode(open_workspace(run), data, split=split, on=on, out=out))
