"""The command that makes a run of a model made elsewhere."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from zatlas.commands import command
from zatlas.core.errors import BadRecipe


@command
def bring(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")],
    *,
    out: Annotated[Path, arg(metavar="RUN")],
    net: str | None = None,
    key: str | None = None,
    module: Annotated[str | None, arg(metavar="PACKAGE.MODULE:CLASS")] = None,
    encoder: Annotated[str | None, arg(metavar="FILE")] = None,
    shape: Annotated[str | None, arg(metavar="N,N,N")] = None,
    prior: Annotated[str | None, arg(metavar="NAME")] = None,
    pixels: Annotated[str | None, arg(metavar="RANGE")] = None,
    layout: Annotated[str | None, arg(metavar="LAYOUT")] = None,
    data: Annotated[str | None, arg(metavar="DATA")] = None,
) -> None:
    """Make a run of a model that was made elsewhere, saying what was found out of it.

    Args:
        source: A decoder (.onnx, .pt2, TorchScript), weights (.safetensors, .pt, .pth, .tar), codes
            (.npy, .npz, .parquet), or a folder saved by pythae or diffusers.
        out: The folder to make.
        net: The net that weights belong to: dcgan.
        key: Which weights of a file, as netG_state_dict; which array or column of codes.
        module: Your own class that weights belong to, as mine.nets:Decoder or
            "mine.nets:Decoder(100, width=64)"; it must be importable, and its code is run.
        encoder: The encoder as a file of its own; for pythae's, a class as for --module.
        shape: Of a point, as 100 or 4,64,64.
        prior: normal, sphere or none.
        pixels: What the model gives: unit (0 to 1), signed (-1 to 1), bytes (0 to 255) or logits.
        layout: Of its images: nchw, nhwc, nhw (no channels) or flat.
        data: Real images for it, named as for train; with an encoder they get points.
    """
    from zatlas import create

    workspace = create.import_model(
        source,
        out,
        net=net,
        key=key,
        module=module,
        encoder=encoder,
        shape=_sizes(shape),
        prior=prior,
        pixels=pixels,
        layout=layout,
        data=data,
    )
    print(workspace.run.folder)


def _sizes(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadRecipe(f"--shape takes whole numbers, as 100 or 4,64,64, not {text!r}.") from None
